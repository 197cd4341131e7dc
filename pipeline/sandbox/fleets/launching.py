"""What a group launches, where, and what counts as the same."""

from __future__ import annotations

from collections import Counter
from typing import Any

from moto.core.exceptions import ServiceException

from pipeline.sandbox.ec2.images import resolved
from pipeline.sandbox.ec2.launch import complete, launch
from pipeline.sandbox.ec2.templates import find_version
from pipeline.sandbox.faults import FaultKind, error_code
from pipeline.sandbox.fleets.blueprint import Blueprint, at_version
from pipeline.sandbox.fleets.model import Activity, Group, Member
from pipeline.sandbox.registry import Parameters, invalid, refusal
from pipeline.sandbox.state import Scope

_RUN = "ec2:RunInstances"
_NO_CAPACITY = "InsufficientInstanceCapacity"


def launch_member(scope: Scope, group: Group, blueprint: Blueprint, activity: Activity, *, warm: bool) -> Member:
    """Launch one instance, in the zone with the fewest; a mixed policy tries its types in order.

    Raises:
        ServiceException: EC2 refused the last attempt.
    """
    subnet = _subnet(scope, group, warm=warm)
    attempts = [item for item in blueprint.overrides if "InstanceType" in item] or [{}]
    for number, override in enumerate(attempts, start=1):
        try:
            return _attempt(scope, group, blueprint, override, subnet, activity)
        except ServiceException as error:
            if error.code != _NO_CAPACITY or number == len(attempts):
                raise
    raise refusal(_NO_CAPACITY, "There is no Spot or On-Demand capacity in any pool")


def _attempt(
    scope: Scope, group: Group, blueprint: Blueprint, override: dict[str, Any], subnet: Any, activity: Activity
) -> Member:
    for fault in scope.state.faults.decide(_RUN):
        if fault.kind is FaultKind.ERROR:
            raise refusal(error_code(fault, _RUN), fault.message)
    asked, used = _asked(scope, blueprint, override)
    tags = {"aws:autoscaling:groupName": group.name}
    tags |= {key: value for key, (value, propagated) in group.tags.items() if propagated}
    asked["TagSpecifications"] = [
        {"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
    ]
    wanted = complete(scope, asked)
    if wanted.get("NetworkInterfaces"):
        wanted["NetworkInterfaces"] = [
            {**interface, "SubnetId": subnet.id} if interface.get("DeviceIndex", 0) == 0 else interface
            for interface in wanted["NetworkInterfaces"]
        ]
    else:
        wanted["SubnetId"] = subnet.id
    instance = launch(scope, wanted, 1).instances[0]
    if "ImageId" in override:
        override = override | {"ImageId": instance.image_id}
    return Member(
        instance=instance.id,
        zone=subnet.availability_zone,
        instance_type=instance.instance_type,
        blueprint=used,
        launched=scope.now,
        activity=activity,
        override=override,
        protected=group.kept["NewInstancesProtectedFromScaleIn"],
    )


def _asked(scope: Scope, blueprint: Blueprint, override: dict[str, Any]) -> tuple[Parameters, Blueprint]:
    if blueprint.configuration:
        return configuration(scope, blueprint.configuration), blueprint
    specification = override.get("LaunchTemplateSpecification") or {
        "LaunchTemplateId": blueprint.template,
        "Version": blueprint.version,
    }
    version = find_version(scope, specification, str(specification.get("Version") or "$Default"))
    asked: Parameters = {
        "LaunchTemplate": {"LaunchTemplateId": version.template.id, "Version": str(version.number)},
    }
    asked |= {key: override[key] for key in ("InstanceType", "ImageId") if key in override}
    used = at_version(blueprint, str(version.number))
    return asked, used


def configuration(scope: Scope, name: str) -> Parameters:
    """Say what a launch configuration launches, as RunInstances would be asked.

    Raises:
        ServiceException: there is none of that name.
    """
    found = scope.backend("autoscaling").launch_configurations.get(name)
    if found is None:
        raise invalid(f"Launch configuration name not found - {name}")
    asked = {
        "ImageId": found.image_id,
        "InstanceType": found.instance_type,
        "KeyName": found.key_name,
        "UserData": found.user_data,
        "SecurityGroupIds": found.security_groups,
    }
    return {key: value for key, value in asked.items() if value}


def _subnet(scope: Scope, group: Group, *, warm: bool) -> Any:
    subnets = [scope.ec2.get_subnet(subnet) for subnet in group.subnets]
    crowd = Counter(member.zone for member in group.side(warm=warm))
    return min(subnets, key=lambda subnet: crowd[subnet.availability_zone])


def meant(scope: Scope, blueprint: Blueprint) -> Any:
    """Find the template version that a blueprint means now."""
    return find_version(scope, {"LaunchTemplateId": blueprint.template}, blueprint.version)


def root_image(scope: Scope, member: Member, blueprint: Blueprint) -> str:
    """Tell which image a blueprint wants on a member's root volume: its override's, or else the template's."""
    wanted = {**meant(scope, blueprint).data, **blueprint.override(member.instance_type)}
    return resolved(scope, str(wanted["ImageId"]))


def matches(scope: Scope, member: Member, blueprint: Blueprint, *, root: bool = False) -> bool:
    """Tell whether a member is as a blueprint wants it: template id, version and instance type, nothing else.

    Where root volumes are replaced, the image is all that counts.
    """
    if root:
        return bool(scope.instance(member.instance).image_id == root_image(scope, member, blueprint))
    if member.blueprint.template != blueprint.template or not blueprint.template:
        return False
    version = meant(scope, blueprint)
    types = {item["InstanceType"] for item in blueprint.overrides if "InstanceType" in item}
    types = types or {version.data.get("InstanceType") or member.instance_type}
    return member.blueprint.version == str(version.number) and member.instance_type in types


def follows_alias(scope: Scope, blueprint: Blueprint) -> bool:
    """Tell whether the template names its image by an SSM alias."""
    return str(meant(scope, blueprint).data.get("ImageId") or "").startswith("resolve:ssm:")
