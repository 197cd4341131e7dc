"""How far an instance refresh is: whom it has replaced, whom it may replace next, and its checkpoints."""

from __future__ import annotations

import math

from pipeline.sandbox import balancing
from pipeline.sandbox.fleets.launching import matches
from pipeline.sandbox.fleets.model import Group, Lifecycle, Member, Refresh, Status
from pipeline.sandbox.state import Scope

_ROLLED = ":rollback"


def mark(refresh: Refresh) -> str:
    """Name what a refresh launches, so that it is known again."""
    return refresh.id + (_ROLLED if refresh.status is Status.ROLLBACK_IN_PROGRESS else "")


def todo(scope: Scope, group: Group, refresh: Refresh) -> list[Member]:
    """List the members that are still to be replaced, including those that cannot be now."""
    if refresh.status is Status.ROLLBACK_IN_PROGRESS:
        return [member for member in group.counted if member.refresh == refresh.id]
    preferences, target = refresh.preferences, refresh.desired or group.blueprint
    left = []
    for member in group.members:
        done = member.refresh == refresh.id
        if preferences.skip_matching and target.template:
            done = matches(scope, member, target)
        ignored = (member.protected and preferences.protected == "Ignore") or (
            member.lifecycle is Lifecycle.STANDBY and preferences.standby == "Ignore"
        )
        if not done and not ignored and member.lifecycle is not Lifecycle.TERMINATING:
            left.append(member)
    return left


def replaceable(scope: Scope, group: Group, refresh: Refresh) -> list[Member]:
    """List the members that may be replaced now, those out of order first, then the oldest."""
    preferences = refresh.preferences
    rolling_back = refresh.status is Status.ROLLBACK_IN_PROGRESS
    able = [
        member
        for member in todo(scope, group, refresh)
        if rolling_back
        or (
            (not member.protected or preferences.protected == "Refresh")
            and (member.lifecycle is not Lifecycle.STANDBY or preferences.standby == "Terminate")
        )
    ]
    return sorted(able, key=lambda member: (well(scope, group, member), member.launched))


def measure(scope: Scope, group: Group, refresh: Refresh, ready: int) -> None:
    """Take the refresh's figures: percentage, remaining instances, and whether it went on."""
    if ready > refresh.ready:
        refresh.progressed = scope.now
    refresh.ready = ready
    left = len(todo(scope, group, refresh))
    if refresh.status is Status.ROLLBACK_IN_PROGRESS:
        rollback = refresh.rollback or {}
        refresh.percentage = rollback["PercentageCompleteOnRollback"] * left // max(1, refresh.goal)
        return
    total = _total(scope, group, refresh)
    refresh.percentage = min(100, 100 * ready // total) if total else 100
    refresh.remaining = max(0, total - ready)
    # After a scale-out the group may be below a checkpoint that it had reached: it counts again then.
    refresh.passed = min(refresh.passed, reached_checkpoint(refresh))


def _total(scope: Scope, group: Group, refresh: Refresh) -> int:
    new = sum(member.refresh == refresh.id for member in group.counted)
    return new + len(todo(scope, group, refresh)) - max(0, len(group.counted) - group.desired)


def until_checkpoint(scope: Scope, group: Group, refresh: Refresh, ready: int) -> int:
    """Count the instances up to the next checkpoint, rounded up: at or above it, never below."""
    if refresh.status is Status.ROLLBACK_IN_PROGRESS:
        return group.desired
    total = _total(scope, group, refresh)
    ahead = [point for point in refresh.preferences.checkpoints if point > refresh.percentage]
    return math.ceil(ahead[0] * total / 100) - ready if ahead else total


def reached_checkpoint(refresh: Refresh) -> int:
    """Tell the highest checkpoint at or below the percentage; 0 when there is none."""
    return max((point for point in refresh.preferences.checkpoints if point <= refresh.percentage), default=0)


def stops_here(refresh: Refresh) -> bool:
    """Tell whether the last checkpoint is reached: the refresh ends there, even below 100."""
    points = refresh.preferences.checkpoints
    forward = refresh.status is Status.IN_PROGRESS
    return bool(forward and points and refresh.percentage >= points[-1])


def is_ready(scope: Scope, group: Group, member: Member, refresh: Refresh) -> bool:
    """Tell whether a new member counts: in service, healthy and warmed up."""
    if not well(scope, group, member) or member.in_service is None:
        return False
    return scope.now - member.in_service >= refresh.preferences.warmup


def serves(scope: Scope, group: Group, member: Member, refresh: Refresh) -> bool:
    """Tell whether a member counts towards the healthy minimum."""
    if member.refresh == mark(refresh):
        return is_ready(scope, group, member, refresh)
    return well(scope, group, member)


def well(scope: Scope, group: Group, member: Member) -> bool:
    """Tell whether a member is in service and healthy by the group's own checks."""
    if member.lifecycle is not Lifecycle.IN_SERVICE or member.unhealthy:
        return False
    return not group.balanced or balancing.passing(scope, group, member)
