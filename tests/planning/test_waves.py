from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import nouns
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ExitCode
from pipeline.model.fleets import RefreshStatus
from pipeline.model.ids import ImageId
from pipeline.model.names import TAG_SINCE, Role
from pipeline.model.rollouts import RetireGroup, StartRefresh
from pipeline.model.settings import FleetSettings, Limits, PatchGroup, Settings
from pipeline.model.shares import Radius, Share
from pipeline.model.steps import Lane, Note, Plan, PlannedStep, Wave
from pipeline.model.views import FleetView
from pipeline.model.windows import WindowRule
from pipeline.planning.roll import plan_roll
from pipeline.planning.waves import FleetPlan, alone, in_waves, radius_of, within

DAY = timedelta(days=1)
DEV, PROD = PatchGroup(name="dev", wave=1), PatchGroup(name="prod", wave=2)


def member(name: str, group: str | None = None) -> FleetSettings:
    """Make a fleet of a patch group."""
    return replace(nouns.fleet(name), patch_group=group)


def configured(*fleets: FleetSettings, groups: tuple[PatchGroup, ...] = (DEV, PROD)) -> Settings:
    """Make a configuration with these fleets and patch groups."""
    return nouns.settings(*fleets, patch_groups={group.name: group for group in groups})


def view_of(fleet: FleetSettings, *images: str, **changes: Any) -> FleetView:
    """Make an observed fleet."""
    saved = nouns.version(1, images[0]) if images else nouns.version()
    return replace(nouns.fleet_view(*images, saved=saved), settings=fleet, **changes)


def to_roll(fleet: FleetSettings, *, baked: timedelta = DAY, on: str = nouns.OLD, **changes: Any) -> FleetPlan:
    """Plan to bring a fleet from an image to the new one, which was baked so long ago."""
    view = view_of(fleet, on, **changes)
    plan = plan_roll(view, nouns.NEW)
    return FleetPlan(fleet=fleet.name, plan=plan, view=view, image=nouns.NEW, baked=nouns.NOW - baked)


def stuck(fleet: FleetSettings) -> FleetPlan:
    """Make a fleet that cannot be rolled."""
    return FleetPlan(fleet=fleet.name, plan=Plan(notes=(Note(target=fleet.name, text="no", blocked=ExitCode.FAILED),)))


def fleets_of(plan: Plan) -> list[tuple[str, list[str]]]:
    """Name each wave with its fleets."""
    return [(wave.name, [lane.fleet for lane in wave.lanes]) for wave in plan.waves]


def test_patch_groups_are_waves_in_their_order() -> None:
    """Dev before prod, whatever the names; fleets without a group come last, one at a time."""
    fleets = (member("a-prod", "prod"), member("b-dev", "dev"), member("c-dev", "dev"), member("a-none"))
    plan = in_waves(configured(*fleets), [to_roll(fleet) for fleet in fleets], nouns.NOW)
    assert fleets_of(plan) == [("dev", ["b-dev", "c-dev"]), ("prod", ["a-prod"]), ("fleets", ["a-none"])]
    assert plan.waves[-1].concurrency == 1


@given(groups=st.lists(st.sampled_from(["dev", "prod", None]), max_size=12), canary=st.integers(0, 11))
def test_waves_partition_the_fleets(groups: list[str | None], canary: int) -> None:
    """Every fleet that has something to do is in exactly one wave, and no wave is empty."""
    fleets = [member(f"fleet-{number}", group) for number, group in enumerate(groups)]
    settings = configured(*fleets, groups=(replace(DEV, canary=f"fleet-{canary}"), PROD))
    plan = in_waves(settings, [to_roll(fleet) for fleet in fleets], nouns.NOW)
    listed = [lane.fleet for wave in plan.waves for lane in wave.lanes]
    assert sorted(listed) == sorted(fleet.name for fleet in fleets)
    assert all(wave.lanes for wave in plan.waves)


def test_the_canary_goes_first_and_alone() -> None:
    """It is a wave of its own, and its failure is one too many."""
    fleets = [member(f"prod-{number}", "prod") for number in range(4)]
    group = replace(PROD, canary="prod-2", concurrency=Share(value=50, percent=True), max_errors=Share(value=1))
    plan = in_waves(configured(*fleets, groups=(group,)), [to_roll(fleet) for fleet in fleets], nouns.NOW)
    assert fleets_of(plan) == [("prod canary", ["prod-2"]), ("prod", ["prod-0", "prod-1", "prod-3"])]
    assert [(wave.concurrency, wave.max_errors) for wave in plan.waves] == [(1, 0), (2, 1)]


def test_a_soak_follows_a_group_that_is_rolled_now() -> None:
    """Its end is not known yet, so the wave carries the time; without waiting, the group is left to a later run."""
    fleets = (member("dev", "dev"), member("prod", "prod"))
    settings = configured(*fleets, groups=(DEV, replace(PROD, soak_before=DAY)))
    planned = [to_roll(fleet) for fleet in fleets]
    assert in_waves(settings, planned, nouns.NOW).waves[1].soak_before == DAY
    left = in_waves(settings, planned, nouns.NOW, rule=WindowRule(wait=False))
    assert fleets_of(left) == [("dev", ["dev"])]
    assert "run again then" in left.notes[-1].text


@pytest.mark.parametrize(("hours", "waits"), [(23, True), (24, False)])
def test_a_soak_counts_from_when_the_group_before_got_there(hours: int, *, waits: bool) -> None:
    """AWS remembers when: the refresh's end, or the green group's own tag."""
    fleets = (member("dev", "dev"), member("prod", "prod"))
    settings = configured(*fleets, groups=(DEV, replace(PROD, soak_before=DAY)))
    ended = nouns.refresh(RefreshStatus.SUCCESSFUL, ended=nouns.NOW - timedelta(hours=hours))
    by_refresh = to_roll(fleets[0], on=nouns.NEW, refreshes=(ended,), goals={ended.id: nouns.NEW})
    tagged = nouns.group(nouns.NEW, tags={TAG_SINCE: (nouns.NOW - timedelta(hours=hours)).isoformat()})
    by_tag = to_roll(fleets[0], on=nouns.NEW, group=tagged)
    for there in (by_refresh, by_tag):
        plan = in_waves(settings, [there, to_roll(fleets[1])], nouns.NOW)
        assert (plan.waves[0].not_before is not None and plan.waves[0].not_before > nouns.NOW) is waits


def test_an_image_has_to_be_old_enough() -> None:
    """The group waits for the rest of its minimum age; one that is yet to be baked for all of it."""
    fleet = member("prod", "prod")
    settings = configured(fleet, groups=(replace(PROD, min_image_age=3 * DAY),))
    plan = in_waves(settings, [to_roll(fleet)], nouns.NOW)
    assert plan.waves[0].not_before == nouns.NOW + 2 * DAY
    unbaked = replace(to_roll(fleet), image=None, baked=None)
    (wave,) = in_waves(settings, [unbaked], nouns.NOW).waves
    assert (wave.not_before, wave.image_age) == (nouns.NOW + 3 * DAY, 3 * DAY)


def test_a_group_that_cannot_be_rolled_holds_those_after_it() -> None:
    """One fleet too many that is stuck, and later groups wait, with its name."""
    fleets = (member("dev-1", "dev"), member("dev-2", "dev"), member("prod", "prod"))
    planned = [stuck(fleets[0]), to_roll(fleets[1]), to_roll(fleets[2])]
    plan = in_waves(configured(*fleets), planned, nouns.NOW)
    assert fleets_of(plan) == [("dev", ["dev-2"])]
    assert "dev-1" in next(note.text for note in plan.notes if note.target == "prod")
    tolerant = configured(*fleets, groups=(replace(DEV, max_errors=Share(value=1)), PROD))
    assert fleets_of(in_waves(tolerant, planned, nouns.NOW)) == [("dev", ["dev-2"]), ("prod", ["prod"])]


def test_a_fleet_whose_owner_has_not_followed_holds_those_after_it() -> None:
    """Nothing is planned for it, and it is not on the image: prod is not rolled past it."""
    fleets = (member("dev", "dev"), member("prod", "prod"))
    followed = FleetPlan(fleet="dev", plan=Plan(), view=view_of(fleets[0], nouns.OLD), image=nouns.NEW)
    plan = in_waves(configured(*fleets), [followed, to_roll(fleets[1])], nouns.NOW)
    assert plan.empty
    assert "waits for dev" in plan.notes[-1].text


def retiring(fleet: str) -> tuple[Wave, ...]:
    """Make the wave in which a fleet's blue group ends."""
    step = PlannedStep(target=fleet, step=RetireGroup(fleet=fleet, role=Role.BLUE), why="")
    return (Wave(name="retirement", lanes=(Lane(fleet=fleet, steps=(step,)),)),)


def test_blue_groups_end_together_after_all_waves() -> None:
    """Each waits for its own time, and none of a fleet that is left to a later run."""
    fleets = (member("dev", "dev"), member("prod", "prod"))
    planned = [to_roll(fleet) for fleet in fleets]
    both = [replace(one, plan=replace(one.plan, waves=retiring(one.fleet))) for one in planned]
    assert fleets_of(in_waves(configured(*fleets), both, nouns.NOW))[-1] == ("retirement", ["dev", "prod"])
    held = configured(*fleets, groups=(DEV, replace(PROD, soak_before=DAY)))
    assert fleets_of(in_waves(held, both, nouns.NOW, rule=WindowRule(wait=False))) == [
        ("dev", ["dev"]),
        ("retirement", ["dev"]),
    ]


def test_one_fleet_alone_waits_for_nobody() -> None:
    """Somebody asked for it by name."""
    fleet = member("prod", "prod")
    assert fleets_of(alone(to_roll(fleet))) == [("prod", ["prod"])]
    assert alone(to_roll(fleet, on=nouns.NEW)).empty


def test_lanes_beyond_the_blast_radius_are_left_to_the_next_run() -> None:
    """In the order of the waves, with a note; and the bound travels with the plan."""
    fleets = [member(f"dev-{number}", "dev") for number in range(3)]
    plan = in_waves(configured(*fleets), [to_roll(fleet) for fleet in fleets], nouns.NOW)
    bounded = within(plan, Radius(fleets=2, instances=100), {fleet.name: 4 for fleet in fleets})
    assert fleets_of(bounded) == [("dev", ["dev-0", "dev-1"])]
    assert "run again" in bounded.notes[-1].text
    assert bounded.radius == Radius(fleets=2, instances=100)
    assert not bounded.blocked


def test_nobody_overtakes_whoever_is_left_out() -> None:
    """A smaller fleet of a later wave would fit, and waits for its turn all the same; in one wave there is no order."""
    fleets = [member("a", "dev"), member("b", "dev"), member("c", "dev"), member("d", "prod")]
    plan = in_waves(configured(*fleets), [to_roll(fleet) for fleet in fleets], nouns.NOW)
    bounded = within(plan, Radius(fleets=4, instances=10), {"a": 4, "b": 8, "c": 1, "d": 1})
    assert fleets_of(bounded) == [("dev", ["a", "c"])]
    assert [(note.target, note.text.split(";")[0]) for note in bounded.notes][-1] == ("d", "it comes after b")


def test_where_no_fleet_fits_the_plan_is_refused() -> None:
    """A single fleet larger than the limit is not rolled in part."""
    fleet = member("dev", "dev")
    plan = within(in_waves(configured(fleet), [to_roll(fleet)], nouns.NOW), Radius(fleets=1, instances=3), {"dev": 4})
    assert plan.empty
    assert plan.blocked[0].blocked is ExitCode.REFUSED


def test_limits_are_shares_of_all_that_is_configured() -> None:
    """Fleets by number, instances by desired capacity."""
    limits = Limits(fleets=Share(value=50, percent=True), instances=Share(value=25, percent=True))
    settings = replace(configured(member("a"), member("b")), limits=limits)
    assert radius_of(settings, {"a": 10, "b": 10}) == Radius(fleets=1, instances=5)


def test_rolling_only_begins_with_steps() -> None:
    """A fleet on its image is in no wave, and its note is kept."""
    fleet = member("dev", "dev")
    plan = in_waves(configured(fleet), [to_roll(fleet, on=nouns.NEW)], nouns.NOW)
    assert plan.empty
    assert "instances are on" in plan.notes[0].text


def test_steps_of_a_lane_stay_together() -> None:
    """A lane is the fleet's own plan, untouched."""
    fleet = member("dev", "dev")
    planned = to_roll(fleet)
    (wave,) = in_waves(configured(fleet), [planned], nouns.NOW).waves
    assert wave.lanes == (Lane(fleet="dev", steps=planned.plan.steps),)
    assert any(isinstance(one.step, StartRefresh) and one.target == "dev" for one in wave.lanes[0].steps)
    assert ImageId(nouns.NEW) == planned.image
