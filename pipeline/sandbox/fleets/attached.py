"""What hangs on a group by name and vanishes with it; policies and scheduled actions have a module of their own."""

from __future__ import annotations

from functools import partial
from typing import Any

from pipeline.sandbox.fleets.describing import find_group
from pipeline.sandbox.fleets.model import Group
from pipeline.sandbox.registry import Parameters, Request, invalid, operation, page

Entry = dict[str, Any]

_KINDS = {
    "LifecycleHooks": ("LifecycleHookName", "LifecycleHook", "LifecycleHooks"),
    "NotificationConfigurations": ("TopicARN", "NotificationConfiguration", "NotificationConfigurations"),
    "ScalingPolicies": ("PolicyName", "Policy", "Policies"),
    "ScheduledUpdateGroupActions": ("ScheduledActionName", "ScheduledAction", "ScheduledActions"),
}
"""By the name under which it is described: what tells one from another, and what operations call one and several."""

_HEARTBEATS = range(30, 7201)
_LONGEST_WAIT = 172800
_STATES = ("InService", "Pending", "Standby", "Terminating", "Total")
_METRICS = (
    *("GroupMinSize", "GroupMaxSize", "GroupDesiredCapacity"),
    *(f"Group{state}{unit}" for state in _STATES for unit in ("Instances", "Capacity")),
    *(f"WarmPool{state}Capacity" for state in ("Desired", "Warmed", "Pending", "Terminating", "Total")),
    *(f"GroupAndWarmPool{state}Capacity" for state in ("Desired", "Total")),
)


def put(group: Group, parameters: Parameters, kind: str, **defaults: Any) -> Entry:
    """Put something on a group; what an update does not say stays as it was."""
    entries = group.attached[kind]
    key = parameters[_KINDS[kind][0]]
    entries[key] = {**defaults, **entries.get(key, {}), **parameters, "AutoScalingGroupName": group.name}
    return entries[key]


def find(request: Request, parameters: Parameters, kind: str) -> tuple[Group, str, Entry]:
    """Find what hangs on a group by its name or ARN; an ARN needs no group's name.

    Raises:
        ServiceException: there is none.
    """
    name, asked = parameters.get("AutoScalingGroupName"), parameters[_KINDS[kind][0]]
    for group in [find_group(request, name)] if name else request.groups():
        for key, entry in group.attached[kind].items():
            if asked in {key, entry.get("PolicyARN")}:
                return group, key, entry
    raise invalid(f"No {_KINDS[kind][1]} found with name: {asked}")


def delete(kind: str, request: Request, parameters: Parameters) -> object:
    """Remove something from a group."""
    group, key, _ = find(request, parameters, kind)
    del group.attached[kind][key]
    return {}


def _describe(kind: str, request: Request, parameters: Parameters) -> object:
    named = parameters.get("AutoScalingGroupName")
    groups = [find_group(request, named)] if named else request.groups()
    some, types = parameters.get("AutoScalingGroupNames"), parameters.get("PolicyTypes")
    wanted = set(parameters.get(f"{_KINDS[kind][0]}s") or [])
    found = [
        entry | {"NotificationType": event}
        for group in groups
        for key, entry in group.attached[kind].items()
        for event in entry.get("NotificationTypes", [None])
        if (not some or group.name in some)
        and (not wanted or wanted & {key, entry.get("PolicyARN")})
        and (not types or entry["PolicyType"] in types)
    ]
    shown, token = page(found, parameters, size="MaxRecords", default=50, limit=100)
    return {kind: shown, "NextToken": token or None}


for _kind, (_, _one, _several) in _KINDS.items():
    operation("autoscaling", f"Delete{_one}")(partial(delete, _kind))
    operation("autoscaling", f"Describe{_several}")(partial(_describe, _kind))


@operation("autoscaling", "PutNotificationConfiguration")
def put_notification_configuration(request: Request, parameters: Parameters) -> object:
    """Name the events that a topic would be told of; nothing is delivered."""
    put(find_group(request, parameters["AutoScalingGroupName"]), parameters, "NotificationConfigurations")
    return {}


def put_hook(group: Group, parameters: Parameters) -> None:
    """Put a lifecycle hook on a group; instances that wait already are not told.

    Raises:
        ServiceException: something is out of range, or a new hook has no transition.
    """
    if parameters.get("HeartbeatTimeout", _HEARTBEATS[0]) not in _HEARTBEATS:
        raise invalid("HeartbeatTimeout must be between 30 and 7200 seconds.")
    if parameters.get("DefaultResult", "ABANDON") not in {"ABANDON", "CONTINUE"}:
        raise invalid("DefaultResult must be CONTINUE or ABANDON.")
    if "LifecycleTransition" not in group.attached["LifecycleHooks"].get(parameters["LifecycleHookName"], parameters):
        raise invalid("A new lifecycle hook needs a LifecycleTransition.")
    hook = put(group, parameters, "LifecycleHooks", HeartbeatTimeout=3600, DefaultResult="ABANDON")
    hook["GlobalTimeout"] = min(_LONGEST_WAIT, 100 * hook["HeartbeatTimeout"])


@operation("autoscaling", "PutLifecycleHook")
def put_lifecycle_hook(request: Request, parameters: Parameters) -> object:
    """Put a lifecycle hook on a group."""
    put_hook(find_group(request, parameters["AutoScalingGroupName"]), parameters)
    return {}


@operation("autoscaling", "EnableMetricsCollection", "DisableMetricsCollection")
def change_metrics_collection(request: Request, parameters: Parameters) -> object:
    """Name the metrics that are collected, or no longer; all when none is named. ``Granularity`` comes to enable."""
    group = find_group(request, parameters["AutoScalingGroupName"])
    for metric in parameters.get("Metrics") or _METRICS:
        group.metrics.pop(metric, None)
        if granularity := parameters.get("Granularity"):
            group.metrics[metric] = granularity
    return {}
