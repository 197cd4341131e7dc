"""When a refresh is given up: a bad image shows in its first instances, and AWS would go on for an hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.model.fleets import Activity, Group, Member
from pipeline.model.ids import ImageId, InstanceId
from pipeline.model.strategies import Patience
from pipeline.model.traffic import TargetHealth

_FAILED = {"Failed", "Cancelled"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshSight:
    """What can be seen of a refresh at one moment.

    ``seen`` are the new instances that were ever seen, and since when; ``impaired`` fail EC2's status checks.
    ``activities`` are those since it began, newest first; ``targets`` the health of the group's targets.
    """

    group: Group
    image: ImageId | None
    seen: Mapping[InstanceId, datetime]
    activities: Sequence[Activity] = ()
    targets: Sequence[TargetHealth] = ()
    impaired: frozenset[InstanceId] = frozenset()


def give_up(sight: RefreshSight, patience: Patience, now: datetime) -> str | None:
    """Say why to give a refresh up; None: go on.

    Each instance counts once, and each launch that failed; what AWS said of the newest is the reason.
    """
    faults = _failed_launches(sight) + _failed_instances(sight)
    if len(faults) >= max(patience.failures, 1):
        return f"{len(faults)} new instances failed, the last one: {faults[0]}"
    for member in sight.group.standing:
        since = sight.seen.get(member.id)
        if since is not None and now - since >= patience.within and (fault := _ill(sight, member)):
            minutes = int((now - since).total_seconds() // 60)
            return f"{member.id} is not well {minutes} minutes after it was first seen: {fault}"
    return None


def _failed_launches(sight: RefreshSight) -> list[str]:
    return [
        activity.decoded or activity.message or activity.description
        for activity in sight.activities
        if activity.launch and activity.status in _FAILED
    ]


def _failed_instances(sight: RefreshSight) -> list[str]:
    """Count new instances that AWS took out again, and new ones that fail their status checks."""
    standing = {member.id for member in sight.group.standing}
    gone = [
        activity.decoded or f"{activity.instance} was terminated: {activity.cause}"
        for activity in sight.activities
        if activity.unwell and activity.instance in sight.seen and activity.instance not in standing
    ]
    return gone + [f"{one} fails its status checks" for one in sorted(sight.impaired & sight.seen.keys() & standing)]


def _ill(sight: RefreshSight, member: Member) -> str:
    """Say what is wrong with an instance; empty: it is well."""
    for target in sight.targets:
        if target.instance == member.id and target.state not in {"healthy", "unused"}:
            return f"its target is {target.state}" + (f" ({target.reason})" if target.reason else "")
    if member.lifecycle != "InService":
        return f"it is {member.lifecycle}"
    return "" if member.healthy else "the group finds it unhealthy"
