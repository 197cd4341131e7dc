"""The instance refresh: a state machine that is stepped by the clock.

Formula, consistent with every documented figure: of ``desired`` units ``keep = ceil(desired * min)`` stay ready and at
most ``floor(desired * max)`` exist; a batch takes down ``desired - keep`` and launches as many more on top as the
maximum allows. Where both are nought, an explicit maximum means launch first, an omitted one terminate and launch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta

from pipeline.sandbox import balancing
from pipeline.sandbox.fleets import roots
from pipeline.sandbox.fleets.model import RESTING, Group, Lifecycle, Member, Refresh, Status, fitting, units
from pipeline.sandbox.fleets.progress import (
    Count,
    measure,
    reached_checkpoint,
    replaceable,
    serves,
    stops_here,
    until_checkpoint,
    well,
)
from pipeline.sandbox.state import CloudEvent, Scope

PENDING_FOR = timedelta(seconds=5)
BLOCKED_FOR = timedelta(hours=1)
LONGEST = timedelta(days=14)
_CAUSE = "an instance was taken out of service in response to an instance refresh."

Terminate = Callable[[Scope, Group, Member, str], None]


def step(scope: Scope, group: Group, refresh: Refresh, terminate: Terminate) -> None:
    """Step a refresh up to now."""
    match refresh.status:
        case Status.PENDING if scope.now - refresh.started >= PENDING_FOR:
            refresh.status, refresh.progressed = Status.IN_PROGRESS, scope.now
            emit(scope, group, refresh, "Started")
            _advance(scope, group, refresh, terminate)
        case Status.IN_PROGRESS | Status.ROLLBACK_IN_PROGRESS:
            _advance(scope, group, refresh, terminate)
        case Status.BAKING if not _alarmed(scope, group, refresh):
            if refresh.baking_until and scope.now >= refresh.baking_until:
                _end(scope, group, refresh, Status.SUCCESSFUL)
        case Status.CANCELLING:
            moving = any(member.lifecycle not in RESTING for member in group.members)
            if not (moving and refresh.wait_for_transitions):
                _end(scope, group, refresh, Status.CANCELLED)
        case _:
            pass


def _advance(scope: Scope, group: Group, refresh: Refresh, terminate: Terminate) -> None:
    if group.suspended & {"Launch", "Terminate", "InstanceRefresh"}:
        names = ", ".join(sorted(group.suspended & {"Launch", "Terminate", "InstanceRefresh"}))
        refresh.reason = f"Instances are not replaced while these processes are suspended: {names}."
        refresh.progressed = scope.now
        return
    if _alarmed(scope, group, refresh):
        return
    if scope.now - refresh.started > LONGEST:
        fail(scope, group, refresh, "The instance refresh did not finish within 14 days.")
        return
    at = measure(scope, group, refresh)
    short = _excess(group, refresh) < refresh.launched_first
    if len(at.ready) < len(at.new) or short:
        warming = not short and all(well(scope, group, member) for member in at.new)
        _blocked(scope, group, refresh, still=warming, what="instances that did not become healthy")
        return
    able = replaceable(scope, group, refresh)
    gone = fitting(able, _excess(group, refresh))
    for member in gone:
        terminate(scope, group, member, _CAUSE)
    # New instances that are lighter stay until there are enough of them for a heavier old one to go.
    refresh.launched_first = max(0, _excess(group, refresh)) if len(gone) < len(able) else 0
    at = measure(scope, group, refresh) if gone else at
    if not _holds(scope, group, refresh):
        _next_batch(scope, group, refresh, terminate, at)


def _excess(group: Group, refresh: Refresh) -> int:
    """Tell by how much the side in work is above its goal, or below it."""
    return units(group.side(warm=refresh.warm)) - group.goal(warm=refresh.warm)


def _next_batch(scope: Scope, group: Group, refresh: Refresh, terminate: Terminate, at: Count) -> None:
    if not at.todo or stops_here(refresh):
        _finish(scope, group, refresh)
        return
    candidates = replaceable(scope, group, refresh)
    standing = [member for member in candidates if member.lifecycle is Lifecycle.STANDBY]
    for member in standing:
        terminate(scope, group, member, _CAUSE)
    candidates = [member for member in candidates if member not in standing]
    down, up = _slots(group, refresh)
    size = min(down + up, units(candidates))
    if refresh.status is Status.IN_PROGRESS:
        size = min(size, until_checkpoint(refresh))
    batch = _spared(scope, group, refresh, candidates, min(size, down))
    first = min(max(0, size - units(batch)), up)
    refresh.launched_first += first
    for member in batch:
        (roots.swap if refresh.root else terminate)(scope, group, member, _CAUSE)
    if batch or first:
        refresh.progressed, refresh.reason = scope.now, ""
    elif not standing:
        _blocked(scope, group, refresh, still=False, what="protected, standby or unhealthy instances")


def _keep(group: Group, refresh: Refresh) -> int:
    goal = group.goal(warm=refresh.warm)
    keep = math.ceil(goal * refresh.preferences.minimum / 100)
    # A root volume cannot be replaced first and taken down later: the instance is the same.
    together = (refresh.root or refresh.preferences.maximum is None) and keep == goal
    return goal - 1 if together else keep


def _slots(group: Group, refresh: Refresh) -> tuple[int, int]:
    """Tell how many may be taken down, and how many launched on top, in one batch."""
    goal = group.goal(warm=refresh.warm)
    most = math.floor(goal * (refresh.preferences.maximum or 100) / 100)
    down, up = goal - _keep(group, refresh), 0 if refresh.root else most - goal
    return (down, up) if down or up else (0, 1)


def _spared(scope: Scope, group: Group, refresh: Refresh, candidates: list[Member], room: int) -> list[Member]:
    """Choose whom the group can do without; those that serve nobody can always go.

    One goes even if it weighs more than may go, be it the whole group: AWS warns of weights like that.
    """
    side = group.side(warm=refresh.warm)
    spare = units(member for member in side if serves(scope, group, member, refresh)) - _keep(group, refresh)
    chosen: list[Member] = []
    for member in fitting(candidates, room) or candidates[: min(room, 1)]:
        needed = serves(scope, group, member, refresh)
        if not needed or spare >= member.weight or (spare > 0 and not chosen):
            spare -= member.weight if needed else 0
            chosen.append(member)
    return chosen


def _holds(scope: Scope, group: Group, refresh: Refresh) -> bool:
    """Wait at a checkpoint. One that falls back below and is reached again counts again; 100 is none."""
    if refresh.status is Status.ROLLBACK_IN_PROGRESS:
        return False
    reached = reached_checkpoint(refresh)
    if reached > refresh.passed and reached < 100:  # noqa: PLR2004 - per cent
        emit(scope, group, refresh, "Checkpoint Reached", checkpoint=reached)
        refresh.holding_until = scope.now + refresh.preferences.checkpoint_delay
    refresh.passed = reached
    if refresh.holding_until and scope.now < refresh.holding_until and not stops_here(refresh):
        refresh.reason = f"Waiting at the checkpoint of {reached} percent."
        refresh.progressed = scope.now
        return True
    refresh.holding_until = None
    return False


def _finish(scope: Scope, group: Group, refresh: Refresh) -> None:
    if refresh.status is Status.ROLLBACK_IN_PROGRESS:
        refresh.percentage = 0
        _end(scope, group, refresh, Status.ROLLBACK_SUCCESSFUL)
    elif refresh.preferences.bake:
        refresh.status, refresh.baking_until = Status.BAKING, scope.now + refresh.preferences.bake
        refresh.reason = ""
        emit(scope, group, refresh, "Started Baking")
    else:
        _end(scope, group, refresh, Status.SUCCESSFUL)


def _end(scope: Scope, group: Group, refresh: Refresh, status: Status, reason: str = "") -> None:
    if status is Status.SUCCESSFUL and refresh.desired:
        group.blueprint = refresh.desired
    refresh.status, refresh.reason, refresh.ended, refresh.launched_first = status, reason, scope.now, 0
    emit(scope, group, refresh, _WORDS[status])


def succeed(scope: Scope, group: Group, refresh: Refresh) -> None:
    """End a refresh for which nothing had to be replaced."""
    refresh.percentage = 100
    _end(scope, group, refresh, Status.SUCCESSFUL)


def fail(scope: Scope, group: Group, refresh: Refresh, reason: str) -> None:
    """Let a refresh fail; it is rolled back when that was asked for."""
    if refresh.status is Status.ROLLBACK_IN_PROGRESS:
        _end(scope, group, refresh, Status.ROLLBACK_FAILED, reason)
    elif refresh.preferences.auto_rollback:
        roll_back(scope, group, refresh, reason)
    else:
        _end(scope, group, refresh, Status.FAILED, reason)


def roll_back(scope: Scope, group: Group, refresh: Refresh, reason: str) -> None:
    """Begin to replace what the refresh launched by what is saved on the group."""
    refresh.rollback = {
        "RollbackReason": reason,
        "RollbackStartTime": scope.now,
        "PercentageCompleteOnRollback": refresh.percentage,
        "InstancesToUpdateOnRollback": refresh.remaining,
        "ProgressDetailsOnRollback": refresh.details,
    }
    refresh.status, refresh.reason, refresh.progressed = Status.ROLLBACK_IN_PROGRESS, reason, scope.now
    refresh.launched_first, refresh.ready, refresh.holding_until = 0, 0, None
    refresh.goal = sum(member.refresh == refresh.id for member in group.members if member.counted)
    group.retry_at, group.failures = None, 0
    emit(scope, group, refresh, "Rollback Started")


def _blocked(scope: Scope, group: Group, refresh: Refresh, *, still: bool, what: str) -> None:
    """Wait, for one hour at most unless the instances are merely warming up."""
    failed = next((activity.message for activity in group.activities[:1] if activity.status == "Failed"), "")
    refresh.reason = f"Waiting for {'instances to warm up' if still else what}. {failed}".strip()
    if not still and scope.now - refresh.progressed > BLOCKED_FOR:
        fail(scope, group, refresh, f"The instance refresh was blocked for one hour by {what}. {failed}".strip())


def _alarmed(scope: Scope, group: Group, refresh: Refresh) -> bool:
    """Fail on an alarm; wait while one has no data."""
    if refresh.status is Status.ROLLBACK_IN_PROGRESS:
        return False
    states = {name: balancing.alarm_state(scope, name) for name in refresh.preferences.alarms}
    ringing = [name for name, state in states.items() if state == "ALARM"]
    if ringing:
        fail(scope, group, refresh, f"The CloudWatch alarm {', '.join(ringing)} went into the ALARM state.")
        return True
    silent = [name for name, state in states.items() if state == "INSUFFICIENT_DATA"]
    if silent:
        refresh.reason = f"Waiting for the CloudWatch alarm {', '.join(silent)} to have data."
        refresh.progressed = scope.now
    return bool(silent)


def emit(scope: Scope, group: Group, refresh: Refresh, what: str, *, checkpoint: int | None = None) -> None:
    """Tell what EventBridge would be told."""
    detail = {"AutoScalingGroupName": group.name, "InstanceRefreshId": refresh.id}
    if checkpoint is not None:
        detail["CheckPointPercentage"] = str(checkpoint)
    name = f"EC2 Auto Scaling Instance Refresh {what}"
    scope.state.events.append(CloudEvent(at=scope.now, detail_type=name, detail=detail))


_WORDS = {
    Status.SUCCESSFUL: "Succeeded",
    Status.FAILED: "Failed",
    Status.CANCELLED: "Cancelled",
    Status.ROLLBACK_SUCCESSFUL: "Rollback Succeeded",
    Status.ROLLBACK_FAILED: "Rollback Failed",
}
