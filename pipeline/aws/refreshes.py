"""The shapes of Auto Scaling: what a refresh is asked with, and what groups and refreshes look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from pipeline.aws.paging import tags_of
from pipeline.errors import NotPossible, Unavailable
from pipeline.model.fleets import Group, Member, Refresh, RefreshStatus, TemplateRef
from pipeline.model.ids import GroupName, ImageId, InstanceId, RefreshId, TemplateId
from pipeline.model.strategies import OnBusy, RefreshStrategy

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.literals import ScaleInProtectedInstancesType, StandbyInstancesType
    from mypy_boto3_autoscaling.type_defs import (
        AutoScalingGroupTypeDef,
        InstanceRefreshTypeDef,
        InstanceTypeDef,
        MixedInstancesPolicyTypeDef,
        RefreshPreferencesTypeDef,
    )

_PROTECTED: Mapping[OnBusy, ScaleInProtectedInstancesType] = {
    OnBusy.WAIT: "Wait",
    OnBusy.IGNORE: "Ignore",
    OnBusy.REPLACE: "Refresh",
}
_STANDBY: Mapping[OnBusy, StandbyInstancesType] = {
    OnBusy.WAIT: "Wait",
    OnBusy.IGNORE: "Ignore",
    OnBusy.REPLACE: "Terminate",
}


def preferences(strategy: RefreshStrategy, *, auto_rollback: bool) -> RefreshPreferencesTypeDef:
    """Write a strategy as RefreshPreferences; everything whose default differs between AWS's tools is explicit.

    An explicit maximum of 100 is not the same as none: only with it AWS launches before it terminates where it
    must (RefreshPreferences, MaxHealthyPercentage).
    """
    asked: RefreshPreferencesTypeDef = {
        "MinHealthyPercentage": strategy.min_healthy,
        "MaxHealthyPercentage": strategy.max_healthy,
        "SkipMatching": strategy.skip_matching,
        "AutoRollback": auto_rollback,
        "ScaleInProtectedInstances": _PROTECTED[strategy.protected],
        "StandbyInstances": _STANDBY[strategy.standby],
    }
    if strategy.warmup is not None:
        asked["InstanceWarmup"] = int(strategy.warmup.total_seconds())
    if strategy.checkpoints:  # a delay without checkpoints is refused
        asked["CheckpointPercentages"] = list(strategy.checkpoints)
        asked["CheckpointDelay"] = int(strategy.checkpoint_delay.total_seconds())
    if strategy.soak:
        asked["BakeTime"] = int(strategy.soak.total_seconds())
    if strategy.alarms:
        asked["AlarmSpecification"] = {"Alarms": list(strategy.alarms)}
    return asked


def with_template(group: GroupName, policy: Any, template: TemplateId, version: int) -> MixedInstancesPolicyTypeDef:
    """Take a group's whole mixed-instances policy over with another launch template version.

    AWS saves what is sent: a policy without its overrides and distribution would lose them.

    Raises:
        NotPossible: an override chooses a template, an image or instance types by itself.
    """
    current = policy.get("LaunchTemplate", {})
    for override in current.get("Overrides", []):
        if "LaunchTemplateSpecification" in override or "ImageId" in override:
            raise NotPossible(
                f"An override of {group}'s mixed-instances policy names a launch template or image of its own.",
                hint="Remove it from the override, so that all instances boot the fleet's image.",
            )
        if "InstanceRequirements" in override:
            raise NotPossible(
                f"The group {group} chooses instance types by attributes, which no refresh to a new version supports.",
                hint="List the instance types in the mixed-instances policy.",
            )
    specification = {"LaunchTemplateId": template, "Version": str(version)}
    changed = {**policy, "LaunchTemplate": {**current, "LaunchTemplateSpecification": specification}}
    return cast("MixedInstancesPolicyTypeDef", changed)


def group_of(entry: AutoScalingGroupTypeDef, images: Mapping[InstanceId, ImageId]) -> Group:
    """Read a group as DescribeAutoScalingGroups answers it; ``images`` are those of its instances."""
    policy = entry.get("MixedInstancesPolicy", {})
    mixed = policy.get("LaunchTemplate", {})
    overrides = mixed.get("Overrides", [])
    traffic = [
        source["Identifier"] for source in entry.get("TrafficSources", []) if source.get("Type", "elbv2") == "elbv2"
    ]
    return Group(
        name=GroupName(entry["AutoScalingGroupName"]),
        desired=entry["DesiredCapacity"],
        minimum=entry["MinSize"],
        maximum=entry["MaxSize"],
        template=_template(entry.get("LaunchTemplate") or mixed.get("LaunchTemplateSpecification")),
        launch_configuration=entry.get("LaunchConfigurationName", ""),
        mixed=bool(policy),
        override_templates=any("LaunchTemplateSpecification" in override for override in overrides),
        attribute_based=any("InstanceRequirements" in override for override in overrides),
        members=tuple(_member(member, images) for member in entry.get("Instances", [])),
        target_groups=tuple(dict.fromkeys([*entry.get("TargetGroupARNs", []), *traffic])),
        suspended=tuple(process["ProcessName"] for process in entry.get("SuspendedProcesses", [])),
        health_check=entry["HealthCheckType"],
        subnets=tuple(subnet for subnet in entry.get("VPCZoneIdentifier", "").split(",") if subnet),
        tags=tags_of(entry.get("Tags", [])),
    )


def refresh_of(entry: InstanceRefreshTypeDef) -> Refresh:
    """Read a refresh as DescribeInstanceRefreshes answers it.

    Raises:
        Unavailable: AWS answers a status that this version does not know.
    """
    desired = entry.get("DesiredConfiguration", {})
    mixed = desired.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    return Refresh(
        id=RefreshId(entry["InstanceRefreshId"]),
        group=GroupName(entry["AutoScalingGroupName"]),
        status=_status(entry["Status"]),
        percentage=entry.get("PercentageComplete", 0),
        remaining=entry.get("InstancesToUpdate", 0),
        reason=entry.get("StatusReason", ""),
        desired=_template(desired.get("LaunchTemplate") or mixed.get("LaunchTemplateSpecification")),
        started=entry.get("StartTime"),
        ended=entry.get("EndTime"),
        rollback_reason=entry.get("RollbackDetails", {}).get("RollbackReason", ""),
    )


def _status(word: str) -> RefreshStatus:
    try:
        return RefreshStatus(word)
    except ValueError as error:
        raise Unavailable(
            f"AWS reports an instance refresh as {word!r}, a status that this version of rebake does not know.",
            hint="Look at the refresh in the Auto Scaling console, and use a newer rebake.",
        ) from error


def _member(entry: InstanceTypeDef, images: Mapping[InstanceId, ImageId]) -> Member:
    instance = InstanceId(entry["InstanceId"])
    return Member(
        id=instance,
        lifecycle=entry["LifecycleState"],
        healthy=entry["HealthStatus"].lower() == "healthy",
        zone=entry["AvailabilityZone"],
        protected=entry["ProtectedFromScaleIn"],
        template=_template(entry.get("LaunchTemplate")),
        image=images.get(instance),
    )


def _template(entry: Any) -> TemplateRef | None:
    if not entry:
        return None
    # Auto Scaling uses the default version where none is written (LaunchTemplateSpecification, Version).
    return TemplateRef(id=TemplateId(entry.get("LaunchTemplateId", "")), version=entry.get("Version", "$Default"))
