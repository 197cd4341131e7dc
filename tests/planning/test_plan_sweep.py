"""What a sweep takes for ours and left over; nothing that lacks a mark, is young, or is in use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import leavings
import nouns
import pytest
import rooms
from hypothesis import given, settings
from hypothesis import strategies as st
from leavings import EVERYTHING, GOING, MADE, RUN

from pipeline.model.leftovers import Kind, Remove, Resource
from pipeline.model.names import (
    TAG_BAKE_KEY,
    TAG_FAMILY,
    TAG_GOOD,
    TAG_MADE,
    TAG_ORIGIN,
    TAG_PURPOSE,
    TAG_RETIRE,
    TAG_ROLE,
    TAG_RUN,
    TAG_STAGE,
    run_began,
)
from pipeline.model.steps import Plan
from pipeline.model.strategies import BlueGreen, Strategy
from pipeline.planning.sweep import least_age, plan_sweep

DAY = timedelta(days=1)


def sweep(*found: Resource, now: datetime = nouns.NOW, older_than: timedelta = DAY, at_most: int = 50) -> Plan:
    """Plan a sweep of these."""
    return plan_sweep(found, {"web"}, now, older_than=older_than, at_most=at_most)


def going(plan: Plan) -> tuple[str, ...]:
    """List what goes."""
    return tuple(planned.step.id for planned in plan.steps if isinstance(planned.step, Remove))


def test_everything_that_is_left_goes_in_an_order_that_works() -> None:
    """Whatever uses another one goes before it, each for a reason that can be read."""
    plan = sweep(*reversed(EVERYTHING))
    assert sorted(going(plan)) == sorted(GOING)
    assert going(sweep(*EVERYTHING)) == GOING
    assert plan.notes == ()
    why = {planned.target: planned.why for planned in plan.steps}
    assert why["i-0a"] == f"instance, build of web in run {RUN}, 7 days old"
    assert why["sg-0a"] == f"security group, made with key pair {leavings.KEY.id}, 6 days old"
    assert why[leavings.TARGETS.name] == f"target group, made for web-prod in run {RUN}, 7 days old"


def test_what_is_young_stays_and_is_told() -> None:
    """Nothing goes before its time; what was recognised is noted, with its age."""
    plan = sweep(*EVERYTHING, now=MADE + timedelta(hours=23))
    assert plan.empty
    assert all("h old, which is too young" in note.text for note in plan.notes)
    assert {note.target for note in plan.notes} >= {name for name in GOING if "arn" not in name}


@pytest.mark.parametrize(
    "one",
    [
        *(leavings.GROUP_OF_PACKER, leavings.UNTAGGED, leavings.FAILED, leavings.UNFINISHED, leavings.SNAPSHOT),
        *(leavings.GREEN_GROUP, leavings.BLUE_GROUP, leavings.TARGETS),
    ],
    ids=lambda one: one.id,
)
def test_what_somebody_uses_stays(one: Resource) -> None:
    """An instance, an image, a version, a group or a route with traffic: whoever it is."""
    found = [replace(other, holders=("somebody",)) if other.id == one.id else other for other in EVERYTHING]
    assert one.id not in going(sweep(*found))


def test_a_group_of_packers_waits_for_our_instance_and_the_key_pair_for_the_group() -> None:
    """What only another one gives away is not lost when that one has to stay."""
    held = replace(leavings.GROUP_OF_PACKER, holders=("i-0a",))
    first, second, third = sweep(leavings.INSTANCE, held, leavings.KEY).steps
    assert isinstance(second.step, Remove)
    assert isinstance(third.step, Remove)
    assert (second.step.after, third.step.after) == (("i-0a",), ("sg-0a",))
    young = replace(leavings.INSTANCE, created=nouns.NOW)
    plan = sweep(young, held, leavings.KEY)
    assert plan.empty
    assert [note.text.rpartition(": ")[2] for note in plan.notes] == [
        "0 h old, which is too young",
        "i-0a uses it",
        "sg-0a uses it",
    ]
    assert first.target == "i-0a"


def test_two_groups_of_packers_at_one_time_are_told_apart_by_nothing() -> None:
    """Then both stay, and the key pair that could tell."""
    other = replace(leavings.GROUP_OF_PACKER, id="sg-0b")
    plan = sweep(leavings.GROUP_OF_PACKER, other, leavings.KEY)
    assert plan.empty
    assert [note.target for note in plan.notes] == [leavings.KEY.id]
    tagged = replace(other, tags=leavings.BUILD)
    assert going(sweep(leavings.GROUP_OF_PACKER, tagged)) == ("sg-0b",)


def without(tags: Mapping[str, str], *keys: str, **more: str) -> dict[str, Any]:
    """Take tags away, or write others over them."""
    kept = {key: value for key, value in tags.items() if key not in keys}
    return {"tags": kept | {f"rebake:{key.replace('_', '-')}": value for key, value in more.items()}}


BAKED, BUILD, GREEN, TARGETS = leavings.BAKED, leavings.BUILD, leavings.GREEN_GROUP.tags, leavings.TARGETS.tags
SPOILT = [
    *((leavings.INSTANCE, without(BUILD, key)) for key in BUILD),
    (leavings.INSTANCE, without(BUILD, run="20261116T020000")),
    (leavings.INSTANCE, without(BUILD, run="20269916T020000-kqzt")),
    (leavings.INSTANCE, without(BUILD, purpose="web server")),
    (leavings.INSTANCE, {"tags": {**BUILD, "aws:autoscaling:groupName": "web"}}),
    *((leavings.VOLUME, without(BUILD, key)) for key in BUILD),
    (leavings.GROUP_OF_PACKER, {"name": "packer_web"}),
    (leavings.GROUP_OF_PACKER, {"description": "web"}),
    (leavings.GROUP_OF_PACKER, {"holders": ("i-0b",)}),
    (leavings.GROUP_OF_PACKER, {"name": f"packer_{int(MADE.timestamp()) - 301:08x}-1a2b"}),
    (leavings.KEY, {"name": "rebake-web"}),
    (leavings.KEY, {"name": f"rebake-{RUN}"}),
    (leavings.KEY, {"name": f"my-rebake-{RUN}-web"}),
    (leavings.UNTAGGED, {"tags": {"owner": "team"}}),
    (leavings.UNTAGGED, {"name": leavings.UNTAGGED.name.replace("web", "api")}),
    (leavings.UNTAGGED, {"name": "web-20261116-golden"}),
    (leavings.UNTAGGED, {"created": MADE + timedelta(days=2)}),
    (leavings.UNTAGGED, {"created": MADE - timedelta(minutes=1)}),
    (leavings.UNTAGGED, {"parts": ()}),
    (leavings.UNTAGGED, {"parts": ("snap-0a", "snap-0d")}),
    (leavings.FAILED, {"state": "available"}),
    (leavings.FAILED, {"state": "disabled"}),
    (leavings.FAILED, without(BAKED, good="way back of web-prod")),
    *((leavings.FAILED, without(BAKED, key)) for key in BAKED),
    *((leavings.UNFINISHED, without(leavings.UNFINISHED.tags, key)) for key in leavings.UNFINISHED.tags),
    (leavings.UNFINISHED, without(leavings.UNFINISHED.tags, purpose="image")),
    (leavings.UNFINISHED, without(leavings.UNFINISHED.tags, stage="candidate")),
    *((leavings.SNAPSHOT, without(BAKED, key)) for key in BAKED),
    (leavings.SNAPSHOT, without(BAKED, stage="tested")),
    (leavings.SNAPSHOT, {"description": "nightly"}),
    (leavings.SNAPSHOT, {"description": "Created by CreateImage(i-0c) for ami-0b"}),
    (leavings.APPROVAL, {"name": "release-7"}),
    *((leavings.GREEN_GROUP, without(GREEN, key)) for key in GREEN),
    (leavings.GREEN_GROUP, without(GREEN, role="live")),
    (leavings.GREEN_GROUP, without(GREEN, role="retired")),
    (leavings.GREEN_GROUP, without(GREEN, origin="web")),
    (leavings.GREEN_GROUP, {"name": "web-prod"}),
    (leavings.BLUE_GROUP, without(leavings.BLUE_GROUP.tags, TAG_RETIRE)),
    (leavings.BLUE_GROUP, without(leavings.BLUE_GROUP.tags, retire_after="soon")),
    (leavings.BLUE_GROUP, without(leavings.BLUE_GROUP.tags, retire_after=nouns.NOW.isoformat())),
    *((leavings.TARGETS, without(TARGETS, key)) for key in TARGETS),
    (leavings.TARGETS, without(TARGETS, made="2026-11-16")),
    (leavings.TARGETS, {"name": "web-prod-v2"}),
    (leavings.TARGETS, {"holders": ("web-prod-v9",)}),
]


@pytest.mark.parametrize(("one", "changes"), SPOILT)
def test_what_lacks_a_mark_is_not_ours(one: Resource, changes: dict[str, Any]) -> None:
    """Each mark is needed: with one of them missing, or almost right, nothing happens to it."""
    found = [replace(other, **changes) if other.id == one.id else other for other in EVERYTHING]
    assert one.id not in going(sweep(*found))


@pytest.mark.parametrize(
    "changes",
    [{"tags": {"owner": "team"}}, {"description": "Copied for DestinationAmi ami-0a"}, {"id": "snap-0d"}],
)
def test_an_image_that_was_copied_or_taken_over_is_not_ours(changes: dict[str, Any]) -> None:
    """Its snapshot tells: tagged by somebody, copied, or not to be seen."""
    assert going(sweep(leavings.UNTAGGED, replace(leavings.SNAPSHOT_OF_IT, **changes))) == ()


def test_an_image_that_is_still_pending_a_day_later_goes_without_a_snapshot() -> None:
    """AWS may not have made one."""
    stuck = replace(leavings.UNTAGGED, state="pending", parts=())
    assert going(sweep(stuck)) == ("ami-0a",)


def test_a_group_is_as_young_as_the_last_run_that_took_it_on() -> None:
    """A rollout that goes on with a green group of last week is not disturbed."""
    taken = replace(leavings.GREEN_GROUP, tags={**GREEN, TAG_RUN: f"{nouns.NOW:%Y%m%dT%H%M%S}-kqzt"})
    assert sweep(taken, leavings.TARGETS).empty


def test_the_target_group_of_a_group_that_lives_is_no_leftover() -> None:
    """Nothing is even noted of it."""
    live = replace(leavings.GREEN_GROUP, tags={**GREEN, TAG_ROLE: "live"})
    assert sweep(live, leavings.TARGETS) == Plan()


@pytest.mark.parametrize(
    ("held", "stays"),
    [
        ((), {"lt-0a:7", "lt-0a:8", "lt-0a:9", "lt-0a:10", "lt-0a:11"}),
        (("lt-0a:4",), {"lt-0a:3", "lt-0a:4"}),
        (("lt-0a:2",), {"lt-0a:1", "lt-0a:2"}),
    ],
)
def test_versions_that_are_ways_back_stay(held: tuple[str, ...], stays: set[str]) -> None:
    """The five newest of ours, what is in use, what a version in use was made from, and those of protected images."""
    found = [replace(one, holders=("web-dev",)) if one.id in held else one for one in leavings.VERSIONS]
    kept = Resource(kind=Kind.IMAGE, id="ami-good", tags={TAG_GOOD: "way back of web-prod"})
    found = [replace(one, parts=("ami-good",)) if one.id == "lt-0a:5" else one for one in found]
    assert "lt-0a:5" not in going(sweep(*found, kept))
    gone = set(going(sweep(*found)))
    assert not gone & (stays | {"lt-0a:1", "lt-0a:11"})
    assert gone == {"lt-0a:2", "lt-0a:3", "lt-0a:4", "lt-0a:5", "lt-0a:6"} - stays


def test_versions_of_others_are_neither_removed_nor_counted() -> None:
    """Ten versions by hand on top of six of ours: the oldest of the six goes, if it is not the latest."""
    hand = [leavings.version(number) for number in range(11, 21)]
    six = [leavings.version(number, source=1) for number in range(5, 11)]
    assert going(sweep(*hand, *six)) == ("lt-0a:5",)
    assert going(sweep(leavings.version(5, source=1))) == ()


@pytest.mark.parametrize("at_most", [1, 4, 15])
def test_a_run_removes_so_many_and_the_rest_is_told(at_most: int) -> None:
    """The first of them in the same order; a note says how many are left to the next run."""
    plan = sweep(*EVERYTHING, at_most=at_most)
    assert going(plan) == GOING[:at_most]
    told = [note for note in plan.notes if note.target == "sweep"]
    left = len(GOING) - at_most - sum("uses it" in note.text for note in plan.notes)
    assert told[0].text.startswith(f"{left} more than this run may remove")


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("build", "smoke", "strategy", "least"),
    [
        ({"timeout": 2 * HOUR}, {}, nouns.REFRESH, 4 * HOUR),
        ({"timeout": HOUR}, {"timeout": 3 * HOUR}, nouns.REFRESH, 9 * HOUR),
        ({"timeout": HOUR}, {"timeout": HOUR, "instance_types": ("a", "b")}, nouns.REFRESH, 6 * HOUR),
        ({"timeout": HOUR}, {}, BlueGreen(route="r", healthy_within=4 * HOUR), timedelta(hours=4, minutes=10)),
    ],
)
def test_a_run_may_need_what_it_has_made(
    build: dict[str, Any], smoke: dict[str, Any], strategy: Strategy, least: timedelta
) -> None:
    """Its build and image, each of its tests in turn, or its green group: whichever takes longest."""
    known = nouns.settings(replace(rooms.fleet(), strategy=strategy))
    family = known.families["web"]
    family = replace(family, build=replace(family.build, **build), smoke=replace(family.smoke, **smoke))
    assert least_age(replace(known, families={"web": family})) == least


def test_nothing_configured_takes_no_time() -> None:
    """Then a sweep may be as early as it likes."""
    assert least_age(replace(nouns.settings(), families={})) == timedelta()


def marks(text: str) -> bool:
    """Tell whether a text names a run of ours: every mark but a name's pattern does."""
    return run_began(text) is not None


KEYS = st.sampled_from(
    [
        TAG_RUN,
        TAG_FAMILY,
        TAG_PURPOSE,
        TAG_ROLE,
        TAG_ORIGIN,
        TAG_MADE,
        TAG_RETIRE,
        TAG_STAGE,
        TAG_BAKE_KEY,
        "Name",
        "Rebake:run",
        "run",
    ]
)
WORDS = st.sampled_from(
    [
        *("build", "smoke", "web", "web-prod", "green", "blue", "live", "", "rebake", "packer", RUN[:-1], RUN.upper()),
        *(leavings.KEY.name.upper(), leavings.KEY.name[1:], f"x{leavings.UNTAGGED.name}", "web-20261116T020000Z-4f2a"),
        *("web-prod-v2", "web-prod-v", leavings.TARGETS.name, "packer_6543", "rebake web ami-0a", MADE.isoformat()),
        *("rebake web ami-0a 20261116T020000-kqzt", "Created by CreateImage(i-0a) for ami-0z", leavings.WORDS),
    ]
).filter(lambda text: not marks(text))
TIMES = st.one_of(st.none(), st.datetimes(MADE.replace(tzinfo=None) - DAY, MADE.replace(tzinfo=None)))


@st.composite
def foreign(draw: st.DrawFn) -> Resource:
    """Draw what somebody else has made, however alike: no tag of it names a run of ours."""
    # Packer's group on an instance of ours alone is ours.
    users = draw(st.lists(st.sampled_from(["foreign-instance-1", GOING[-2]]), max_size=2))
    kind = draw(st.sampled_from([kind for kind in Kind if kind is not Kind.TEMPLATE_VERSION]))
    number = draw(st.integers(0, 99))
    made = draw(TIMES)
    name = draw(WORDS)
    if kind is Kind.SECURITY_GROUP:
        name = draw(st.sampled_from([name, f"packer_{int(MADE.timestamp()) + number:08x}-ffff"]))
    return Resource(
        kind=kind,
        id=f"foreign-{kind}-{number}",
        name=name,
        description=draw(WORDS),
        state=draw(st.sampled_from(["available", "pending", "failed", ""])),
        created=made.replace(tzinfo=MADE.tzinfo) if made else None,
        tags=draw(st.dictionaries(KEYS, WORDS, max_size=6)),
        holders=("i-0a", *users) if number % 2 and users else tuple(users),
        parts=tuple(draw(st.lists(st.sampled_from(["snap-0a", "foreign-snapshot-1"]), max_size=2))),
    )


@given(others=st.lists(foreign(), max_size=12, unique_by=lambda one: one.id), at_most=st.integers(1, 40))
@settings(max_examples=300)
def test_nothing_foreign_is_ever_removed(others: list[Resource], at_most: int) -> None:
    """However much alike, among leftovers of ours; and what goes is old and unused, in an order that works."""
    plan = sweep(*others, *EVERYTHING, at_most=at_most)
    gone = going(plan)
    assert set(gone) <= set(GOING)
    assert len(gone) == len(set(gone)) <= at_most
    before: set[str] = set()
    for planned in plan.steps:
        assert isinstance(planned.step, Remove)
        assert set(planned.step.after) <= before
        before.add(planned.step.id)
