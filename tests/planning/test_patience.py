from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import nouns
import pytest

from pipeline.model.fleets import Activity
from pipeline.model.ids import InstanceId
from pipeline.model.strategies import Patience
from pipeline.model.traffic import TargetHealth
from pipeline.planning.patience import RefreshSight, give_up

MINUTE = timedelta(minutes=1)
FIRST = InstanceId("i-0")


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
        "seen": {FIRST: nouns.NOW},
    }
    return RefreshSight(**values | changes)


def test_a_few_failed_launches_are_enough() -> None:
    """Two of them, with AWS's words decoded where that is possible, end a refresh."""
    one = activity()
    assert give_up(sight(activities=[one]), Patience(), nouns.NOW) is None
    decoded = replace(one, decoded="the KMS key may not be used")
    assert "the KMS key may not be used" in (give_up(sight(activities=[decoded, one]), Patience(), nouns.NOW) or "")


def test_successful_launches_and_scale_ins_are_no_failures() -> None:
    """Only failed launches, and new instances taken out for their health, count."""
    fine = activity(status="Successful")
    scale_in = activity(launch=False, status="Successful", instance=InstanceId("i-9"), cause="shrinking the capacity")
    seen = {FIRST: nouns.NOW, InstanceId("i-9"): nouns.NOW}
    assert give_up(sight(activities=[fine, fine, scale_in, scale_in], seen=seen), Patience(), nouns.NOW) is None


def test_new_instances_that_the_group_throws_out_count_once_each() -> None:
    """An instance that was seen new and was terminated for its health has failed; an old one has not."""
    gone = [
        activity(launch=False, status="Successful", instance=InstanceId(name), unwell=True)
        for name in ("i-8", "i-9", "i-old")
    ]
    seen = {InstanceId("i-8"): nouns.NOW, InstanceId("i-9"): nouns.NOW}
    assert "2 new instances" in (give_up(sight(activities=gone, seen=seen), Patience(), nouns.NOW) or "")
    assert give_up(sight(activities=gone[1:], seen=seen), Patience(), nouns.NOW) is None


def test_failed_status_checks_count() -> None:
    """An instance that EC2 finds impaired has failed, without waiting."""
    impaired = sight(impaired=frozenset({FIRST}))
    assert "status checks" in (give_up(impaired, Patience(failures=1), nouns.NOW) or "")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"targets": [TargetHealth(instance=FIRST, state="unhealthy", reason="Target.Timeout")]}, "Target.Timeout"),
        ({"targets": [TargetHealth(instance=FIRST, state="initial")]}, "initial"),
    ],
)
def test_an_instance_that_does_not_get_well_runs_out_of_time(changes: dict[str, Any], said: str) -> None:
    """Before the budget is spent a slow start is none; after it, its target's own state is the reason."""
    patience = Patience(within=10 * MINUTE)
    assert give_up(sight(**changes), patience, nouns.NOW + 9 * MINUTE) is None
    assert said in (give_up(sight(**changes), patience, nouns.NOW + 10 * MINUTE) or "")


def test_a_member_that_never_comes_into_service_runs_out_of_time() -> None:
    """Pending, or unhealthy for the group, is not well either; a healthy one may stay as long as it likes."""
    group = nouns.group(nouns.NEW)
    (member,) = group.members
    for ill in (replace(member, lifecycle="Pending"), replace(member, healthy=False)):
        assert give_up(sight(group=replace(group, members=(ill,))), Patience(), nouns.NOW + 11 * MINUTE)
    assert give_up(sight(group=group), Patience(), nouns.NOW + 11 * MINUTE) is None
