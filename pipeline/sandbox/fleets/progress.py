"""How far an instance refresh is: whom it has replaced, whom it may replace next, and its checkpoints."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.sandbox import balancing
from pipeline.sandbox.fleets.launching import matches
from pipeline.sandbox.fleets.model import WARMED, Group, Lifecycle, Member, Refresh, Status, fitting, units
from pipeline.sandbox.state import Scope

_ROLLED = ":rollback"


def mark(refresh: Refresh) -> str:
    """Name what a refresh launches, so that it is known again."""
    return refresh.id + (_ROLLED if refresh.status is Status.ROLLBACK_IN_PROGRESS else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How far one side of a group is, its live instances or its warm pool.

    ``new`` came by the refresh, and of them ``ready`` count; ``todo`` are still to be replaced. ``total`` is in units
    of capacity, ``left`` in instances; both leave out what is there on top of the goal.
    """

    new: list[Member]
    ready: list[Member]
    todo: list[Member]
    total: int
    left: int

    @property
    def described(self) -> dict[str, int]:
        """What DescribeInstanceRefreshes says of one side."""
        return {"PercentageComplete": percentage(units(self.ready), self.total), "InstancesToUpdate": self.left}


def percentage(ready: int, total: int) -> int:
    """Tell how many per cent are ready: all, where there is nothing to do."""
    return min(100, 100 * ready // total) if total else 100


def _count(scope: Scope, group: Group, refresh: Refresh, *, warm: bool) -> Count:
    side = group.side(warm=warm)
    new = [member for member in side if member.refresh == mark(refresh)]
    ready = [member for member in new if is_ready(scope, group, member, refresh)]
    left = todo(scope, group, refresh, warm=warm)
    # What is there on top goes without a replacement: its place is not filled anew.
    spare = fitting(left, units(side) - group.goal(warm=warm))
    total = units(new) + units(left) - units(spare)
    return Count(new=new, ready=ready, todo=left, total=total, left=len(new) - len(ready) + len(left) - len(spare))


def todo(scope: Scope, group: Group, refresh: Refresh, *, warm: bool) -> list[Member]:
    """List the members of one side that are still to be replaced, including those that cannot be now."""
    if refresh.status is Status.ROLLBACK_IN_PROGRESS:
        return [member for member in group.side(warm=warm) if member.refresh == refresh.id]
    preferences, target = refresh.preferences, refresh.desired or group.blueprint
    left = []
    for member in group.members:
        if member.warm is not warm or member.lifecycle is Lifecycle.TERMINATING:
            continue
        done = member.refresh == refresh.id
        if preferences.skip_matching and target.template:
            done = matches(scope, member, target, root=refresh.root)
        ignored = (member.protected and preferences.protected == "Ignore") or (
            member.lifecycle is Lifecycle.STANDBY and preferences.standby == "Ignore"
        )
        if not done and not ignored:
            left.append(member)
    return left


def replaceable(scope: Scope, group: Group, refresh: Refresh) -> list[Member]:
    """List the members that may be replaced now, those out of order first, then the oldest."""
    preferences = refresh.preferences
    rolling_back = refresh.status is Status.ROLLBACK_IN_PROGRESS
    able = [
        member
        for member in todo(scope, group, refresh, warm=refresh.warm)
        if rolling_back
        or (
            (not member.protected or preferences.protected == "Refresh")
            and (member.lifecycle is not Lifecycle.STANDBY or preferences.standby == "Terminate")
        )
    ]
    return sorted(able, key=lambda member: (well(scope, group, member), member.launched))


def measure(scope: Scope, group: Group, refresh: Refresh) -> Count:
    """Take the refresh's figures, and answer those of the side in work: the warm pool once the live group is done."""
    live, pool = (_count(scope, group, refresh, warm=warm) for warm in (False, True))
    warm = group.pool is not None and not live.todo and len(live.ready) == len(live.new)
    if warm is not refresh.warm:
        refresh.warm, refresh.launched_first = warm, 0
    ready = units(live.ready) + units(pool.ready)
    if ready > refresh.ready:
        refresh.progressed = scope.now
    refresh.ready, refresh.total = ready, live.total + pool.total
    if refresh.status is Status.ROLLBACK_IN_PROGRESS:
        left, rollback = len(live.todo) + len(pool.todo), refresh.rollback or {}
        refresh.percentage = rollback["PercentageCompleteOnRollback"] * left // max(1, refresh.goal)
    else:
        refresh.percentage, refresh.remaining = percentage(ready, refresh.total), live.left + pool.left
        # After a scale-out the group may be below a checkpoint that it had reached: it counts again then.
        refresh.passed = min(refresh.passed, reached_checkpoint(refresh))
    if group.pool is not None:
        refresh.details = {"LivePoolProgress": live.described, "WarmPoolProgress": pool.described}
    return pool if warm else live


def until_checkpoint(refresh: Refresh) -> int:
    """Count the capacity up to the next checkpoint, rounded up: at or above it, never below."""
    ahead = [point for point in refresh.preferences.checkpoints if point > refresh.percentage]
    return math.ceil(ahead[0] * refresh.total / 100) - refresh.ready if ahead else refresh.total


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
    """Tell whether a member is in service and healthy by the group's own checks, or warmed."""
    if member.warm or member.unhealthy or member.lifecycle is not Lifecycle.IN_SERVICE:
        return member.lifecycle in WARMED and not member.unhealthy
    return not group.balanced or balancing.passing(scope, group, member)
