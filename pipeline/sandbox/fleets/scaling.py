"""A group over time: launches, health, draining and termination, towards its desired capacity."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from moto.core.exceptions import ServiceException

from pipeline.sandbox import balancing
from pipeline.sandbox.ec2 import instances
from pipeline.sandbox.fleets import engine, hooks, policies, roots
from pipeline.sandbox.fleets.launching import launch_member
from pipeline.sandbox.fleets.model import RESTING, WARMED, Group, Lifecycle, Member, Refresh, Status, units
from pipeline.sandbox.fleets.progress import mark
from pipeline.sandbox.machines import MachineState
from pipeline.sandbox.state import Scope, State

STEP = timedelta(seconds=5)
_REST = timedelta(minutes=5)
_FIRST_RETRY = timedelta(seconds=30)
_LAST_RETRY = timedelta(minutes=5)


def step_groups(state: State) -> None:
    """Step every group up to now."""
    for key, group in list(state.groups.items()):
        scope = state.scope(group.account, group.region)
        step_group(scope, group)
        if group.deleting and not group.members:
            del state.groups[key]


def stride(state: State) -> timedelta:
    """Tell how far time may jump: a small step while anything moves, and never past the end of a wait."""
    return min((_stride(group, state.clock.now()) for group in state.groups.values()), default=_REST)


def _stride(group: Group, now: datetime) -> timedelta:
    moving = any(member.lifecycle not in RESTING for member in group.members)
    if moving or any(units(group.side(warm=warm)) != group.goal(warm=warm) for warm in (False, True)):
        return STEP
    due = policies.next_due(group)
    waits = [due - now] if due else []
    if refresh := group.refresh:
        until = refresh.baking_until if refresh.status is Status.BAKING else refresh.holding_until
        waits.append(until - now if until and until > now else STEP)
    return min([_REST, *waits])


def step_group(scope: Scope, group: Group) -> None:
    """Step one group up to now."""
    policies.run_due(scope, group)
    for member in group.members:
        _follow(scope, group, member)
    _replace_unhealthy(scope, group)
    refresh = group.refresh
    if refresh:
        engine.step(scope, group, refresh, terminate)
    _finish_terminations(scope, group)
    for warm in (False, True):
        _reconcile(scope, group, warm=warm)
    if group.pool and "Status" in group.pool and not any(member.warm for member in group.members):
        group.pool = None


def terminate(scope: Scope, group: Group, member: Member, cause: str) -> None:
    """Begin to terminate a member: it drains from its target groups first."""
    member.activity = group.act(scope.now, f"Terminating EC2 instance: {member.instance}", cause)
    member.lifecycle, member.waits = Lifecycle.TERMINATING, None
    delays = [balancing.deregister(scope, arn, member.instance) for arn in group.target_groups]
    runs = instances.condition(scope, member.instance) == "running"
    member.draining_until = scope.now + max(delays, default=timedelta()) if runs else scope.now


def _follow(scope: Scope, group: Group, member: Member) -> None:
    state = instances.condition(scope, member.instance)
    if member.lifecycle is Lifecycle.PENDING:
        _follow_launch(scope, group, member, state)
    elif member.lifecycle is Lifecycle.IN_SERVICE:
        graced = member.in_service is not None and scope.now - member.in_service >= group.grace
        failing = _impaired(scope, member) or (group.balanced and balancing.failing(scope, group, member))
        member.unhealthy = member.reported_unhealthy or state != "running" or (graced and failing)
    elif member.lifecycle is Lifecycle.REPLACING or member.lifecycle is Lifecycle.REPLACED:
        roots.follow(scope, member, state)
    elif member.lifecycle in WARMED:
        member.unhealthy = member.reported_unhealthy or state not in {"running", "stopping", "stopped"}


def _follow_launch(scope: Scope, group: Group, member: Member, state: str) -> None:
    if state == "pending" or (state == "running" and hooks.held(scope, group, member, hooks.LAUNCHING)):
        return
    if member.warm and not member.abandoned and state in {"running", "stopping", "stopped"}:
        _warm(scope, group, member, state)
        return
    if state != "running" or member.abandoned:
        why = member.abandoned or "it became unhealthy while waiting for it to run."
        text = f"Instance failed to complete user's Lifecycle Action: {why}"
        member.activity.end(scope.now, status="Failed", message=text)
        member.unhealthy = True
        _back_off(scope, group)
        return
    member.lifecycle, member.in_service = Lifecycle.IN_SERVICE, scope.now
    group.failures, group.retry_at = 0, None
    member.activity.end(scope.now)
    if "AddToLoadBalancer" not in group.suspended:
        for arn in group.target_groups:
            balancing.register(scope, arn, member.instance)


def _impaired(scope: Scope, member: Member) -> bool:
    return scope.state.machines.state(member.instance) is MachineState.IMPAIRED


def _warm(scope: Scope, group: Group, member: Member, state: str) -> None:
    """Let an instance that has booted once rest in the warm pool; one that hibernates is stopped here."""
    rest = Lifecycle((group.pool or {}).get("PoolState", Lifecycle.STOPPED))
    if state == "running" and rest is not Lifecycle.RUNNING:
        instances.stop(scope, member.instance)
    elif state != "stopping":
        member.lifecycle, member.in_service = rest, scope.now
        group.failures, group.retry_at = 0, None
        member.activity.end(scope.now)


def _draw(scope: Scope, group: Group, refresh: Refresh | None) -> Member | None:
    """Take an instance out of the warm pool; during a refresh only one that was refreshed already."""
    for member in group.side(warm=True):
        if member.lifecycle in WARMED and not member.unhealthy and (refresh is None or member.refresh == mark(refresh)):
            member.warm, member.lifecycle, member.in_service, member.waits = False, Lifecycle.PENDING, None, None
            if instances.condition(scope, member.instance) == "stopped":
                instances.start(scope, member.instance)
            return member
    return None


def _back_off(scope: Scope, group: Group) -> None:
    group.failures += 1
    group.retry_at = scope.now + min(_FIRST_RETRY * 2 ** min(group.failures - 1, 4), _LAST_RETRY)


def _replace_unhealthy(scope: Scope, group: Group) -> None:
    if group.suspended & {"HealthCheck", "ReplaceUnhealthy", "Terminate"}:
        return
    for member in [member for member in group.members if member.counted and member.unhealthy]:
        what = "an ELB system health check failure."
        if member.lifecycle is Lifecycle.REPLACING:
            what = "a failed root volume replacement."
        if instances.condition(scope, member.instance) != "running":
            what = "an EC2 health check indicating it has been terminated or stopped."
        elif member.reported_unhealthy:
            what = "a user health-check."
        elif member.abandoned:
            what = "an abandoned lifecycle action."
        elif _impaired(scope, member):
            what = "an EC2 instance status checks failure."
        terminate(scope, group, member, f"an instance was taken out of service in response to {what}")


def _finish_terminations(scope: Scope, group: Group) -> None:
    for member in [member for member in group.members if member.lifecycle is Lifecycle.TERMINATING]:
        if member.draining_until and scope.now >= member.draining_until and not _held_back(scope, group, member):
            instances.terminate(scope, member.instance)
            instances.follow_machines(scope.state)
            if member.instance not in scope.state.live:
                member.activity.end(scope.now)
                group.members.remove(member)


def _held_back(scope: Scope, group: Group, member: Member) -> bool:
    """Wait for the hooks of termination; what ended by itself or was never ready has nothing to finish."""
    runs = member.in_service and instances.condition(scope, member.instance) in {"running", "stopped"}
    return bool(runs) and hooks.held(scope, group, member, hooks.TERMINATING)


def _reconcile(scope: Scope, group: Group, *, warm: bool) -> None:
    refresh, side = group.refresh, group.side(warm=warm)
    goal = group.goal(warm=warm) + (refresh.launched_first if refresh and refresh.warm is warm else 0)
    missing = goal - units(side)
    if missing < 0 and "Terminate" not in group.suspended:
        for member in _surplus(refresh, side, -missing):
            cause = (
                "an instance was taken out of service in response to a difference between desired and actual capacity"
            )
            terminate(scope, group, member, f"{cause}, shrinking the capacity to {goal}.")
    if group.deleting or "Launch" in group.suspended or (group.retry_at and scope.now < group.retry_at):
        return
    while missing > 0 and (launched := _try_launch(scope, group, warm=warm)):
        missing -= launched.weight


def _try_launch(scope: Scope, group: Group, *, warm: bool) -> Member | None:
    refresh = group.refresh
    active = refresh if refresh and refresh.status in {Status.IN_PROGRESS, Status.ROLLBACK_IN_PROGRESS} else None
    reason = "an instance was started in response to a difference between desired and actual capacity"
    if active:
        reason = "an instance was launched in response to an instance refresh"
    size = units(group.side(warm=warm))
    cause = f"{reason}, increasing the capacity from {size} to {size + 1}."
    activity = group.act(scope.now, "Launching a new EC2 instance", cause)
    drawn = None if warm else _draw(scope, group, active)
    try:
        member = drawn or launch_member(scope, group, group.wanted, activity, warm=warm)
    except ServiceException as error:
        _back_off(scope, group)
        text = f"{error.message}. Launching EC2 instance failed."
        activity.description = f"Launching a new EC2 instance.  Status Reason: {text}"
        activity.end(scope.now, status="Failed", message=text)
        return None
    member.refresh, member.activity = mark(active) if active else "", activity
    activity.description = f"Launching a new EC2 instance{' from warm pool' if drawn else ''}: {member.instance}"
    if not drawn:
        member.warm = warm
        group.members.append(member)
    return member


def _surplus(refresh: Refresh | None, side: list[Member], excess: int) -> list[Member]:
    """Choose whom to terminate: from the fullest zone, old templates first, oldest first; never a protected one.

    In a rollback, what the refresh launched goes first. What remains is never below the goal: an instance that weighs
    more than the excess stays.
    """
    left = [member for member in side if not member.protected and member.weight <= excess]
    marked, back = (refresh.id, refresh.status is Status.ROLLBACK_IN_PROGRESS) if refresh else (None, False)
    chosen: list[Member] = []
    while left:
        zones = Counter(member.zone for member in left)
        fullest = [member for member in left if zones[member.zone] == max(zones.values())]
        worst = min(fullest, key=lambda member: ((member.refresh == marked) is not back, member.launched))
        chosen.append(worst)
        excess -= worst.weight
        left = [member for member in left if member is not worst and member.weight <= excess]
    return chosen
