"""The operations on a group's target groups and tags."""

from __future__ import annotations

from typing import Any

from pipeline.sandbox import balancing
from pipeline.sandbox.fleets.describing import described_tags, find_group, find_settled, traffic_sources
from pipeline.sandbox.fleets.model import Group, Lifecycle
from pipeline.sandbox.registry import Parameters, Request, invalid, operation, page
from pipeline.sandbox.state import Scope


def sources(scope: Scope, parameters: Parameters) -> tuple[list[str], list[str]]:
    """Read target groups and classic load balancers, whichever way they are given.

    Raises:
        ServiceException: a target group does not exist.
    """
    arns, names = list(parameters.get("TargetGroupARNs") or []), list(parameters.get("LoadBalancerNames") or [])
    for source in parameters.get("TrafficSources") or []:
        (names if source.get("Type") == "elb" else arns).append(source["Identifier"])
    for arn in arns:
        if arn not in scope.elbv2.target_groups:
            raise invalid(f"Target group {arn} not found")
    return arns, names


@operation("autoscaling", "AttachLoadBalancers", "AttachLoadBalancerTargetGroups", "AttachTrafficSources")
def attach_traffic_sources(request: Request, parameters: Parameters) -> object:
    """Attach load balancers and register what is in service, but at classic ones; not while a refresh runs."""
    group = find_settled(request, parameters["AutoScalingGroupName"])
    arns, names = sources(request, parameters)
    group.balancers += [name for name in names if name not in group.balancers]
    for arn in [arn for arn in arns if arn not in group.target_groups]:
        group.target_groups.append(arn)
        for member in group.members:
            if member.lifecycle is Lifecycle.IN_SERVICE:
                balancing.register(request, arn, member.instance)
    return {}


@operation("autoscaling", "DetachLoadBalancers", "DetachLoadBalancerTargetGroups", "DetachTrafficSources")
def detach_traffic_sources(request: Request, parameters: Parameters) -> object:
    """Detach load balancers; the instances drain and keep running."""
    group = find_group(request, parameters["AutoScalingGroupName"])
    arns, names = sources(request, parameters)
    for name in [*arns, *names]:
        if name not in [*group.target_groups, *group.balancers]:
            raise invalid(f"{name} is not attached to {group.name}")
    group.balancers = [name for name in group.balancers if name not in names]
    for arn in arns:
        group.target_groups.remove(arn)
        for member in group.members:
            balancing.deregister(request, arn, member.instance)
    return {}


def _source_state(scope: Scope, group: Group, arn: str) -> str:
    """Added, or InService once at least one instance passes: not "all are healthy"."""
    states = [balancing.target_health(scope, arn, member.instance).state for member in group.members]
    return "InService" if "healthy" in states else "Added"


@operation("autoscaling", "DescribeLoadBalancers", "DescribeLoadBalancerTargetGroups", "DescribeTrafficSources")
def describe_traffic_sources(request: Request, parameters: Parameters) -> object:
    """List a group's load balancers with their states; each operation takes from the answer what it knows."""
    group = find_group(request, parameters["AutoScalingGroupName"])
    shown, token = page(traffic_sources(group), parameters, size="MaxRecords", default=50, limit=100)
    told: dict[str, list[dict[str, str]]] = {"elb": [], "elbv2": []}
    for source in shown:
        name = source["Identifier"]
        names = dict.fromkeys(("TrafficSource", "LoadBalancerName", "LoadBalancerTargetGroupARN"), name)
        told[source["Type"]].append({**source, **names, "State": _source_state(request, group, name)})
    both = [*told["elbv2"], *told["elb"]]
    answer = {"LoadBalancers": told["elb"], "LoadBalancerTargetGroups": told["elbv2"], "TrafficSources": both}
    return {**answer, "NextToken": token or None}


def put_tags(group: Group, tags: list[dict[str, Any]]) -> None:
    """Write tags on a group; instances that run keep theirs."""
    group.tags |= {tag["Key"]: (tag.get("Value") or "", bool(tag.get("PropagateAtLaunch"))) for tag in tags}


@operation("autoscaling", "CreateOrUpdateTags")
def create_or_update_tags(request: Request, parameters: Parameters) -> object:
    """Write tags on groups."""
    for tag in parameters["Tags"]:
        put_tags(find_group(request, tag["ResourceId"]), [tag])
    return {}


@operation("autoscaling", "DeleteTags")
def delete_tags(request: Request, parameters: Parameters) -> object:
    """Remove tags from groups."""
    for tag in parameters["Tags"]:
        find_group(request, tag["ResourceId"]).tags.pop(tag["Key"], None)
    return {}


@operation("autoscaling", "DescribeTags")
def describe_tags(request: Request, parameters: Parameters) -> object:
    """List the tags of groups, filtered by group, key or value."""
    fields = {"auto-scaling-group": "ResourceId", "key": "Key", "value": "Value"}
    tags: list[dict[str, Any]] = [tag for group in request.groups() for tag in described_tags(group)]
    for item in parameters.get("Filters") or []:
        if item["Name"] in fields:
            tags = [tag for tag in tags if tag[fields[item["Name"]]] in (item.get("Values") or [])]
    shown, token = page(tags, parameters, size="MaxRecords", default=50, limit=100)
    return {"Tags": shown, "NextToken": token or None}
