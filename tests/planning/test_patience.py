from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import nouns
import pytest

from pipeline.model.fleets import Activity, Member
from pipeline.model.ids import InstanceId, TargetGroupArn
from pipeline.model.strategies import Patience
from pipeline.model.traffic import TargetHealth
from pipeline.planning.patience import Condition, RefreshSight, condition, fault_of, give_up

MINUTE = timedelta(minutes=1)
FIRST = InstanceId("i-0")
WELL = Condition("", nouns.NOW, served=True)


def activity(**changes: Any) -> Activity:
    """Make a scaling activity that failed to launch."""
    values: dict[str, Any] = {
        "at": nouns.NOW,
        "description": "Launching a new EC2 instance",
        "status": "Failed",
        "message": "We currently do not have sufficient capacity",
        "launch": True,
    }
    return Activity(**values | changes)


def sight(**changes: Any) -> RefreshSight:
    """Make a sight of a group with one new instance, first seen now."""
    values: dict[str, Any] = {
        "group": nouns.group(nouns.NEW, nouns.OLD),
        "image": nouns.NEW,
        "seen": {FIRST: Condition("", nouns.NOW)},
    }
    return RefreshSight(**values | changes)


def test_a_few_failed_launches_are_enough() -> None:
    """Two of them, with AWS's words decoded where that is possible, end a refresh."""
    one = activity()
    assert give_up(sight(activities=[one]), Patience(), nouns.NOW) is None
    decoded = replace(one, decoded="the KMS key may not be used")
    assert "the KMS key may not be used" in (give_up(sight(activities=[decoded, one]), Patience(), nouns.NOW) or "")


def test_a_lack_of_capacity_is_waited_out_for_the_patience() -> None:
    """Without a launch that succeeds in between; and never does it hide another failure."""
    short = [activity(short=True, at=nouns.NOW - minute * MINUTE) for minute in range(10)]
    fine, bad = activity(status="Successful", at=nouns.NOW - 5 * MINUTE), activity()
    assert give_up(sight(activities=short), Patience(), nouns.NOW) is None
    assert give_up(sight(activities=short), Patience(), nouns.NOW + MINUTE) is not None
    broken = [*short[:5], fine, *short[6:]]
    assert give_up(sight(activities=broken), Patience(), nouns.NOW + MINUTE) is None
    assert give_up(sight(activities=[bad, *broken, bad]), Patience(), nouns.NOW) is not None


def test_successful_launches_and_scale_ins_are_no_failures() -> None:
    """Only failed launches, and new instances taken out for their health, count."""
    fine = activity(status="Successful")
    scale_in = activity(launch=False, status="Successful", instance=InstanceId("i-9"), cause="shrinking the capacity")
    seen = {FIRST: WELL, InstanceId("i-9"): WELL}
    assert give_up(sight(activities=[fine, fine, scale_in, scale_in], seen=seen), Patience(), nouns.NOW) is None


def test_new_instances_that_the_group_throws_out_count_once_each() -> None:
    """An instance that was seen new and was terminated for its health has failed; an old one has not."""
    gone = [
        activity(launch=False, status="Successful", instance=InstanceId(name), unwell=True)
        for name in ("i-8", "i-9", "i-old")
    ]
    seen = {InstanceId("i-8"): WELL, InstanceId("i-9"): WELL}
    assert "2 new instances" in (give_up(sight(activities=gone, seen=seen), Patience(), nouns.NOW) or "")
    assert give_up(sight(activities=gone[1:], seen=seen), Patience(), nouns.NOW) is None


def test_failed_status_checks_count() -> None:
    """An instance that EC2 finds impaired has failed, without waiting."""
    impaired = sight(impaired=frozenset({FIRST}))
    assert "status checks" in (give_up(impaired, Patience(failures=1), nouns.NOW) or "")


BALANCED = replace(nouns.group(nouns.NEW), target_groups=(TargetGroupArn("tg"),))
(MEMBER,) = BALANCED.members


def target(state: str, reason: str = "") -> list[TargetHealth]:
    """Make the member's target."""
    return [TargetHealth(instance=MEMBER.id, state=state, reason=reason)]


@pytest.mark.parametrize(
    ("member", "targets", "fault"),
    [
        (MEMBER, target("healthy"), ""),
        (MEMBER, target("unused"), ""),
        (MEMBER, target("unhealthy", "Target.Timeout"), "its target is unhealthy (Target.Timeout)"),
        (MEMBER, target("initial"), "its target is initial"),
        (MEMBER, [], "it is no target yet"),
        (replace(MEMBER, lifecycle="Pending"), [], "it is Pending"),
        (replace(MEMBER, healthy=False), target("healthy"), "the group finds it unhealthy"),
        (MEMBER, target("draining"), None),
        (replace(MEMBER, lifecycle="Standby"), target("unhealthy"), None),
        (replace(MEMBER, lifecycle="Terminating:Wait"), [], None),
        (replace(MEMBER, lifecycle="Warmed:Stopped"), [], None),
    ],
)
def test_what_is_wrong_with_an_instance(member: Member, targets: list[TargetHealth], fault: str | None) -> None:
    """Of one that is on its way out, or stands by, nothing can be said: a scale-in is no failure."""
    assert fault_of(member, BALANCED, targets) == fault


def test_how_an_instance_does_is_followed() -> None:
    """Since when it is ill, or well; what says nothing changes nothing; it is remembered that it served."""
    first = condition(None, "it is Pending", nouns.NOW)
    later = condition(first, "its target is initial", nouns.NOW + MINUTE)
    assert (later.ill, later.since, later.served) == ("its target is initial", nouns.NOW, False)
    well = condition(later, "", nouns.NOW + 2 * MINUTE)
    assert (well.since, well.served) == (nouns.NOW + 2 * MINUTE, True)
    assert condition(well, None, nouns.NOW + 3 * MINUTE) == well
    fallen = condition(well, "its target is unhealthy", nouns.NOW + 4 * MINUTE)
    assert (fallen.since, fallen.served) == (nouns.NOW + 4 * MINUTE, True)


def test_an_instance_that_does_not_get_well_runs_out_of_time() -> None:
    """Before the budget is spent a slow start is none; one alone is enough, for the next would take as long."""
    slow = sight(seen={FIRST: Condition("its target is initial", nouns.NOW)})
    patience = Patience(failures=5, within=10 * MINUTE)
    assert give_up(slow, patience, nouns.NOW + 9 * MINUTE) is None
    assert "its target is initial" in (give_up(slow, patience, nouns.NOW + 10 * MINUTE) or "")


def test_one_bad_look_ends_nothing() -> None:
    """An instance that was well counts only when it stays ill, and then as one failure of those allowed."""
    fallen = sight(seen={FIRST: Condition("its target is unhealthy", nouns.NOW, served=True)})
    assert give_up(fallen, Patience(failures=1), nouns.NOW + MINUTE / 2) is None
    assert "not any more" in (give_up(fallen, Patience(failures=1), nouns.NOW + MINUTE) or "")
    assert give_up(fallen, Patience(failures=2), nouns.NOW + 60 * MINUTE) is None
