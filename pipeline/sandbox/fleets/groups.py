"""The operations on Auto Scaling groups."""

from __future__ import annotations

import re
from typing import Any

from moto.backends import get_backend

from pipeline.sandbox.ec2.images import launchable
from pipeline.sandbox.ec2.templates import find_template, find_version
from pipeline.sandbox.fleets.attached import put_hook
from pipeline.sandbox.fleets.blueprint import Blueprint
from pipeline.sandbox.fleets.describing import described_activity, find_group, find_member
from pipeline.sandbox.fleets.kept import keep
from pipeline.sandbox.fleets.launching import configuration
from pipeline.sandbox.fleets.model import Group, Lifecycle
from pipeline.sandbox.fleets.policies import resize
from pipeline.sandbox.fleets.scaling import terminate
from pipeline.sandbox.fleets.traffic import put_tags, sources
from pipeline.sandbox.registry import Parameters, Request, invalid, operation, refusal
from pipeline.sandbox.state import Scope

_ACTIVE_DESIRED = (
    "An active instance refresh with a desired configuration exists. All configuration options derived from the "
    "desired configuration are not available for update while the instance refresh is active."
)
_WEIGHTS = range(1, 1000)
_ROLE = "AWSServiceRoleForAutoScaling"
_PROTECTED = "The AutoScalingGroup cannot be deleted because its deletion protection is set to"


def read_blueprint(scope: Scope, parameters: Parameters) -> Blueprint | None:
    """Read what a call says about what to launch; None when it says nothing.

    Raises:
        ServiceException: it does not exist, or both a template's id and name are given.
    """
    if policy := parameters.get("MixedInstancesPolicy"):
        specification = (policy.get("LaunchTemplate") or {}).get("LaunchTemplateSpecification") or {}
        blueprint = _template_blueprint(scope, specification, policy)
        weights = [override.get("WeightedCapacity", "0") for override in blueprint.overrides]
        if any(weight != "0" for weight in weights) and any(int(weight) not in _WEIGHTS for weight in weights):
            raise invalid("Either all overrides have a WeightedCapacity of 1 to 999, or none.")
        return blueprint
    if specification := parameters.get("LaunchTemplate"):
        return _template_blueprint(scope, specification, None)
    if name := parameters.get("LaunchConfigurationName"):
        configuration(scope, name)
        return Blueprint(configuration=name)
    if instance_id := parameters.get("InstanceId"):
        raise invalid(f"The sandbox makes no group from an instance ({instance_id}).")
    return None


def _template_blueprint(scope: Scope, specification: dict[str, Any], policy: dict[str, Any] | None) -> Blueprint:
    if specification.get("LaunchTemplateId") and specification.get("LaunchTemplateName"):
        raise invalid("Valid requests must contain either launchTemplateId or LaunchTemplateName")
    template = find_template(scope, specification)
    version = str(specification.get("Version") or "$Default")
    data = find_version(scope, {"LaunchTemplateId": template.id}, version).data
    if not data.get("ImageId"):
        raise invalid("You must use a valid fully-formed launch template. An image is missing.")
    launchable(scope, data["ImageId"])
    return Blueprint(template=template.id, template_name=template.name, version=version, policy=policy)


def _subnets(scope: Scope, parameters: Parameters) -> list[str]:
    named = [name for name in re.split(r"\s*,\s*", parameters.get("VPCZoneIdentifier") or "") if name]
    if named:
        for subnet in named:
            scope.ec2.get_subnet(subnet)
        return named
    defaults = scope.ec2.get_default_subnets()
    by_id = {subnet.availability_zone_id: zone for zone, subnet in defaults.items()}
    ids = parameters.get("AvailabilityZoneIds") or []
    zones = parameters.get("AvailabilityZones") or [by_id.get(one, one) for one in ids]
    missing = [zone for zone in zones if zone not in defaults]
    if missing or not zones:
        raise invalid("At least one Availability Zone or VPC Subnet is required.")
    return [defaults[zone].id for zone in zones]


@operation("autoscaling", "CreateAutoScalingGroup")
def create_auto_scaling_group(request: Request, parameters: Parameters) -> object:
    """Create a group; its name is its identity."""
    name = parameters["AutoScalingGroupName"]
    if (request.account, request.region, name) in request.state.groups:
        raise refusal("AlreadyExists", f"AutoScalingGroup by this name already exists - A group with the name {name}")
    blueprint = read_blueprint(request, parameters)
    if blueprint is None:
        raise invalid("Valid requests must contain a launch template or configuration.")
    target_groups, balancers = sources(request, parameters)
    group = Group(
        name=name,
        account=request.account,
        region=request.region,
        created=request.now,
        blueprint=blueprint,
        subnets=_subnets(request, parameters),
        kept=keep({"ServiceLinkedRoleARN": _role_arn(request)}, parameters),
        target_groups=target_groups,
        balancers=balancers,
    )
    resize(group, {"DesiredCapacity": parameters["MinSize"], **parameters})
    put_tags(group, parameters.get("Tags") or [])
    for hook in parameters.get("LifecycleHookSpecificationList") or []:
        put_hook(group, hook)
    request.state.groups[request.account, request.region, name] = group
    _make_role(request)
    return {}


def _role_arn(request: Request) -> str:
    return f"arn:aws:iam::{request.account}:role/aws-service-role/autoscaling.amazonaws.com/{_ROLE}"


def _make_role(request: Request) -> None:
    """Make the service-linked role, as AWS does with the first group."""
    iam = get_backend("iam")[request.account]["aws"]
    if not any(role.name == _ROLE for role in iam.roles.values()):
        iam.create_service_linked_role("autoscaling.amazonaws.com", "Default Service-Linked Role", "")


@operation("autoscaling", "UpdateAutoScalingGroup")
def update_auto_scaling_group(request: Request, parameters: Parameters) -> object:
    """Update a group; what it launches cannot change under a refresh with a desired configuration."""
    group = find_group(request, parameters["AutoScalingGroupName"])
    blueprint = read_blueprint(request, parameters)
    if blueprint and group.refresh and group.refresh.desired:
        raise invalid(_ACTIVE_DESIRED)
    elsewhere = any(parameters.get(name) for name in ("VPCZoneIdentifier", "AvailabilityZones", "AvailabilityZoneIds"))
    subnets = _subnets(request, parameters) if elsewhere else group.subnets
    resize(group, parameters)
    group.subnets = subnets
    group.blueprint = blueprint or group.blueprint
    group.kept = keep(group.kept, parameters)
    group.retry_at, group.failures = None, 0
    return {}


@operation("autoscaling", "SetDesiredCapacity")
def set_desired_capacity(request: Request, parameters: Parameters) -> object:
    """Set the desired capacity within the group's bounds."""
    group = find_group(request, parameters["AutoScalingGroupName"])
    desired = int(parameters["DesiredCapacity"])
    if desired > group.maximum:
        text = f"New SetDesiredCapacity value {desired} is above max value {group.maximum} for the AutoScalingGroup."
        raise invalid(text)
    if desired < group.minimum:
        text = f"New SetDesiredCapacity value {desired} is below min value {group.minimum} for the AutoScalingGroup."
        raise invalid(text)
    group.desired = desired
    return {}


@operation("autoscaling", "DeleteAutoScalingGroup")
def delete_auto_scaling_group(request: Request, parameters: Parameters) -> object:
    """Delete a group; one with instances only with ForceDelete."""
    group = find_group(request, parameters["AutoScalingGroupName"])
    protection = group.kept["DeletionProtection"]
    if protection == "prevent-all-deletion" or (protection != "none" and parameters.get("ForceDelete")):
        raise invalid(f"{_PROTECTED} {protection}.")
    if group.members and not parameters.get("ForceDelete"):
        text = "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s)"
        raise refusal("ResourceInUse", f"{text} still in the group.")
    group.minimum = group.desired = 0
    group.deleting = True
    group.refreshes.clear()
    group.attached.clear()
    group.pool = None
    for member in group.members:
        if member.lifecycle is not Lifecycle.TERMINATING:
            terminate(request, group, member, "the group was deleted.")
        member.draining_until = request.now
    return {}


@operation("autoscaling", "TerminateInstanceInAutoScalingGroup")
def terminate_instance_in_auto_scaling_group(request: Request, parameters: Parameters) -> object:
    """Terminate a member, perhaps with its place in the capacity."""
    group, member = find_member(request, parameters["InstanceId"])
    if parameters.get("ShouldDecrementDesiredCapacity") and not member.warm:
        if group.desired - member.weight < group.minimum:
            text = "Currently, desiredSize equals minSize. Terminating instance without replacement will violate it."
            raise invalid(text)
        group.desired -= member.weight
    terminate(request, group, member, "an instance was taken out of service in response to a user request.")
    return {"Activity": described_activity(request, group, member.activity)}
