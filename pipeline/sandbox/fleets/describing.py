"""What is said of Auto Scaling groups, their instances and their activities."""

from __future__ import annotations

from typing import Any

from pipeline.sandbox.fleets.blueprint import Blueprint
from pipeline.sandbox.fleets.model import Activity, Group, Member
from pipeline.sandbox.registry import Parameters, Request, invalid, operation, page, refusal
from pipeline.sandbox.state import Scope

_FULL = 100


def find_group(scope: Scope, name: str) -> Group:
    """Find a group.

    Raises:
        ServiceException: there is none of that name.
    """
    group = scope.state.groups.get((scope.account, scope.region, name))
    if group is None:
        raise invalid(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
    return group


def find_settled(scope: Scope, name: str) -> Group:
    """Find a group that no instance refresh is changing.

    Raises:
        ServiceException: there is none of that name, or one is.
    """
    group = find_group(scope, name)
    if group.refresh:
        text = f"An Instance Refresh is already in progress and blocks the execution of this one: {group.refresh.id}"
        raise refusal("InstanceRefreshInProgress", text)
    return group


def find_member(scope: Scope, instance: str) -> tuple[Group, Member]:
    """Find the group that an instance belongs to.

    Raises:
        ServiceException: it belongs to none.
    """
    for group in scope.groups():
        for member in group.members:
            if member.instance == instance:
                return group, member
    raise invalid(f"Instance Id not found - No managed instance found for instance ID: {instance}")


@operation("autoscaling", "DescribeAutoScalingGroups")
def describe_auto_scaling_groups(request: Request, parameters: Parameters) -> object:
    """List groups by name, or by tags."""
    names = parameters.get("AutoScalingGroupNames") or []
    filters = parameters.get("Filters") or []
    groups = [
        group
        for group in sorted(request.groups(), key=lambda group: group.name)
        if (not names or group.name in names) and all(_tagged(group, item) for item in filters)
    ]
    shown, token = page(groups, parameters, size="MaxRecords", default=50, limit=_FULL)
    return {"AutoScalingGroups": [_described(request, group) for group in shown], "NextToken": token or None}


def _tagged(group: Group, item: dict[str, Any]) -> bool:
    name, values = item["Name"], item.get("Values") or []
    if name == "tag-key":
        return any(key in values for key in group.tags)
    if name == "tag-value":
        return any(value in values for value, _ in group.tags.values())
    key = name.removeprefix("tag:")
    return key in group.tags and group.tags[key][0] in values


def _described(scope: Scope, group: Group) -> dict[str, Any]:
    subnets = [scope.ec2.get_subnet(subnet) for subnet in group.subnets]
    blueprint = group.blueprint
    return {
        **group.kept,
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": scope.arn("autoscaling", f"autoScalingGroup:sandbox:autoScalingGroupName/{group.name}"),
        "LaunchConfigurationName": blueprint.configuration or None,
        "LaunchTemplate": specification(blueprint) if blueprint.template and not blueprint.policy else None,
        "MixedInstancesPolicy": blueprint.policy,
        "MinSize": group.minimum,
        "MaxSize": group.maximum,
        "DesiredCapacity": group.desired,
        "AvailabilityZones": sorted({subnet.availability_zone for subnet in subnets}),
        "AvailabilityZoneIds": sorted({subnet.availability_zone_id for subnet in subnets}),
        "LoadBalancerNames": group.balancers,
        "TargetGroupARNs": group.target_groups,
        "TrafficSources": traffic_sources(group),
        "Instances": [described_member(member) for member in group.members if not member.warm],
        "WarmPoolConfiguration": group.pool,
        "WarmPoolSize": None if group.pool is None else sum(member.warm for member in group.members),
        "CreatedTime": group.created,
        "SuspendedProcesses": [
            {"ProcessName": name, "SuspensionReason": "User suspended"} for name in sorted(group.suspended)
        ],
        "VPCZoneIdentifier": ",".join(group.subnets),
        "EnabledMetrics": [{"Metric": name, "Granularity": grain} for name, grain in group.metrics.items()],
        "Status": "Delete in progress" if group.deleting else None,
        "Tags": described_tags(group),
    }


def traffic_sources(group: Group) -> list[dict[str, str]]:
    """Say a group's target groups and classic load balancers in one list."""
    return [
        *({"Identifier": arn, "Type": "elbv2"} for arn in group.target_groups),
        *({"Identifier": name, "Type": "elb"} for name in group.balancers),
    ]


def specification(blueprint: Blueprint) -> dict[str, str]:
    """Say a launch template with both its id and its name, as AWS does."""
    return {
        "LaunchTemplateId": blueprint.template,
        "LaunchTemplateName": blueprint.template_name,
        "Version": blueprint.version,
    }


def described_member(member: Member) -> dict[str, Any]:
    """Say what DescribeAutoScalingGroups says of an instance."""
    blueprint = member.blueprint
    return {
        "InstanceId": member.instance,
        "InstanceType": member.instance_type,
        "AvailabilityZone": member.zone,
        "LifecycleState": member.state,
        "HealthStatus": "Unhealthy" if member.unhealthy else "Healthy",
        "LaunchConfigurationName": blueprint.configuration or None,
        "LaunchTemplate": specification(blueprint) if blueprint.template else None,
        "ImageId": member.override.get("ImageId"),
        "ProtectedFromScaleIn": member.protected,
        "WeightedCapacity": member.override.get("WeightedCapacity"),
    }


def described_tags(group: Group) -> list[dict[str, Any]]:
    """Say a group's tags."""
    return [
        {
            "ResourceId": group.name,
            "ResourceType": "auto-scaling-group",
            "Key": key,
            "Value": value,
            "PropagateAtLaunch": propagated,
        }
        for key, (value, propagated) in sorted(group.tags.items())
    ]


@operation("autoscaling", "DescribeAutoScalingInstances")
def describe_auto_scaling_instances(request: Request, parameters: Parameters) -> object:
    """List instances with the group that each belongs to."""
    wanted = parameters.get("InstanceIds") or []
    found = [
        {**described_member(member), "AutoScalingGroupName": group.name}
        for group in request.groups()
        for member in group.members
        if not wanted or member.instance in wanted
    ]
    shown, token = page(found, parameters, size="MaxRecords", default=50, limit=50)
    return {"AutoScalingInstances": shown, "NextToken": token or None}


@operation("autoscaling", "DescribeScalingActivities")
def describe_scaling_activities(request: Request, parameters: Parameters) -> object:
    """List a group's activities, newest first."""
    name = parameters.get("AutoScalingGroupName")
    groups = [find_group(request, name)] if name else request.groups()
    wanted = parameters.get("ActivityIds") or []
    entries = [
        described_activity(request, group, activity)
        for group in groups
        for activity in group.activities
        if not wanted or activity.id in wanted
    ]
    shown, token = page(entries, parameters, size="MaxRecords", default=_FULL, limit=_FULL)
    return {"Activities": shown, "NextToken": token or None}


def described_activity(scope: Scope, group: Group, activity: Activity) -> dict[str, Any]:
    """Say what DescribeScalingActivities says of an activity."""
    return {
        "ActivityId": activity.id,
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": scope.arn("autoscaling", f"autoScalingGroup:sandbox:autoScalingGroupName/{group.name}"),
        "Description": activity.description,
        "Cause": activity.cause,
        "StartTime": activity.started,
        "EndTime": activity.ended,
        "StatusCode": activity.status,
        "StatusMessage": activity.message or None,
        "Progress": activity.progress,
        "Details": "{}",
    }
