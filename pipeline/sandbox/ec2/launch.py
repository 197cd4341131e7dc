"""Launching instances: one way for RunInstances and for Auto Scaling groups."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from moto.ec2.models.instance_types import INSTANCE_TYPES

from pipeline.sandbox.ec2.images import launchable
from pipeline.sandbox.ec2.templates import find_version
from pipeline.sandbox.machines import MachineSpec
from pipeline.sandbox.registry import Parameters, refusal
from pipeline.sandbox.state import Scope

_PENDING = (0, "pending")
_DEFAULT_TYPE = "m1.small"


def complete(scope: Scope, asked: Parameters) -> Parameters:
    """Complete what was asked with the launch template that it names, as EC2 does: what was asked wins.

    Raises:
        ServiceException: the template, its version or the image cannot be used.
    """
    wanted = dict(asked)
    if specification := wanted.pop("LaunchTemplate", None):
        version = find_version(scope, specification, str(specification.get("Version") or "$Default"))
        data = {key: value for key, value in version.data.items() if value not in (None, [], {})}
        tags = [*data.pop("TagSpecifications", []), *wanted.get("TagSpecifications", [])]
        wanted = {**data, **{key: value for key, value in wanted.items() if value not in (None, [], {})}}
        wanted["TagSpecifications"] = tags
        wanted["_template"] = {
            "aws:ec2launchtemplate:id": version.template.id,
            "aws:ec2launchtemplate:version": str(version.number),
        }
    _check(scope, wanted)
    return wanted


def _check(scope: Scope, wanted: Parameters) -> None:
    if not wanted.get("ImageId"):
        raise refusal("MissingParameter", "The request must contain the parameter ImageId")
    image = launchable(scope, wanted["ImageId"])
    wanted["ImageId"] = image.id
    name = wanted.setdefault("InstanceType", _DEFAULT_TYPE)
    known = INSTANCE_TYPES.get(name)
    if known is None:
        raise refusal("InvalidParameterValue", f"Invalid value '{name}' for InstanceType.")
    architectures = known["ProcessorInfo"]["SupportedArchitectures"]
    if image.architecture not in architectures:
        raise refusal(
            "InvalidParameterValue",
            f"The architecture '{','.join(architectures)}' of the specified instance type does not match "
            f"the architecture '{image.architecture}' of the specified AMI. "
            "Specify an instance type and an AMI that have matching architectures, and try again.",
        )
    if key := wanted.get("KeyName"):
        scope.ec2.describe_key_pairs(key_names=[key])


def launch(scope: Scope, wanted: Parameters, count: int) -> Any:
    """Launch instances of what `complete` answered, and boot their machines. Answers moto's reservation.

    Raises:
        ServiceException: a subnet, security group, profile or snapshot does not exist.
    """
    backend = scope.ec2
    interfaces = list(wanted.get("NetworkInterfaces") or [])
    subnet = wanted.get("SubnetId")
    if not subnet and not any(interface.get("SubnetId") for interface in interfaces):
        subnet = _default_subnet(scope, (wanted.get("Placement") or {}).get("AvailabilityZone"))
    address = wanted.get("PrivateIpAddress")
    if address and address in backend.get_subnet(subnet)._subnet_ips:  # noqa: SLF001 - moto would end in an exception
        raise refusal("InvalidIPAddress.InUse", f"Address {address} is in use.")
    tags = _tags(wanted.get("TagSpecifications") or [])
    image = backend.amis[wanted["ImageId"]]
    market = wanted.get("InstanceMarketOptions") or {}
    reservation = backend.run_instances(
        wanted["ImageId"],
        count,
        None,
        list(wanted.get("SecurityGroups") or []),
        instance_type=wanted["InstanceType"],
        is_instance_type_default=True,  # it was found to exist; moto would search through all that are offered
        region_name=scope.region,
        subnet_id=subnet,
        key_name=wanted.get("KeyName"),
        security_group_ids=list(wanted.get("SecurityGroupIds") or []),
        nics=interfaces,
        private_ip=address,
        tags=tags,
        ebs_optimized=bool(wanted.get("EbsOptimized")),
        disable_api_stop=bool(wanted.get("DisableApiStop")),
        disable_api_termination=bool(wanted.get("DisableApiTermination")),
        instance_market_options=market.get("MarketType") or {},
        instance_initiated_shutdown_behavior=wanted.get("InstanceInitiatedShutdownBehavior"),
        monitoring_state="enabled" if (wanted.get("Monitoring") or {}).get("Enabled") else "disabled",
        metadata_options=_metadata(scope, image, wanted),
        client_token=wanted.get("ClientToken"),
        block_device_mappings=_devices(scope, image, wanted.get("BlockDeviceMappings") or []),
    )
    for instance in reservation.instances:
        _start(scope, instance, wanted)
    return reservation


def _start(scope: Scope, instance: Any, wanted: Parameters) -> None:
    instance.add_tags(wanted.get("_template") or {})
    instance._state.code, instance._state.name = _PENDING  # noqa: SLF001 - moto has no way to launch as pending
    instance.launch_time = scope.now.replace(tzinfo=None)
    user_data = str(wanted["UserData"]) if wanted.get("UserData") else ""
    instance.user_data = user_data or None
    profile = wanted.get("IamInstanceProfile") or {}
    if profile.get("Name") or profile.get("Arn"):  # Packer sends an empty name for none
        scope.ec2.associate_iam_instance_profile(
            instance_id=instance.id,
            iam_instance_profile_name=profile.get("Name"),
            iam_instance_profile_arn=profile.get("Arn"),
        )
    if not wanted.get("NetworkInterfaces"):
        for interface in instance.nics.values():
            interface.delete_on_termination = True  # AWS's default; its address is free again afterwards
    scope.state.born[instance.id] = scope.now
    scope.state.instances[instance.id] = instance
    scope.state.live[instance.id] = (scope.account, scope.region)
    scope.state.machines.boot(machine_spec(scope, instance))


def machine_spec(scope: Scope, instance: Any) -> MachineSpec:
    """Tell the machine behind an instance what it is booted with."""
    keys = scope.ec2.key_pairs
    key = keys[instance.key_name].public_key if instance.key_name in keys else ""
    image = scope.ec2.amis.get(instance.image_id)
    tags = {tag["key"]: tag["value"] for source in (image, instance) if source for tag in source.get_tags()}
    return MachineSpec(
        instance=instance.id,
        image=instance.image_id,
        address=instance.private_ip_address,
        instance_type=instance.instance_type,
        user_data=base64.b64decode(str(instance.user_data)) if instance.user_data else b"",
        authorized_keys=(key,) if key else (),
        tags=tags,
    )


def _metadata(scope: Scope, image: Any, wanted: Parameters) -> dict[str, Any]:
    """Say how the metadata service is reached: the image's own rule holds where the launch says nothing."""
    rule = {"HttpTokens": "required", "HttpPutResponseHopLimit": 2} if scope.state.facts(image.id).imds else {}
    return {**rule, **(wanted.get("MetadataOptions") or {})}


def _default_subnet(scope: Scope, zone: str | None) -> str | None:
    subnets: Mapping[str, Any] = scope.ec2.get_default_subnets()
    chosen = subnets.get(zone) if zone else next(iter(subnets.values()), None)
    return chosen.id if chosen else None


def _tags(specifications: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    tags: dict[str, dict[str, str]] = {}
    for specification in specifications:
        kind = tags.setdefault(specification["ResourceType"], {})
        kind.update({tag["Key"]: tag["Value"] for tag in specification.get("Tags") or []})
    return tags


def _devices(scope: Scope, image: Any, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lay what was asked over the image's own mapping, device by device."""
    devices: dict[str, dict[str, Any]] = {
        device["DeviceName"]: dict(device["Ebs"]) for device in scope.state.facts(image.id).mapping or []
    }
    devices.setdefault(image.root_device_name, {"VolumeSize": 8, "VolumeType": "gp3", "DeleteOnTermination": True})
    for device in asked:
        if "NoDevice" in device:
            devices.pop(device["DeviceName"], None)
        elif "Ebs" in device:
            devices.setdefault(device["DeviceName"], {"VolumeSize": 8, "DeleteOnTermination": True})
            devices[device["DeviceName"]].update({k: v for k, v in device["Ebs"].items() if v is not None})
    return [{"DeviceName": name, "Ebs": ebs} for name, ebs in devices.items()]
