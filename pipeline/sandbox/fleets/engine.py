"""The instance refresh: a state machine that is stepped by the clock.

Formula, consistent with every documented figure: of ``desired`` instances ``keep = ceil(desired * min)`` stay ready and
at most ``floor(desired * max)`` exist; a batch takes down ``desired - keep`` and launches as many more on top as the
maximum allows. Where both are nought, an explicit maximum means launch first, an omitted one terminate and launch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta

from pipeline.sandbox import balancing
from pipeline.sandbox.fleets.launching import matches
from pipeline.sandbox.fleets.model import Blueprint, Group, Lifecycle, Member, Refresh, Status
from pipeline.sandbox.state import CloudEvent, Scope

PENDING_FOR = timedelta(seconds=5)
BLOCKED_FOR = timedelta(hours=1)
LONGEST = timedelta(days=14)
_ROLLED = ":rollback"
_CAUSE = "an instance was taken out of service in response to an instance refresh."

Terminate = Callable[[Scope, Group, Member, str], None]


def blueprint(group: Group) -> Blueprint:
    """Say what the group launches now: during a refresh its desired configuration, in a rollback what is saved."""
    refresh = group.refresh
    forward = refresh and refresh.status in {Status.IN_PROGRESS, Status.BAKING}
    return refresh.desired if refresh and forward and refresh.desired else group.blueprint


def mark(refresh: Refresh) -> str:
    """Name what a refresh launches, so that it is known again."""
    return refresh.id + (_ROLLED if refresh.status is Status.ROLLBACK_IN_PROGRESS else "")


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
            moving = any(member.lifecycle in {Lifecycle.PENDING, Lifecycle.TERMINATING} for member in group.members)
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
    new = [member for member in group.counted if member.refresh == mark(refresh)]
    ready = [member for member in new if is_ready(scope, group, member, refresh)]
    _measure(scope, group, refresh, len(ready))
    short = len(group.counted) < group.desired + refresh.launched_first
    if len(ready) < len(new) or short:
        warming = not short and all(_well(scope, group, member) for member in new)
        _blocked(scope, group, refresh, still=warming, what="instances that did not become healthy")
        return
    excess = len(group.counted) - group.desired
    refresh.launched_first = 0
    for member in _replaceable(scope, group, refresh)[: max(0, excess)]:
        terminate(scope, group, member, _CAUSE)
    _measure(scope, group, refresh, len(ready))
    if not _holds(scope, group, refresh):
        _next_batch(scope, group, refresh, terminate, len(ready))


def _next_batch(scope: Scope, group: Group, refresh: Refresh, terminate: Terminate, ready: int) -> None:
    left = todo(scope, group, refresh)
    if not left or _stops_here(refresh):
        _finish(scope, group, refresh)
        return
    candidates = _replaceable(scope, group, refresh)
    preferences = refresh.preferences
    keep = math.ceil(group.desired * preferences.minimum / 100)
    most = math.floor(group.desired * (preferences.maximum or 100) / 100)
    down, up = group.desired - keep, most - group.desired
    first = preferences.maximum is not None
    if not down and not up:
        down, up = (0, 1) if first else (1, 0)
    standing = [member for member in candidates if member.lifecycle is Lifecycle.STANDBY]
    for member in standing:
        terminate(scope, group, member, _CAUSE)
    candidates = [member for member in candidates if member not in standing]
    size = min(down + up, len(candidates), _until_checkpoint(scope, group, refresh, ready))
    spare = max(0, sum(_serves(scope, group, member, refresh) for member in group.counted) - keep)
    spare = max(spare, down) if not first and preferences.minimum == 100 else spare  # noqa: PLR2004 - per cent
    batch: list[Member] = []
    for member in candidates[: min(size, down)]:
        serves = _serves(scope, group, member, refresh)
        if serves and spare <= 0:
            continue
        spare -= serves
        batch.append(member)
    refresh.launched_first = min(size - len(batch), up)
    for member in batch:
        terminate(scope, group, member, _CAUSE)
    if batch or refresh.launched_first:
        refresh.progressed, refresh.reason = scope.now, ""
    elif not standing:
        _blocked(scope, group, refresh, still=False, what="protected, standby or unhealthy instances")


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


def _replaceable(scope: Scope, group: Group, refresh: Refresh) -> list[Member]:
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
    return sorted(able, key=lambda member: (_well(scope, group, member), member.launched))


def _measure(scope: Scope, group: Group, refresh: Refresh, ready: int) -> None:
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
    refresh.passed = min(refresh.passed, _reached(refresh))


def _total(scope: Scope, group: Group, refresh: Refresh) -> int:
    new = sum(member.refresh == refresh.id for member in group.counted)
    return new + len(todo(scope, group, refresh)) - max(0, len(group.counted) - group.desired)


def _until_checkpoint(scope: Scope, group: Group, refresh: Refresh, ready: int) -> int:
    if refresh.status is Status.ROLLBACK_IN_PROGRESS:
        return group.desired
    total = _total(scope, group, refresh)
    ahead = [point for point in refresh.preferences.checkpoints if point > refresh.percentage]
    return math.ceil(ahead[0] * total / 100) - ready if ahead else total


def _holds(scope: Scope, group: Group, refresh: Refresh) -> bool:
    """Wait at a checkpoint. One that falls back below and is reached again counts again; 100 is none."""
    if refresh.status is Status.ROLLBACK_IN_PROGRESS:
        return False
    reached = _reached(refresh)
    if reached > refresh.passed and reached < 100:  # noqa: PLR2004 - per cent
        emit(scope, group, refresh, "Checkpoint Reached", checkpoint=reached)
        refresh.holding_until = scope.now + refresh.preferences.checkpoint_delay
    refresh.passed = reached
    if refresh.holding_until and scope.now < refresh.holding_until and not _stops_here(refresh):
        refresh.reason = f"Waiting at the checkpoint of {reached} percent."
        refresh.progressed = scope.now
        return True
    refresh.holding_until = None
    return False


def _reached(refresh: Refresh) -> int:
    return max((point for point in refresh.preferences.checkpoints if point <= refresh.percentage), default=0)


def _stops_here(refresh: Refresh) -> bool:
    points = refresh.preferences.checkpoints
    forward = refresh.status is Status.IN_PROGRESS
    return bool(forward and points and refresh.percentage >= points[-1])


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
    }
    refresh.status, refresh.reason, refresh.progressed = Status.ROLLBACK_IN_PROGRESS, reason, scope.now
    refresh.launched_first, refresh.ready, refresh.holding_until = 0, 0, None
    refresh.goal = sum(member.refresh == refresh.id for member in group.counted)
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


def is_ready(scope: Scope, group: Group, member: Member, refresh: Refresh) -> bool:
    """Tell whether a new member counts: in service, healthy and warmed up."""
    if not _well(scope, group, member) or member.in_service is None:
        return False
    return scope.now - member.in_service >= refresh.preferences.warmup


def _serves(scope: Scope, group: Group, member: Member, refresh: Refresh) -> bool:
    if member.refresh == mark(refresh):
        return is_ready(scope, group, member, refresh)
    return _well(scope, group, member)


def _well(scope: Scope, group: Group, member: Member) -> bool:
    if member.lifecycle is not Lifecycle.IN_SERVICE or member.unhealthy:
        return False
    return group.health_check != "ELB" or balancing.passing(scope, group, member)


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
