"""The operations on single instances of a group: standby, protection, health; and the group's processes."""

from __future__ import annotations

from pipeline.sandbox import balancing
from pipeline.sandbox.fleets.describing import find_group, find_member
from pipeline.sandbox.fleets.model import Lifecycle
from pipeline.sandbox.fleets.policies import resize
from pipeline.sandbox.registry import Parameters, Request, invalid, operation

_PROCESSES = frozenset(
    {
        "Launch",
        "Terminate",
        "AddToLoadBalancer",
        "AlarmNotification",
        "AZRebalance",
        "HealthCheck",
        "InstanceRefresh",
        "ReplaceUnhealthy",
        "ScheduledActions",
    }
)


@operation("autoscaling", "EnterStandby")
def enter_standby(request: Request, parameters: Parameters) -> object:
    """Take instances out of service without terminating them."""
    for id_ in parameters.get("InstanceIds") or []:
        group, member = find_member(request, id_)
        if member.lifecycle is not Lifecycle.IN_SERVICE:
            raise invalid(f"The instance {id_} is not in InService.")
        if parameters["ShouldDecrementDesiredCapacity"]:
            resize(group, {"DesiredCapacity": group.desired - member.weight})
        for arn in group.target_groups:
            balancing.deregister(request, arn, id_)
        member.lifecycle = Lifecycle.STANDBY
    return {"Activities": []}


@operation("autoscaling", "ExitStandby")
def exit_standby(request: Request, parameters: Parameters) -> object:
    """Put instances back into service; the desired capacity grows by them."""
    for id_ in parameters.get("InstanceIds") or []:
        group, member = find_member(request, id_)
        if member.lifecycle is not Lifecycle.STANDBY:
            raise invalid(f"The instance {id_} is not in Standby.")
        # Pending again: it comes into service, and into its target groups, as a new one does.
        member.lifecycle = Lifecycle.PENDING
        group.desired = min(group.desired + member.weight, group.maximum)
    return {"Activities": []}


@operation("autoscaling", "SetInstanceProtection")
def set_instance_protection(request: Request, parameters: Parameters) -> object:
    """Protect instances from scale-in, or no longer."""
    for id_ in parameters.get("InstanceIds") or []:
        find_member(request, id_)[1].protected = bool(parameters["ProtectedFromScaleIn"])
    return {}


@operation("autoscaling", "SetInstanceHealth")
def set_instance_health(request: Request, parameters: Parameters) -> object:
    """Report an instance's health; within the grace period only if that is not respected."""
    group, member = find_member(request, parameters["InstanceId"])
    respects = parameters.get("ShouldRespectGracePeriod") is not False
    young = member.in_service is None or request.now - member.in_service < group.grace
    if not (respects and young and group.grace):
        member.reported_unhealthy = parameters["HealthStatus"] == "Unhealthy"
    return {}


def _processes(parameters: Parameters) -> set[str]:
    names = set(parameters.get("ScalingProcesses") or _PROCESSES)
    if unknown := names - _PROCESSES:
        raise invalid(f"Unknown processes: {', '.join(sorted(unknown))}")
    return names


@operation("autoscaling", "SuspendProcesses")
def suspend_processes(request: Request, parameters: Parameters) -> object:
    """Suspend processes of a group; all of them when none is named."""
    find_group(request, parameters["AutoScalingGroupName"]).suspended |= _processes(parameters)
    return {}


@operation("autoscaling", "ResumeProcesses")
def resume_processes(request: Request, parameters: Parameters) -> object:
    """Resume processes of a group; all of them when none is named."""
    find_group(request, parameters["AutoScalingGroupName"]).suspended -= _processes(parameters)
    return {}
