"""What an Auto Scaling group is made of, and what becomes of each part in a copy of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Any

from pipeline.aws.paging import copied_tags, tags_of
from pipeline.model.undo import undo_of


class Fate(Enum):
    """What becomes of an attribute of a group in its copy."""

    KEPT = auto()
    """Given to CreateAutoScalingGroup as it is described."""
    WRITTEN = auto()
    """Written for the copy: `created`, and the calls that follow the creation."""
    STATE = auto()
    """Not a setting: what the group is, has or does."""


PARTS: Mapping[str, Fate | str] = {
    "AutoScalingGroupARN": Fate.STATE,
    "AutoScalingGroupName": Fate.WRITTEN,
    "AvailabilityZoneDistribution": Fate.KEPT,
    "AvailabilityZoneIds": Fate.STATE,  # the same zones again, which may not be given twice
    "AvailabilityZoneImpairmentPolicy": Fate.KEPT,
    "AvailabilityZones": Fate.KEPT,
    "CapacityRebalance": Fate.KEPT,
    "CapacityReservationSpecification": Fate.KEPT,
    "Context": Fate.KEPT,
    "CreatedTime": Fate.STATE,
    "DefaultCooldown": Fate.KEPT,
    "DefaultInstanceWarmup": Fate.KEPT,
    "DeletionProtection": Fate.KEPT,
    "DesiredCapacity": Fate.WRITTEN,
    "DesiredCapacityType": Fate.KEPT,
    "EnabledMetrics": Fate.WRITTEN,
    "HealthCheckGracePeriod": Fate.KEPT,
    "HealthCheckType": Fate.KEPT,
    "InstanceLifecyclePolicy": Fate.KEPT,
    "InstanceMaintenancePolicy": Fate.KEPT,
    "Instances": Fate.STATE,
    "LaunchConfigurationName": "boots from a launch configuration: give it a launch template.",
    "LaunchTemplate": Fate.WRITTEN,
    "LoadBalancerNames": "is attached to a classic load balancer, which knows no weights.",
    "MaxInstanceLifetime": Fate.KEPT,
    "MaxSize": Fate.WRITTEN,
    "MinSize": Fate.WRITTEN,
    "MixedInstancesPolicy": Fate.WRITTEN,
    "NewInstancesProtectedFromScaleIn": Fate.KEPT,
    "Operator": "is managed by another service, which alone may change it.",
    "PlacementGroup": Fate.KEPT,
    "PredictedCapacity": Fate.STATE,
    "ServiceLinkedRoleARN": Fate.WRITTEN,
    "Status": Fate.STATE,
    "SuspendedProcesses": Fate.WRITTEN,
    "Tags": Fate.WRITTEN,
    "TargetGroupARNs": Fate.WRITTEN,
    "TerminationPolicies": Fate.KEPT,
    "TrafficSources": Fate.WRITTEN,
    "VPCZoneIdentifier": Fate.KEPT,
    "WarmPoolConfiguration": Fate.WRITTEN,
    "WarmPoolSize": Fate.STATE,
}
"""The attributes of DescribeAutoScalingGroups; a sentence says why a group that has one is not copied."""

# Of what is described beside the group, that which is written for the copy.
HOOK = (
    "LifecycleHookName",
    "LifecycleTransition",
    "NotificationTargetARN",
    "RoleARN",
    "NotificationMetadata",
    "HeartbeatTimeout",
    "DefaultResult",
)
POLICY = (
    "PolicyName",
    "PolicyType",
    "EstimatedInstanceWarmup",
    "Enabled",
    "TargetTrackingConfiguration",
    "PredictiveScalingConfiguration",
)
SCHEDULED = ("ScheduledActionName", "EndTime", "Recurrence", "TimeZone", "MinSize", "MaxSize", "DesiredCapacity")
WARM_POOL = ("MaxGroupPreparedCapacity", "MinSize", "PoolState", "InstanceReusePolicy")

_SELF_CONTAINED = {"TargetTrackingScaling", "PredictiveScaling"}
_NOTHING: tuple[object, ...] = (None, "", [], {})
_CODEDEPLOY = "CodeDeploy-managed"
_USUAL_ROLE = "/AWSServiceRoleForAutoScaling"


def obstacles(entry: Any, hooks: Sequence[Any], policies: Sequence[Any]) -> Iterator[str]:
    """Say what of a described group cannot be copied; an attribute that the table does not know is one of it."""
    name = entry["AutoScalingGroupName"]
    for part, value in entry.items():
        fate = PARTS.get(part, "has {part}, which this version of rebake does not know how to copy.")
        if isinstance(fate, str) and value not in _NOTHING:
            yield f"{name} {fate.format(part=part)}"
    kinds = {source.get("Type", "elbv2") for source in entry.get("TrafficSources", [])} - {"elb", "elbv2"}
    for kind in sorted(kinds):
        yield f"{name} has a traffic source of type {kind}, whose traffic cannot be shifted."
    groups = target_groups(entry)
    if len(groups) != 1:
        yield f"{name} is in {len(groups)} target groups, and traffic can be shifted for one only."
    for hook in hooks:
        if hook["LifecycleHookName"].startswith(_CODEDEPLOY):
            yield f"{name} is a target of CodeDeploy, which would not deploy to its copy."
    for policy in policies:
        if policy["PolicyType"] not in _SELF_CONTAINED:
            yield (
                f"{name} has the {policy['PolicyType']} policy {policy['PolicyName']}, "
                "whose CloudWatch alarms name the group and would go on to watch it alone."
            )


def target_groups(entry: Any) -> set[str]:
    """Tell which target groups a described group is in: it may name them in two ways."""
    sources = entry.get("TrafficSources", [])
    return {
        *entry.get("TargetGroupARNs", []),
        *(source["Identifier"] for source in sources if source.get("Type", "elbv2") == "elbv2"),
    }


def only(entry: Any, keys: Collection[str]) -> dict[str, Any]:
    """Take some members of what was described; empty ones may be described and not be given."""
    return {key: value for key, value in entry.items() if key in keys and value not in _NOTHING}


def created(entry: Any, tags: Mapping[str, str]) -> dict[str, Any]:
    """Write what CreateAutoScalingGroup is given of a described group; what it boots and its name are not in it."""
    asked = only(entry, {part for part, fate in PARTS.items() if fate is Fate.KEPT})
    asked |= {"DesiredCapacity": entry["DesiredCapacity"], **sizes(entry)}
    kept = copied_tags(tags_of(entry.get("Tags", [])))
    asked["Tags"] = [
        *(only(tag, ("Key", "Value", "PropagateAtLaunch")) for tag in entry.get("Tags", []) if tag["Key"] in kept),
        *({"Key": key, "Value": value, "PropagateAtLaunch": False} for key, value in tags.items()),
    ]
    # The usual role needs no mention, and with it a right to hand it over.
    role = entry.get("ServiceLinkedRoleARN", _USUAL_ROLE)
    if not role.endswith(_USUAL_ROLE):
        asked["ServiceLinkedRoleARN"] = role
    if entry.get("AvailabilityZoneImpairmentPolicy", {}).get("ZonalShiftEnabled"):
        asked["SkipZonalShiftValidation"] = True  # its source has passed or skipped it, too
    return asked


def sizes(entry: Any) -> dict[str, int]:
    """Tell between which sizes a copy is held: not below what its source has now."""
    return {"MinSize": entry["DesiredCapacity"], "MaxSize": max(entry["MaxSize"], entry["DesiredCapacity"])}


def adapted(value: Any, *, name: tuple[str, str], label: tuple[str, str]) -> Any:
    """Let a scaling policy measure the copy: its name in dimensions, its target group's label wherever it stands.

    Each pair is (of the source, of the copy); a label is the end of a target group's ARN.
    """
    match value:
        case {"Name": "AutoScalingGroupName", "Value": found} if found == name[0]:
            return {**value, "Value": name[1]}
        case dict():
            return {key: adapted(member, name=name, label=label) for key, member in value.items()}
        case list():
            return [adapted(member, name=name, label=label) for member in value]
        case str():
            return value.replace(*label)
        case _:
            return value


def scheduled(actions: Sequence[Any], now: datetime) -> list[Any]:
    """Write scheduled actions for a copy: AWS refuses a start in the past, and a recurring one has begun by then."""
    wanted = []
    for action in actions:
        start = action.get("StartTime")
        if start is not None and start > now:
            wanted.append(only(action, {*SCHEDULED, "StartTime"}))
        elif action.get("Recurrence"):
            wanted.append(only(action, SCHEDULED))
    return wanted


def suspended(entry: Any) -> list[str]:
    """Tell the suspended processes of a group; what a rollout has suspended in passing is no setting of it."""
    try:
        undo = undo_of(tags_of(entry.get("Tags", [])))
    except ValueError:  # somebody else's words: they do not say what is passing
        undo = None
    found = [process["ProcessName"] for process in entry.get("SuspendedProcesses", [])]
    return [process for process in found if undo is None or process not in undo.resume]
