from __future__ import annotations

import nouns
import pytest

from pipeline.errors import ExitCode
from pipeline.model.fleets import RefreshStatus, TemplateRef
from pipeline.model.images import Stage
from pipeline.model.refs import Baked
from pipeline.model.steps import MoveChannel, Plan, SmokeTestImage
from pipeline.model.views import FamilyView, FleetView
from pipeline.planning.release import Released, merge, plan_release

FULL = ["BuildImage", "SmokeTestImage", "MoveChannel", "CreateTemplateVersion", "StartRefresh", "AwaitRefresh"]


def release(view: FamilyView, *fleets: FleetView, force: bool = False) -> Plan:
    """Plan the release of one family with these fleets."""
    settings = nouns.settings(*(fleet.settings for fleet in fleets))
    return plan_release(settings, [Released(family=view, fleets=fleets)], nouns.NOW, force=force)


def kinds(view: FamilyView, *fleets: FleetView) -> list[str]:
    """Name the steps of a release."""
    return [type(planned.step).__name__ for planned in release(view, *fleets).every]


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (nouns.family_view(), FULL),
        (nouns.family_view(nouns.image(stage=Stage.CANDIDATE)), FULL[1:]),
        (nouns.family_view(nouns.image()), FULL[2:]),
        (nouns.family_view(nouns.image(), channel=nouns.NEW), FULL[3:]),
        (nouns.family_view(nouns.image(stage=Stage.REJECTED)), []),
    ],
)
def test_a_release_does_only_what_is_missing(view: FamilyView, expected: list[str]) -> None:
    """From nothing baked to everything but the roll, each stage of the way is skipped where it stands."""
    assert kinds(view, nouns.fleet_view(nouns.OLD)) == expected


def test_nothing_is_left_where_everything_stands() -> None:
    """Recipe baked, tested, promoted and rolled: the plan is empty."""
    on_new = nouns.fleet_view(nouns.NEW, saved=nouns.version(2, nouns.NEW))
    assert kinds(nouns.family_view(nouns.image(), channel=nouns.NEW), on_new) == []


def test_later_steps_name_the_image_that_the_plan_bakes() -> None:
    """Smoke test and promotion of a bake refer to it symbolically."""
    plan = release(nouns.family_view(), nouns.fleet_view(nouns.OLD))
    references = [p.step.image for p in plan.steps if isinstance(p.step, (SmokeTestImage, MoveChannel))]
    assert references == [Baked(family="web")] * 2


def test_force_bakes_again_and_rolls_the_new_image() -> None:
    """--force plans the whole way although an image of the key is tested."""
    view = nouns.family_view(nouns.image(), channel=nouns.NEW)
    plan = release(view, nouns.fleet_view(nouns.OLD), force=True)
    assert [type(planned.step).__name__ for planned in plan.every] == FULL


def test_a_fleet_that_cannot_be_rolled_is_noted_and_stops_no_other() -> None:
    """The plan shows every fleet; what blocks one is said with its next step and exit code."""
    odd = nouns.fleet_view(
        nouns.OLD,
        settings=nouns.fleet("web-odd"),
        group=nouns.group(nouns.OLD, name="web-odd", template=TemplateRef(id=nouns.TEMPLATE, version="$Latest")),
    )
    plan = release(nouns.family_view(nouns.image(), channel=nouns.NEW), odd, nouns.fleet_view(nouns.OLD))
    assert {planned.target for planned in plan.every} == {"web-prod"}
    assert [(note.target, note.blocked) for note in plan.blocked] == [("web-odd", ExitCode.FAILED)]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (RefreshStatus.ROLLBACK_SUCCESSFUL, "ended as RollbackSuccessful"),
        (RefreshStatus.FAILED, "ended as Failed"),
        (RefreshStatus.SUCCESSFUL, "left ami-0new again"),
        (RefreshStatus.CANCELLED, ""),
    ],
)
def test_what_a_fleet_was_brought_away_from_is_not_rolled_unattended(status: RefreshStatus, said: str) -> None:
    """A nightly release must not undo a roll-back; the note names the command that rolls it all the same."""
    tried = nouns.refresh(status)
    fleet = nouns.fleet_view(nouns.OLD, refreshes=(tried,), goals={tried.id: nouns.NEW})
    plan = release(nouns.family_view(nouns.image(), channel=nouns.NEW), fleet)
    assert plan.empty == bool(said)
    if said:
        assert said in plan.notes[-1].text
        assert "rebake roll web-prod --image ami-0new" in plan.notes[-1].text
        assert plan.notes[-1].blocked is ExitCode.REFUSED


def test_stragglers_of_a_roll_that_got_through_are_rolled() -> None:
    """A refresh to the image succeeded and an instance is on another: that one is replaced."""
    done = nouns.refresh(RefreshStatus.SUCCESSFUL)
    saved = nouns.version(2, nouns.NEW)
    fleet = nouns.fleet_view(nouns.NEW, nouns.OLD, saved=saved, refreshes=(done,), goals={done.id: nouns.NEW})
    assert kinds(nouns.family_view(nouns.image(), channel=nouns.NEW), fleet) == ["StartRefresh", "AwaitRefresh"]


def test_a_channel_that_was_moved_back_stays_there() -> None:
    """What somebody promoted by hand is not promoted over, and the fleets are left alone."""
    view = nouns.family_view(nouns.image(), channel=nouns.OLD, earlier=(nouns.NEW,))
    plan = release(view, nouns.fleet_view(nouns.OLD))
    assert plan.empty
    assert "rebake promote web --image ami-0new" in plan.notes[-1].text


def test_merged_plans_keep_their_order() -> None:
    """Plans of several families follow each other."""
    one = release(nouns.family_view())
    assert merge([one, one]).steps == (*one.steps, *one.steps)
