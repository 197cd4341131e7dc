"""The operations on instance refreshes."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from pipeline.sandbox import balancing
from pipeline.sandbox.fleets import engine, roots
from pipeline.sandbox.fleets.blueprint import Blueprint
from pipeline.sandbox.fleets.describing import find_group, find_settled
from pipeline.sandbox.fleets.groups import read_blueprint
from pipeline.sandbox.fleets.launching import follows_alias
from pipeline.sandbox.fleets.model import Group, Preferences, Refresh, Status
from pipeline.sandbox.fleets.progress import todo
from pipeline.sandbox.registry import Parameters, Request, invalid, operation, page, refusal

_KEPT_FOR = timedelta(weeks=6)
_MAX_SECONDS = 172800
_DEFAULT_MINIMUM = 90
_FULL = 100
_TWICE = 200
_MAX_ALARMS = 10
_ROOT = "ReplaceRootVolume"


@operation("autoscaling", "StartInstanceRefresh")
def start_instance_refresh(request: Request, parameters: Parameters) -> object:
    """Start a refresh; it is Pending for a moment, or Successful at once when nothing differs."""
    group = find_settled(request, parameters["AutoScalingGroupName"])
    strategy = parameters.get("Strategy") or "Rolling"
    if strategy not in {"Rolling", _ROOT}:
        raise invalid(f"{strategy} is no strategy of an instance refresh.")
    given = parameters.get("Preferences") or {}
    desired = _desired(request, parameters)
    preferences = _preferences(group, given)
    _check(request, group, preferences, desired)
    if strategy == _ROOT:
        roots.check(request, group, desired)
    refresh = Refresh(
        id=str(uuid.uuid4()),
        preferences=preferences,
        desired=desired,
        root=strategy == _ROOT,
        given_configuration=parameters.get("DesiredConfiguration"),
        started=request.now,
        progressed=request.now,
        remaining=sum(member.counted for member in group.members),
    )
    group.refreshes.insert(0, refresh)
    if preferences.skip_matching and not any(todo(request, group, refresh, warm=warm) for warm in (False, True)):
        engine.succeed(request, group, refresh)
        refresh.remaining = 0
    return {"InstanceRefreshId": refresh.id}


def _desired(request: Request, parameters: Parameters) -> Blueprint | None:
    configuration = parameters.get("DesiredConfiguration")
    if not configuration:
        return None
    if configuration.get("LaunchTemplate") and configuration.get("MixedInstancesPolicy"):
        raise invalid("A desired configuration has either a launch template or a mixed instances policy.")
    return read_blueprint(request, configuration)


def _within(given: dict[str, Any], name: str, low: int, high: int) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if not low <= int(value) <= high:
        raise invalid(f"{name} must be between {low} and {high}.")
    return int(value)


def _seconds(given: dict[str, Any], name: str) -> timedelta | None:
    value = _within(given, name, 0, _MAX_SECONDS)
    return None if value is None else timedelta(seconds=value)


def _health(group: Group, given: dict[str, Any]) -> tuple[int, int | None]:
    minimum = _within(given, "MinHealthyPercentage", 0, _FULL)
    maximum = _within(given, "MaxHealthyPercentage", _FULL, _TWICE)
    if maximum is not None and minimum is None:
        raise invalid("MaxHealthyPercentage requires MinHealthyPercentage.")
    if minimum is None and (policy := group.kept["InstanceMaintenancePolicy"]):
        return policy["MinHealthyPercentage"], policy["MaxHealthyPercentage"]
    minimum = _DEFAULT_MINIMUM if minimum is None else minimum
    if maximum is not None and maximum - minimum > _FULL:
        raise invalid("The difference between MaxHealthyPercentage and MinHealthyPercentage cannot exceed 100.")
    return minimum, maximum


def _preferences(group: Group, given: dict[str, Any]) -> Preferences:
    minimum, maximum = _health(group, given)
    points = tuple(int(point) for point in given.get("CheckpointPercentages") or [])
    if list(points) != sorted(set(points)) or any(not 1 <= point <= _FULL for point in points):
        raise invalid("CheckpointPercentages must be unique, in ascending order, and between 1 and 100.")
    if "CheckpointDelay" in given and not points:
        raise invalid("CheckpointDelay requires CheckpointPercentages.")
    warmup = _seconds(given, "InstanceWarmup")
    delay, bake = _seconds(given, "CheckpointDelay"), _seconds(given, "BakeTime")
    alarms = tuple((given.get("AlarmSpecification") or {}).get("Alarms") or [])
    if len(alarms) > _MAX_ALARMS:
        raise invalid("At most 10 alarms can be given.")
    if warmup is None:
        default = group.kept["DefaultInstanceWarmup"]
        warmup = group.grace if default is None else timedelta(seconds=default)
    return Preferences(
        minimum=minimum,
        maximum=maximum,
        warmup=warmup,
        checkpoints=points,
        checkpoint_delay=timedelta(hours=1) if delay is None else delay,
        skip_matching=bool(given.get("SkipMatching")),
        auto_rollback=bool(given.get("AutoRollback")),
        protected=given.get("ScaleInProtectedInstances") or "Wait",
        standby=given.get("StandbyInstances") or "Wait",
        alarms=alarms,
        bake=bake or timedelta(),
        given=given,
    )


def _check(request: Request, group: Group, preferences: Preferences, desired: Blueprint | None) -> None:
    target = desired or group.blueprint
    if target.configuration and preferences.skip_matching:
        raise invalid("Skip matching does not work with launch configurations.")
    attributes = target.attribute_based or group.blueprint.attribute_based
    if attributes and (desired or preferences.skip_matching):
        raise invalid("Attribute-based instance types work neither with a desired configuration nor skip matching.")
    alias = bool(target.template) and follows_alias(request, target)
    if alias and (desired or preferences.skip_matching):
        text = "A launch template that uses a Systems Manager parameter works neither with a desired configuration"
        raise invalid(f"{text} nor with skip matching.")
    if preferences.auto_rollback and desired is None:
        text = "The AutoRollback parameter cannot be set to true when the DesiredConfiguration parameter is empty."
        raise invalid(text)
    if preferences.auto_rollback and (why := _irreversible(request, group, desired)):
        raise invalid(f"AutoRollback is not possible: {why}")
    for name in preferences.alarms:
        state = balancing.alarm_state(request, name)
        if state != "OK":
            text = f"it is in the {state} state" if state else "it does not exist"
            raise invalid(f"The CloudWatch alarm {name} cannot be used: {text}.")


def _irreversible(request: Request, group: Group, desired: Blueprint | None) -> str:
    """Say why a refresh cannot be rolled back; empty when it can."""
    if desired is None:
        return "the instance refresh has no desired configuration."
    saved = group.blueprint
    if saved.configuration:
        return ""
    if not saved.pinned:
        return f"the group's launch template version is {saved.version}; it must be a number."
    if follows_alias(request, saved):
        return "the group's launch template uses a Systems Manager parameter."
    return ""


def _running(request: Request, parameters: Parameters) -> tuple[Group, Refresh]:
    group = find_group(request, parameters["AutoScalingGroupName"])
    if group.refresh is None:
        text = f"No in progress or pending Instance Refresh found for Auto Scaling group {group.name}"
        raise refusal("ActiveInstanceRefreshNotFound", text)
    return group, group.refresh


@operation("autoscaling", "CancelInstanceRefresh")
def cancel_instance_refresh(request: Request, parameters: Parameters) -> object:
    """Cancel a refresh or a rollback; what was replaced stays."""
    _, refresh = _running(request, parameters)
    wait = parameters.get("WaitForTransitioningInstances")
    refresh.wait_for_transitions = wait is not False
    refresh.status, refresh.launched_first = Status.CANCELLING, 0
    return {"InstanceRefreshId": refresh.id}


@operation("autoscaling", "RollbackInstanceRefresh")
def rollback_instance_refresh(request: Request, parameters: Parameters) -> object:
    """Roll a running refresh back to what is saved on the group."""
    group, refresh = _running(request, parameters)
    if refresh.status in {Status.ROLLBACK_IN_PROGRESS, Status.CANCELLING}:
        text = f"The instance refresh {refresh.id} is {refresh.status} and cannot be rolled back."
        raise refusal("ActiveInstanceRefreshNotFound", text)
    if why := _irreversible(request, group, refresh.desired):
        raise refusal("IrreversibleInstanceRefresh", f"The instance refresh cannot be rolled back: {why}")
    engine.roll_back(request, group, refresh, "The rollback was requested by the user.")
    return {"InstanceRefreshId": refresh.id}


@operation("autoscaling", "DescribeInstanceRefreshes")
def describe_instance_refreshes(request: Request, parameters: Parameters) -> object:
    """List the refreshes of the last six weeks, newest first."""
    group = find_group(request, parameters["AutoScalingGroupName"])
    wanted = parameters.get("InstanceRefreshIds") or []
    found = [
        _described(group, refresh)
        for refresh in group.refreshes
        if request.now - refresh.started <= _KEPT_FOR and (not wanted or refresh.id in wanted)
    ]
    shown, token = page(found, parameters, size="MaxRecords", default=50, limit=_FULL)
    return {"InstanceRefreshes": shown, "NextToken": token or None}


def _described(group: Group, refresh: Refresh) -> dict[str, Any]:
    return {
        "InstanceRefreshId": refresh.id,
        "AutoScalingGroupName": group.name,
        "Status": str(refresh.status),
        "StatusReason": refresh.reason or None,
        "StartTime": refresh.started,
        "EndTime": refresh.ended,
        "PercentageComplete": refresh.percentage,
        "InstancesToUpdate": refresh.remaining,
        "Preferences": _complete(refresh.preferences),
        "DesiredConfiguration": refresh.given_configuration,
        "ProgressDetails": refresh.details,
        "RollbackDetails": refresh.rollback,
        "Strategy": _ROOT if refresh.root else "Rolling",
    }


def _complete(preferences: Preferences) -> dict[str, Any]:
    return {
        "MinHealthyPercentage": preferences.minimum,
        "InstanceWarmup": int(preferences.warmup.total_seconds()),
        "SkipMatching": preferences.skip_matching,
        "AutoRollback": preferences.auto_rollback,
        "ScaleInProtectedInstances": preferences.protected,
        "StandbyInstances": preferences.standby,
        "BakeTime": int(preferences.bake.total_seconds()),
        **preferences.given,
    }
