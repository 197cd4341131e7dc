from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import nouns
import pytest

from pipeline.errors import HeldError, NotPossible, RebakeError, RefusedError
from pipeline.model.gates import AlarmGate, CanaryGate, TargetGate
from pipeline.model.ids import GroupName, ImageId, TargetGroupArn
from pipeline.model.names import TAG_LEFT, Role, target_group_name
from pipeline.model.refs import Created
from pipeline.model.rollouts import (
    AwaitTargetsHealthy,
    CheckGate,
    CreateGreen,
    CreateTemplateVersion,
    Drain,
    NameLive,
    PutBack,
    RetireGroup,
    ShiftTraffic,
    Soak,
    StartRefresh,
)
from pipeline.model.steps import Plan, TagImage
from pipeline.model.undo import Undo
from pipeline.model.views import FleetView
from pipeline.planning.recovery import plan_recovery, plan_repair
from pipeline.planning.roll import plan_roll
from pipeline.planning.rollback import plan_rollback

LANE = [CreateTemplateVersion, CreateGreen]
SHIFT = [AwaitTargetsHealthy, ShiftTraffic, Soak]


def kinds(plan: Plan) -> list[type]:
    """Name the steps of a plan."""
    return [type(planned.step) for planned in plan.every]


def percents(plan: Plan) -> list[int]:
    """List the shifts of a plan."""
    return [planned.step.percent for planned in plan.every if isinstance(planned.step, ShiftTraffic)]


def on_new(**changes: Any) -> FleetView:
    """Make a blue-green fleet that runs the new image."""
    saved = nouns.version(2, nouns.NEW, source=1)
    return nouns.shifting(nouns.NEW, saved=saved, versions=(saved, nouns.version(1)), **changes)


def test_a_fleet_is_replaced_by_a_green_group() -> None:
    """Version, green, and for every shift: healthy first, weights, soak; then drain, names, and blue's end."""
    plan = plan_roll(nouns.shifting(nouns.OLD, nouns.OLD), nouns.NEW)
    assert kinds(plan) == [*LANE, *SHIFT * 3, Drain, NameLive, RetireGroup]
    assert percents(plan) == [10, 50, 100]
    create = plan.steps[1].step
    assert isinstance(create, CreateGreen)
    assert (create.blue, create.origin, create.version) == ("web-prod", "web-prod", Created(fleet="web-prod"))


def test_blue_ends_in_a_wave_of_its_own() -> None:
    """Its rollback window holds no other fleet up."""
    plan = plan_roll(nouns.shifting(nouns.OLD), nouns.NEW)
    (wave,) = plan.waves
    assert [type(planned.step) for planned in wave.lanes[0].steps] == [RetireGroup]


def test_a_fleet_on_the_image_needs_nothing() -> None:
    """Planned again after it was carried out, the plan is empty."""
    assert plan_roll(on_new(), nouns.NEW).empty


def test_a_blue_group_that_is_kept_is_still_to_be_retired() -> None:
    """The fleet is there, and what is pending is the end of the rollback window."""
    kept = nouns.side(Role.BLUE, nouns.OLD, name="web-prod-v1", number=1)
    plan = plan_roll(on_new(others=(kept,), weights=(100, 0)), nouns.NEW)
    assert kinds(plan) == [RetireGroup]
    (step,) = [planned.step for planned in plan.every]
    assert isinstance(step, RetireGroup)
    assert step.pair is not None
    assert (step.pair.blue, step.at_once) == ("web-prod-v1", False)


@pytest.mark.parametrize(("weights", "ahead"), [((100, 0), [10, 50, 100]), ((90, 10), [50, 100]), ((0, 100), [])])
def test_an_unfinished_rollout_goes_on_where_it_stands(weights: tuple[int, int], ahead: list[int]) -> None:
    """Killed at any weight, the same command takes the same green group on, and soaks again where traffic is."""
    green = nouns.side(Role.GREEN, nouns.NEW)
    plan = plan_roll(nouns.shifting(nouns.OLD, weights=weights, others=(green,)), nouns.NEW)
    assert percents(plan) == ahead
    create = next(planned.step for planned in plan.steps if isinstance(planned.step, CreateGreen))
    assert create.version == 2
    assert CreateTemplateVersion not in kinds(plan)
    assert kinds(plan).count(Soak) == len(ahead) + (1 if weights[1] else 0)


def test_a_green_group_on_another_image_is_taken_back_first() -> None:
    """Weights first, then the group, then a rollout from the beginning."""
    green = nouns.side(Role.GREEN, nouns.OLD, number=5)
    tagged = nouns.group(nouns.OLD, tags=Undo(run="r", minimum=1).tags(), target_groups=(nouns.BLUE_TARGETS,))
    view = replace(nouns.shifting(nouns.OLD, weights=(50, 50), others=(green,)), group=tagged)
    plan = plan_roll(view, nouns.NEW)
    assert kinds(plan)[:5] == [ShiftTraffic, Drain, RetireGroup, PutBack, CreateTemplateVersion]
    assert percents(plan)[0] == 0


def test_gates_are_asked_before_traffic_and_while_it_shifts() -> None:
    """Alarms before anything, targets before any traffic, everything in every soak."""
    gates = (AlarmGate(alarms=("web-5xx",)), TargetGate(), CanaryGate(metrics=()))
    view = nouns.shifting(nouns.OLD, settings=replace(nouns.blue_green(shifts=(100,)), gates=gates))
    steps = [planned.step for planned in plan_roll(view, nouns.NEW).steps]
    asked = [step.gates for step in steps if isinstance(step, CheckGate | Soak)]
    assert asked == [gates[:1], gates[1:2], gates]


@pytest.mark.parametrize(
    ("view", "error", "said"),
    [
        (nouns.shifting(nouns.OLD, refreshes=(nouns.refresh(),)), HeldError, "refresh-1"),
        (nouns.fleet_view(nouns.OLD, settings=nouns.blue_green()), NotPossible, "0 target groups"),
        (nouns.shifting(nouns.OLD, weights=()), RefusedError, "does not forward"),
    ],
)
def test_a_fleet_whose_traffic_cannot_be_moved_is_refused(view: FleetView, error: type[RebakeError], said: str) -> None:
    """Each obstacle is named, with a next step."""
    with pytest.raises(error, match=said) as caught:
        plan_roll(view, nouns.NEW)
    assert caught.value.hint


@pytest.mark.parametrize(
    "changes", [{"elsewhere": ("arn:rule/other",)}, {"obstacles": ("it has step scaling policies",)}]
)
def test_what_would_be_lost_refuses_the_plan(changes: dict[str, Any]) -> None:
    """Traffic by another rule, and parts of the group that cannot be copied, are found before anything is made."""
    view = nouns.shifting(nouns.OLD)
    assert view.traffic is not None
    with pytest.raises(NotPossible) as caught:
        plan_roll(replace(view, traffic=replace(view.traffic, **changes)), nouns.NEW)
    assert next(iter(changes.values()))[0] in caught.value.message


def test_rollback_during_a_rollout_gives_the_weights_back_first() -> None:
    """One call takes green's traffic; the rest is tidying up."""
    green = nouns.side(Role.GREEN, nouns.NEW)
    plan = plan_rollback(nouns.shifting(nouns.OLD, weights=(50, 50), others=(green,)))
    assert kinds(plan) == [ShiftTraffic, Drain, RetireGroup]
    assert percents(plan) == [0]


def test_rollback_while_blue_is_kept_returns_to_it() -> None:
    """All traffic back in one call, then the names turn round, and green goes without a window."""
    kept = nouns.side(Role.BLUE, nouns.OLD, name="web-prod-v1", number=1)
    plan = plan_rollback(on_new(others=(kept,), weights=(100, 0)))
    assert kinds(plan) == [ShiftTraffic, NameLive, Drain, RetireGroup, PutBack]
    shift, live, retire = plan.steps[0].step, plan.steps[1].step, plan.steps[3].step
    assert isinstance(shift, ShiftTraffic)
    assert isinstance(live, NameLive)
    assert isinstance(retire, RetireGroup)
    assert shift.pair is not None
    assert (shift.percent, shift.pair.green, live.left, retire.at_once) == (100, "web-prod-v1", nouns.NEW, True)


def came_back(**changes: Any) -> FleetView:
    """Make a blue-green fleet that was brought back from the new image to the old one."""
    view = nouns.shifting(nouns.OLD, versions=(nouns.version(2, nouns.NEW, source=1), nouns.version(1)), **changes)
    known = {**view.images, nouns.NEW: nouns.image(nouns.NEW)}
    return replace(view, group=replace(view.group, tags={TAG_LEFT: nouns.NEW}), images=known)


def test_a_partner_that_a_killed_run_has_set_to_the_image_needs_no_other_version() -> None:
    """Killed before it had called the partner green: the version that is saved on it is the one."""
    partner = nouns.side(None, name="web-b", number=7)
    view = nouns.shifting(nouns.OLD, others=(partner,), settings=nouns.blue_green(partner=GroupName("web-b")))
    create = plan_roll(view, nouns.NEW).steps[0].step
    assert isinstance(create, CreateGreen)
    assert (create.version, create.partner) == (7, "web-b")


def test_repair_ends_the_group_that_is_left_also_where_more_is_to_be_put_back() -> None:
    """One repair is enough: a run that was killed while it turned the names round has left both."""
    kept = nouns.side(Role.BLUE, nouns.OLD, name="web-prod-v1", number=1)
    view = on_new(others=(kept,), weights=(100, 0))
    undone = replace(view.group, tags={**view.group.tags, **Undo(run="r", minimum=1, pinned=2).tags()})
    assert kinds(plan_repair(replace(view, group=undone))) == [PutBack, RetireGroup]


def test_a_target_group_of_the_same_rollout_is_taken_on() -> None:
    """Killed before its group was made: the same roll keeps it, and one to another image removes it first."""
    versions = (nouns.version(2, nouns.NEW, source=1), nouns.version(1))
    view = nouns.shifting(nouns.OLD, versions=versions)
    assert view.traffic is not None
    route = view.traffic.route
    begun = f"arn:targetgroup/{target_group_name('web-prod-v2')}/1"
    traffic = replace(view.traffic, route=replace(route, weights={**route.weights, TargetGroupArn(begun): 0}))
    view = replace(view, traffic=traffic)
    assert kinds(plan_roll(view, nouns.NEW))[:2] == LANE
    assert kinds(plan_roll(view, ImageId("ami-0newer")))[:3] == [RetireGroup, *LANE]


def test_rollback_run_again_goes_no_further() -> None:
    """Killed after it had arrived, or typed twice: it says so, and how to go further; the image can be rejected."""
    plan = plan_rollback(came_back())
    assert plan.empty
    assert "already" in plan.notes[0].text
    assert "--to VERSION" in plan.notes[0].text
    assert kinds(plan_rollback(came_back(), reject=True)) == [TagImage]


def test_rollback_killed_after_the_names_were_turned_ends_the_group_that_was_left() -> None:
    """The group that is kept beside the fleet's own is what was left, and no way back."""
    left = nouns.side(Role.BLUE, nouns.NEW, name="web-prod-v2", number=2)
    plan = plan_rollback(came_back(others=(left,), weights=(100, 0)))
    assert kinds(plan) == [Drain, RetireGroup]
    retire = plan.steps[1].step
    assert isinstance(retire, RetireGroup)
    assert (retire.pair and retire.pair.blue, retire.at_once) == ("web-prod-v2", True)


def test_a_way_back_under_way_is_gone_on_with() -> None:
    """A green group that says what it leads away from is no rollout to be undone; towards another version it is."""
    begun = nouns.side(Role.GREEN, nouns.OLD, name="web-prod-v1", number=1)
    begun = replace(begun, group=replace(begun.group, tags={**begun.group.tags, TAG_LEFT: nouns.NEW}))
    view = on_new(others=(begun,), weights=(50, 50))
    view = replace(view, images={**view.images, nouns.OLD: nouns.image(nouns.OLD)})
    assert kinds(plan_rollback(view)) == [CreateGreen, AwaitTargetsHealthy, ShiftTraffic, Drain, NameLive, RetireGroup]
    third = nouns.version(3, nouns.OLD)
    elsewhere = plan_rollback(replace(view, versions=(third, *view.versions)), to=3)
    assert kinds(elsewhere)[:4] == [ShiftTraffic, Drain, RetireGroup, CreateGreen]


def test_rollback_after_blue_is_gone_makes_a_group_on_the_earlier_version() -> None:
    """All at once, without gates: what is left is worse."""
    view = on_new()
    plan = plan_rollback(replace(view, images={**view.images, nouns.OLD: nouns.image(nouns.OLD)}))
    assert kinds(plan) == [CreateGreen, AwaitTargetsHealthy, ShiftTraffic, Drain, NameLive, RetireGroup]
    create = plan.steps[0].step
    assert isinstance(create, CreateGreen)
    assert create.version == 1


def test_a_standing_partner_takes_the_part_of_green() -> None:
    """Nothing is made or deleted: the partner gets the version, and whoever is left is emptied."""
    partner = replace(nouns.side(None, name="web-b"), version=nouns.version(7))
    view = nouns.shifting(
        nouns.OLD, others=(partner,), weights=(1, 0), settings=nouns.blue_green(partner=GroupName("web-b"))
    )
    plan = plan_roll(view, nouns.NEW)
    template, create = plan.steps[0].step, plan.steps[1].step
    assert isinstance(template, CreateTemplateVersion)
    assert isinstance(create, CreateGreen)
    assert (template.source_version, create.partner) == (7, "web-b")
    retire = plan.waves[-1].lanes[0].steps[0].step
    assert isinstance(retire, RetireGroup)
    assert retire.standing


def test_a_group_that_somebody_owns_is_emptied_and_left() -> None:
    """To delete a group of a stack or of Terraform would break its owner's next change."""
    view = nouns.shifting(nouns.OLD)
    owned = replace(view, group=replace(view.group, tags={"aws:cloudformation:stack-name": "web"}))
    plan = plan_roll(owned, nouns.NEW)
    retire = plan.waves[-1].lanes[0].steps[0].step
    assert isinstance(retire, RetireGroup)
    assert retire.standing
    assert "stack web" in plan.notes[-1].text


def test_recovery_takes_an_unfinished_rollout_back_and_notes_the_image() -> None:
    """What failed is given back; a repair does the same without blaming the image."""
    green = nouns.side(Role.GREEN, nouns.NEW)
    view = nouns.shifting(nouns.OLD, weights=(90, 10), others=(green,))
    blamed = [
        step.left for planned in plan_recovery(view, begun=False).steps if isinstance(step := planned.step, RetireGroup)
    ]
    spared = [step.left for planned in plan_repair(view).steps if isinstance(step := planned.step, RetireGroup)]
    assert (blamed, spared) == ([nouns.NEW], [None])


def test_repair_retires_what_a_finished_rollout_still_owes() -> None:
    """Killed before blue was gone: repair ends it when its time has come."""
    kept = nouns.side(Role.BLUE, nouns.OLD, name="web-prod-v1", number=1)
    assert kinds(plan_repair(on_new(others=(kept,), weights=(100, 0)))) == [RetireGroup]


def test_repair_has_nothing_to_do_on_a_fleet_in_order() -> None:
    """It says so."""
    plan = plan_repair(nouns.shifting(nouns.OLD))
    assert plan.empty
    assert "nothing to put back" in plan.notes[0].text


def test_repair_leaves_a_running_refresh_to_aws() -> None:
    """Whoever started it may be watching it."""
    plan = plan_repair(nouns.fleet_view(nouns.OLD, refreshes=(nouns.refresh(),)))
    assert plan.empty
    assert "rebake rollback web-prod" in plan.notes[0].text


def test_a_roll_broken_off_between_zones_is_refreshed_back() -> None:
    """The version that stood before is in the group's own tag; protection goes first, or nobody could be replaced."""
    tags = Undo(run="r", unprotect=True, version=1).tags()
    after, before = nouns.version(2, nouns.NEW, source=1), nouns.version(1)
    view = nouns.fleet_view(nouns.NEW, nouns.OLD, saved=after, versions=(after, before))
    plan = plan_repair(replace(view, group=replace(view.group, tags=tags)))
    assert kinds(plan)[:2] == [PutBack, StartRefresh]
    start = plan.steps[1].step
    assert isinstance(start, StartRefresh)
    assert (start.version, start.undo) == (1, False)


def test_the_soak_is_as_long_as_configured() -> None:
    """Every soak carries its duration."""
    view = nouns.shifting(nouns.OLD, settings=nouns.blue_green(soak=timedelta(minutes=9)))
    soaks = [planned.step for planned in plan_roll(view, nouns.NEW).steps if isinstance(planned.step, Soak)]
    assert {soak.duration for soak in soaks} == {timedelta(minutes=9)}
