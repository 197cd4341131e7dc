"""When a refresh is given up: a bad image shows in its first instances, and AWS would go on for an hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile

from pipeline.model.fleets import Activity, Group, Member
from pipeline.model.ids import ImageId, InstanceId
from pipeline.model.strategies import Patience
from pipeline.model.traffic import TargetHealth

_FAILED = {"Failed", "Cancelled"}
_RELAPSE = timedelta(minutes=1)
"""How long an instance that was well must be ill to count: a check that fails once is no failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshSight:
    """What can be seen of a refresh at one moment.

    ``seen`` are the new instances that were ever seen, and since when each is as it is now: not well, or well
    (``well``). ``impaired`` fail EC2's status checks. ``activities`` are those since it began, newest first;
    ``targets`` the health of the group's targets.
    """

    group: Group
    image: ImageId | None
    seen: Mapping[InstanceId, Condition]
    activities: Sequence[Activity] = ()
    targets: Sequence[TargetHealth] = ()
    impaired: frozenset[InstanceId] = frozenset()


@dataclass(frozen=True, slots=True)
class Condition:
    """How an instance does, and since when; ``served``: it was well once."""

    ill: str
    since: datetime
    served: bool = False


def condition(before: Condition | None, fault: str | None, now: datetime) -> Condition:
    """Note how an instance does now; None: this moment says nothing of it (it drains, or stands by)."""
    if before is None:
        return Condition(fault or "", now, served=fault == "")
    if fault is None or bool(fault) == bool(before.ill):
        return before if fault is None else replace(before, ill=fault)
    return Condition(fault, now, served=before.served or not fault)


def give_up(sight: RefreshSight, patience: Patience, now: datetime) -> str | None:
    """Say why to give a refresh up; None: go on.

    Each instance counts once, and each launch that failed; what AWS said of the newest is the reason. One that has
    never been well within the patience is enough by itself: the next ones would take as long. A launch for which AWS
    has no room says nothing of the image, and Auto Scaling tries again: it counts once that has lasted so long.
    """
    faults = _failed_launches(sight, patience, now) + _failed_instances(sight, now)
    if len(faults) >= max(patience.failures, 1):
        return f"{len(faults)} new instances failed, the last one: {faults[0]}"
    for member in sight.group.standing:
        known = sight.seen.get(member.id)
        if known is not None and known.ill and not known.served and now - known.since >= patience.within:
            minutes = int((now - known.since).total_seconds() // 60)
            return f"{member.id} is not well {minutes} minutes after it was first seen: {known.ill}"
    return None


def fault_of(member: Member, group: Group, targets: Sequence[TargetHealth]) -> str | None:
    """Say what is wrong with a new instance; empty: it is well; None: nothing can be said of it now."""
    states = [target for target in targets if target.instance == member.id]
    passing = ("Terminating", "Standby", "EnteringStandby", "Detach", "Warmed")
    if member.lifecycle.startswith(passing) or any(target.state == "draining" for target in states):
        return None
    for target in states:
        if target.state not in {"healthy", "unused"}:
            return f"its target is {target.state}" + (f" ({target.reason})" if target.reason else "")
    if member.lifecycle != "InService":
        return f"it is {member.lifecycle}"
    if group.target_groups and not states:
        return "it is no target yet"
    return "" if member.healthy else "the group finds it unhealthy"


def _failed_launches(sight: RefreshSight, patience: Patience, now: datetime) -> list[str]:
    launches = [activity for activity in sight.activities if activity.launch]
    lately = list(takewhile(lambda one: one.short and one.status in _FAILED, launches))
    lasts = bool(lately) and now - lately[-1].at >= patience.within
    return [
        activity.decoded or activity.message or activity.description
        for activity in launches
        if activity.status in _FAILED and (lasts or not activity.short)
    ]


def _failed_instances(sight: RefreshSight, now: datetime) -> list[str]:
    """Count new instances that AWS took out again, that fail their status checks, or that fell ill and stay so."""
    standing = {member.id for member in sight.group.standing}
    gone = [
        activity.decoded or f"{activity.instance} was terminated: {activity.cause}"
        for activity in sight.activities
        if activity.unwell and activity.instance in sight.seen and activity.instance not in standing
    ]
    impaired = sight.impaired & sight.seen.keys() & standing
    fallen = [
        f"{one} was well, and is not any more: {known.ill}"
        for one, known in sight.seen.items()
        if one in standing - impaired and known.served and known.ill and now - known.since >= _RELAPSE
    ]
    return gone + [f"{one} fails its status checks" for one in sorted(impaired)] + fallen
