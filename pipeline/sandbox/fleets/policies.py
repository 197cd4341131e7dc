"""A group's sizes, and what changes them: updates, scaling policies when executed, scheduled actions when due."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, datetime, timedelta
from functools import partial

from moto.core.exceptions import ServiceException

from pipeline.sandbox.fleets.attached import Entry, delete, find, put
from pipeline.sandbox.fleets.describing import find_group
from pipeline.sandbox.fleets.model import Group
from pipeline.sandbox.registry import Operation, Parameters, Request, invalid, operation, refusal
from pipeline.sandbox.state import Scope

_SIZES = {"MinSize", "MaxSize", "DesiredCapacity"}
_SCHEDULED = "ScheduledUpdateGroupActions"
_NEEDED = {
    "SimpleScaling": {"AdjustmentType", "ScalingAdjustment"},
    "StepScaling": {"AdjustmentType", "StepAdjustments"},
    "TargetTrackingScaling": {"TargetTrackingConfiguration"},
    "PredictiveScaling": {"PredictiveScalingConfiguration"},
}


def resize(group: Group, sizes: Parameters) -> None:
    """Give a group the sizes that are given; a desired capacity that is not given follows the bounds.

    Raises:
        ServiceException: they contradict each other.
    """
    minimum, maximum = int(sizes.get("MinSize", group.minimum)), int(sizes.get("MaxSize", group.maximum))
    asked = sizes.get("DesiredCapacity")
    desired = min(max(group.desired, minimum), maximum) if asked is None else int(asked)
    if minimum > maximum:
        raise invalid("Max bound, must be greater than or equal to min bound")
    if not minimum <= desired <= maximum:
        text = f"Desired capacity:{desired} must be between the specified min size:{minimum} and max size:{maximum}"
        raise invalid(text)
    group.minimum, group.maximum, group.desired = minimum, maximum, desired


@operation("autoscaling", "PutScalingPolicy")
def put_scaling_policy(request: Request, parameters: Parameters) -> object:
    """Put a scaling policy on a group. None runs by itself: simple and step ones run when they are executed."""
    kind = parameters.get("PolicyType", "SimpleScaling")
    if missing := _NEEDED.get(kind, {"a known PolicyType"}) - parameters.keys():
        raise invalid(f"A policy of type {kind} needs {', '.join(sorted(missing))}.")
    group = find_group(request, parameters["AutoScalingGroupName"])
    policy = put(group, parameters, "ScalingPolicies", PolicyType=kind, Enabled=True, Alarms=[])
    resource = f"scalingPolicy:{uuid.uuid4()}:autoScalingGroupName/{group.name}:policyName/{policy['PolicyName']}"
    policy.setdefault("PolicyARN", request.arn("autoscaling", resource))
    if kind == "TargetTrackingScaling" and not policy["Alarms"]:
        alarms = [f"TargetTracking-{group.name}-Alarm{side}-{uuid.uuid4()}" for side in ("High", "Low")]
        arns = [request.arn("cloudwatch", f"alarm:{alarm}") for alarm in alarms]
        policy["Alarms"] = [{"AlarmName": alarm, "AlarmARN": arn} for alarm, arn in zip(alarms, arns, strict=True)]
    return policy


@operation("autoscaling", "ExecutePolicy")
def execute_policy(request: Request, parameters: Parameters) -> object:
    """Change the desired capacity as a simple or step policy says, within the group's bounds."""
    group, name, policy = find(request, parameters, "ScalingPolicies")
    kind = policy["PolicyType"]
    if kind not in {"SimpleScaling", "StepScaling"}:
        raise invalid(f"The policy {name} is of type {kind} and cannot be executed.")
    simple = kind == "SimpleScaling"
    if simple and parameters.get("HonorCooldown") and group.cooling_until and request.now < group.cooling_until:
        raise refusal("ScalingActivityInProgress", f"The group {group.name} is in its cooldown period.")
    adjustment = policy["ScalingAdjustment"] if simple else _step(policy, parameters)
    group.desired = min(max(_adjusted(group.desired, policy, adjustment), group.minimum), group.maximum)
    if simple:
        cooldown = policy.get("Cooldown", group.kept["DefaultCooldown"])
        group.cooling_until = request.now + timedelta(seconds=cooldown)
    return {}


def _step(policy: Entry, parameters: Parameters) -> int:
    """Find the step of a breach: of two that meet, the one that is further from the threshold."""
    if not {"MetricValue", "BreachThreshold"} <= parameters.keys():
        raise invalid("A step scaling policy needs MetricValue and BreachThreshold.")
    breach = parameters["MetricValue"] - parameters["BreachThreshold"]
    for step in policy["StepAdjustments"]:
        low, high = step.get("MetricIntervalLowerBound", -math.inf), step.get("MetricIntervalUpperBound", math.inf)
        if low <= breach < high if breach >= 0 else low < breach <= high:
            return int(step["ScalingAdjustment"])
    raise invalid(f"There is no step adjustment for a breach of {breach:g}.")


def _adjusted(desired: int, policy: Entry, adjustment: int) -> int:
    if policy["AdjustmentType"] == "ExactCapacity":
        return adjustment
    if policy["AdjustmentType"] == "PercentChangeInCapacity":
        sign = (adjustment > 0) - (adjustment < 0)
        # AWS rounds towards nought, but never to nought.
        least = policy.get("MinAdjustmentMagnitude", 1)
        adjustment = sign * max(desired * abs(adjustment) // 100, least)
    return desired + adjustment


@operation("autoscaling", "PutScheduledUpdateGroupAction")
def put_scheduled_update_group_action(request: Request, parameters: Parameters) -> object:
    """Put a scheduled action on a group; one that recurs is only kept."""
    given = parameters.get("StartTime", parameters.get("Time"))
    start = given.replace(tzinfo=UTC) if given else None
    if not start and not parameters.get("Recurrence"):
        raise invalid("A scheduled action needs a StartTime or a Recurrence.")
    if start and start < request.now:
        raise invalid("Given start time is in the past.")
    if not parameters.keys() & _SIZES:
        raise invalid("At least one of MinSize, MaxSize and DesiredCapacity must be specified.")
    group = find_group(request, parameters["AutoScalingGroupName"])
    action = put(group, parameters | {"StartTime": start, "Time": start}, _SCHEDULED)
    resource = f"autoScalingGroupName/{group.name}:scheduledActionName/{action['ScheduledActionName']}"
    action.setdefault(
        "ScheduledActionARN", request.arn("autoscaling", f"scheduledUpdateGroupAction:{uuid.uuid4()}:{resource}")
    )
    return {}


@operation("autoscaling", "BatchPutScheduledUpdateGroupAction")
def batch_put_scheduled_update_group_action(request: Request, parameters: Parameters) -> object:
    """Put several scheduled actions on a group, and tell those that were refused."""
    group: Parameters = {"AutoScalingGroupName": parameters["AutoScalingGroupName"]}
    asked = [group | action for action in parameters["ScheduledUpdateGroupActions"]]
    return {"FailedScheduledUpdateGroupActions": _batch(put_scheduled_update_group_action, request, asked)}


@operation("autoscaling", "BatchDeleteScheduledAction")
def batch_delete_scheduled_action(request: Request, parameters: Parameters) -> object:
    """Remove several scheduled actions from a group, and tell those that were not there."""
    group: Parameters = {"AutoScalingGroupName": parameters["AutoScalingGroupName"]}
    asked = [group | {"ScheduledActionName": name} for name in parameters["ScheduledActionNames"]]
    return {"FailedScheduledActions": _batch(partial(delete, _SCHEDULED), request, asked)}


def _batch(call: Operation, request: Request, asked: list[Parameters]) -> list[Entry]:
    failed = []
    for action in asked:
        try:
            call(request, action)
        except ServiceException as error:
            name = action["ScheduledActionName"]
            failed.append({"ScheduledActionName": name, "ErrorCode": error.code, "ErrorMessage": error.message})
    return failed


def run_due(scope: Scope, group: Group) -> None:
    """Carry out the one-off actions whose time has come; what comes due while they are suspended is lost, as in AWS."""
    actions = group.attached[_SCHEDULED]
    for name, action in list(actions.items()):
        if action.get("Recurrence") or scope.now < action["StartTime"]:
            continue
        del actions[name]
        if "ScheduledActions" in group.suspended:
            continue
        activity = group.act(scope.now, "Updating the group", f"scheduled action {name} was executed.")
        try:
            resize(group, action)
            activity.end(scope.now)
        except ServiceException as error:
            activity.end(scope.now, status="Failed", message=error.message)


def next_due(group: Group) -> datetime | None:
    """Tell when the next one-off action is due."""
    actions = group.attached[_SCHEDULED].values()
    return min((action["StartTime"] for action in actions if not action.get("Recurrence")), default=None)
