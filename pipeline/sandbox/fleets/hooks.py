"""Lifecycle hooks: instances wait for them on their way in and out."""

from __future__ import annotations

import uuid
from datetime import timedelta

from pipeline.sandbox.fleets.attached import Entry, find
from pipeline.sandbox.fleets.model import Group, Member, Wait
from pipeline.sandbox.registry import Parameters, Request, invalid, operation
from pipeline.sandbox.state import CloudEvent, Scope

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
_ABANDON = "ABANDON"
_EVENTS = {LAUNCHING: "launch", TERMINATING: "terminate"}


def held(scope: Scope, group: Group, member: Member, transition: str) -> bool:
    """Tell whether a member still waits for its hooks; what times out ends with the hook's default result."""
    hooks = {
        name: hook
        for name, hook in group.attached["LifecycleHooks"].items()
        if hook["LifecycleTransition"] == transition
    }
    if member.waits is None:
        member.waits = {name: _begin(scope, group, member, hook) for name, hook in hooks.items()}
    for name, wait in list(member.waits.items()):
        if name not in hooks:
            _complete(member, name, _ABANDON if transition == LAUNCHING else "CONTINUE", "the hook was deleted")
        elif scope.now >= wait.until:
            _complete(member, name, hooks[name]["DefaultResult"], "Heartbeat Timeout")
    return bool(member.waits)


def _begin(scope: Scope, group: Group, member: Member, hook: Entry) -> Wait:
    wait = Wait(
        token=str(uuid.uuid4()),
        until=scope.now + timedelta(seconds=hook["HeartbeatTimeout"]),
        limit=scope.now + timedelta(seconds=hook["GlobalTimeout"]),
    )
    detail = {
        "LifecycleActionToken": wait.token,
        "AutoScalingGroupName": group.name,
        "LifecycleHookName": hook["LifecycleHookName"],
        "EC2InstanceId": member.instance,
        "LifecycleTransition": hook["LifecycleTransition"],
        "NotificationMetadata": hook.get("NotificationMetadata", ""),
    }
    name = f"EC2 Instance-{_EVENTS[hook['LifecycleTransition']]} Lifecycle Action"
    scope.state.events.append(CloudEvent(at=scope.now, detail_type=name, detail=detail))
    return wait


def _complete(member: Member, name: str, result: str, why: str) -> None:
    """End a wait. ABANDON ends all others too; on the way out both results lead to the same end."""
    waits = member.waits or {}
    wait = waits.pop(name, None)
    if wait and result == _ABANDON:
        waits.clear()
        member.abandoned = f"Lifecycle Action with token {wait.token} was abandoned: {why}"


def _action(request: Request, parameters: Parameters) -> tuple[Entry, Member, Wait]:
    group, name, hook = find(request, parameters, "LifecycleHooks")
    token, instance = parameters.get("LifecycleActionToken"), parameters.get("InstanceId")
    for member in group.members if token or instance else []:
        wait = (member.waits or {}).get(name)
        if wait and token in {None, wait.token} and instance in {None, member.instance}:
            return hook, member, wait
    what = f"token {token}" if token else f"instance ID {instance}"
    raise invalid(f"No active Lifecycle Action found with {what}")


@operation("autoscaling", "CompleteLifecycleAction")
def complete_lifecycle_action(request: Request, parameters: Parameters) -> object:
    """End an instance's wait with CONTINUE or ABANDON."""
    hook, member, _ = _action(request, parameters)
    result = parameters["LifecycleActionResult"]
    if result not in {"CONTINUE", _ABANDON}:
        raise invalid("LifecycleActionResult must be CONTINUE or ABANDON.")
    _complete(member, hook["LifecycleHookName"], result, "Lifecycle Action Completed with ABANDON Result")
    return {}


@operation("autoscaling", "RecordLifecycleActionHeartbeat")
def record_lifecycle_action_heartbeat(request: Request, parameters: Parameters) -> object:
    """Begin an instance's wait anew, up to the hook's global timeout."""
    hook, _, wait = _action(request, parameters)
    wait.until = min(request.now + timedelta(seconds=hook["HeartbeatTimeout"]), wait.limit)
    return {}
