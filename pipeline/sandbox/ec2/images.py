"""Images: who may see and launch them, how they are made, deprecated, disabled and deregistered."""

from __future__ import annotations

import re
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from pipeline.sandbox.ec2.vulnerabilities import image_finding, observed, scan_results
from pipeline.sandbox.machines import FreezeState
from pipeline.sandbox.regions import publish_parameters
from pipeline.sandbox.registry import Parameters, Request, operation, page, refusal, refuse_dry_run
from pipeline.sandbox.state import Scope, State

_ALIAS = "resolve:ssm:"
_AMI = re.compile(r"ami-[0-9a-f]{8,17}")


def resolved(scope: Scope, image: str) -> str:
    """Follow a ``resolve:ssm:`` alias to an image id; an id is its own.

    Raises:
        ServiceException: the parameter does not exist or names no image.
    """
    if not image.startswith(_ALIAS):
        return image
    publish_parameters(scope)
    parameter = scope.ssm.get_parameter(image.removeprefix(_ALIAS))
    value = str(parameter.value) if parameter else ""
    if not _AMI.fullmatch(value):
        text = f"The parameter {image.removeprefix(_ALIAS)} does not exist or does not name an image."
        raise refusal("InvalidParameterValue", text)
    return value


def visible(scope: Scope, image: Any) -> bool:
    """Tell whether this account may see and launch an image: its own, public, or shared with it."""
    return bool(
        image.owner_id == scope.account or image.is_public or {"UserId": scope.account} in image.launch_permissions
    )


def find_image(scope: Scope, image_id: str) -> Any:
    """Find an image that this account may see.

    Raises:
        ServiceException: there is none, it was deregistered, or the id is malformed.
    """
    if not _AMI.fullmatch(image_id):
        raise refusal("InvalidAMIID.Malformed", f'Invalid id: "{image_id}" (expecting "ami-...")')
    image = scope.ec2.amis.get(image_id)
    if image is None or not visible(scope, image):
        if image_id in scope.ec2.deleted_amis:
            raise refusal("InvalidAMIID.Unavailable", f"The image ID '{image_id}' is no longer available")
        raise refusal("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
    return image


def own_image(request: Request, parameters: Parameters) -> Any:
    """Find the image that a call wants to change, which only its owner may.

    Raises:
        ServiceException: there is none, or it is somebody else's; or it is a dry run.
    """
    image = find_image(request, parameters["ImageId"])
    if image.owner_id != request.account:
        raise refusal("AuthFailure", f"Not authorized for image:{image.id}")
    refuse_dry_run(parameters)
    return image


def launchable(scope: Scope, image_id: str) -> Any:
    """Find the image behind an id or an alias, and see that it can be launched now.

    Raises:
        ServiceException: it does not exist, or it is pending, failed or disabled.
    """
    image = find_image(scope, resolved(scope, image_id))
    if image.state != "available":
        text = f"The image ID '{image.id}' is not available: its state is {image.state}"
        raise refusal("InvalidAMIID.Unavailable", text)
    return image


def follow_freezes(state: State) -> None:
    """Let images that are being made become available, or fail, as their machines' disks do."""
    for image_id, facts in state.images.items():
        if not facts.freezing:
            continue
        outcome = state.machines.image_state(image_id)
        if outcome is FreezeState.PENDING:
            continue
        facts.freezing = False
        for account, region in state.networks.regions():
            image = state.scope(account, region).ec2.amis.get(image_id)
            if image is not None:
                image.state = str(outcome)
                image.ebs_snapshot.status = "completed" if outcome is FreezeState.AVAILABLE else "error"


@operation("ec2", "CreateImage")
def create_image(request: Request, parameters: Parameters) -> object:
    """Make an image of an instance; it is pending until the machine's disk is frozen. The name is the natural key."""
    instance = request.ec2.get_instance(parameters["InstanceId"])
    _refuse_name(request, parameters["Name"])
    refuse_dry_run(parameters)
    tags = _tags(parameters)
    image = request.ec2.create_image(instance.id, parameters["Name"], parameters.get("Description") or "", [])
    image.add_tags(tags.get("image", {}))
    image.ebs_snapshot.add_tags(tags.get("snapshot", {}))
    image.state, image.ebs_snapshot.status = "pending", "pending"
    source = request.ec2.amis.get(instance.image_id)
    root = source.root_device_name if source else instance.root_device_name
    image.creation_date, image.root_device_name, image.root_device_type = request.now, root, "ebs"
    image.source_image_id, image.boot_mode = instance.image_id, None
    _keep_mapping(request, image, instance)
    request.state.machines.freeze(instance.id, image.id)
    request.state.facts(image.id).freezing = True
    request.state.born[image.id] = request.state.born[image.ebs_snapshot.id] = request.now
    return {"ImageId": image.id}


def _keep_mapping(scope: Scope, image: Any, instance: Any) -> None:
    mapping = []
    for device, block in instance.get_block_device_mapping:
        volume = scope.ec2.get_volume(block.volume_id)
        root = device == image.root_device_name
        snapshot = image.ebs_snapshot if root else scope.ec2.create_snapshot(volume.id, image.ebs_snapshot.description)
        ebs = {
            "SnapshotId": snapshot.id,
            "VolumeSize": volume.size,
            "VolumeType": volume.volume_type or "gp3",
            "DeleteOnTermination": bool(block.delete_on_termination),
            "Encrypted": bool(volume.encrypted),
        }
        mapping.append({"DeviceName": device, "Ebs": ebs})
        snapshot.encrypted = bool(volume.encrypted)
    scope.state.facts(image.id).mapping = mapping


@operation("ec2", "CopyImage")
def copy_image(request: Request, parameters: Parameters) -> object:
    """Copy an image from any region; tags come along only when asked for."""
    origin = request.state.scope(request.account, parameters["SourceRegion"])
    source = launchable(origin, parameters["SourceImageId"])
    _refuse_name(request, parameters["Name"])
    refuse_dry_run(parameters)
    image = request.ec2.copy_image(source.id, origin.region, parameters["Name"], parameters.get("Description"))
    if parameters.get("CopyImageTags"):
        image.add_tags({tag["key"]: tag["value"] for tag in source.get_tags()})
    tags = _tags(parameters)
    image.add_tags(tags.get("image", {}))
    image.ebs_snapshot.add_tags(tags.get("snapshot", {}))
    image.creation_date, image.root_device_name, image.root_device_type = (
        request.now,
        source.root_device_name,
        "ebs",
    )
    image.source_image_id = source.id
    mapping = [dict(device) for device in request.state.facts(source.id).mapping or []]
    for device in mapping:
        encrypted = bool(parameters.get("Encrypted") or device["Ebs"].get("Encrypted"))
        device["Ebs"] = {**device["Ebs"], "Encrypted": encrypted, "SnapshotId": image.ebs_snapshot.id}
        image.ebs_snapshot.encrypted = encrypted
    request.state.facts(image.id).mapping = mapping
    request.state.born[image.id] = request.now
    return {"ImageId": image.id}


@operation("ec2", "DescribeImages")
def describe_images(request: Request, parameters: Parameters) -> object:
    """List images that the account may see, in pages; disabled ones only with IncludeDisabled or by id."""
    for id_ in parameters.get("ImageIds") or []:
        find_image(request, id_)
    filters = {item["Name"]: item.get("Values") or [] for item in parameters.get("Filters") or []}
    dates = filters.pop("creation-date", [])
    images = request.ec2.describe_images(
        ami_ids=parameters.get("ImageIds") or [],
        filters=filters or None,
        exec_users=parameters.get("ExecutableUsers") or [],
        owners=parameters.get("Owners") or [],
    )
    named = bool(parameters.get("ImageIds"))
    shown = [
        image
        for image in images
        if visible(request, image)
        and (named or image.state != "disabled" or bool(parameters.get("IncludeDisabled")))
        and (named or not _hidden(request, image, parameters))
        and (not dates or any(fnmatchcase(_stamp(image.creation_date), pattern) for pattern in dates))
    ]
    refuse_dry_run(parameters)
    cut, token = page(shown, parameters, size="MaxResults", default=len(shown) or 1, limit=1000)
    return {"Images": [_described(request, image) for image in cut], "NextToken": token or None}


@operation("ec2", "GetImageFindings")
def get_image_findings(request: Request, parameters: Parameters) -> object:
    """List what Inspector has found on an image; nothing where it scans nothing."""
    image = find_image(request, parameters["ImageId"])
    refuse_dry_run(parameters)
    found = [image_finding(one) for one in observed(request, image.id)]
    cut, token = page(found, parameters, size="MaxResults", default=1000, limit=1000)
    return {"ImageFindings": cut, "NextToken": token or None}


def _hidden(scope: Scope, image: Any, parameters: Parameters) -> bool:
    deprecated = scope.state.facts(image.id).deprecated
    foreign = image.owner_id != scope.account
    return bool(deprecated and deprecated <= scope.now and foreign and not parameters.get("IncludeDeprecated"))


def _described(scope: Scope, image: Any) -> dict[str, Any]:
    facts = scope.state.facts(image.id)
    return {
        "ImageId": image.id,
        "Name": image.name,
        "Description": image.description or None,
        "OwnerId": image.owner_id,
        "ImageOwnerAlias": image.owner_alias,
        "ImageLocation": f"{image.owner_id}/{image.name}",
        "Architecture": image.architecture,
        "State": image.state,
        "StateReason": {"Code": "Server.InternalError", "Message": "The image could not be made."}
        if image.state == "failed"
        else None,
        "CreationDate": image.creation_date,
        "Public": image.is_public,
        "ImageType": "machine",
        "Platform": image.platform,
        "PlatformDetails": "Windows" if image.platform else "Linux/UNIX",
        "RootDeviceName": image.root_device_name,
        "RootDeviceType": "ebs",
        "VirtualizationType": "hvm",
        "Hypervisor": "xen",
        "EnaSupport": True,
        "ImdsSupport": facts.imds or None,
        "SourceImageId": getattr(image, "source_image_id", None),
        "DeprecationTime": _stamp(facts.deprecated) if facts.deprecated else None,
        "DeregistrationProtection": "enabled-without-cooldown" if facts.protected else "disabled",
        "ScanResults": scan_results(scope, image) or None,
        "BlockDeviceMappings": image.block_device_mappings if facts.mapping is None else facts.mapping,
        "Tags": [{"Key": tag["key"], "Value": tag["value"]} for tag in image.get_tags()] or None,
    }


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.000Z"


def _refuse_name(scope: Scope, name: str) -> None:
    for image in scope.ec2.amis.values():
        if image.name == name and image.owner_id == scope.account:
            text = f"AMI name {name} is already in use by AMI {image.id}"
            raise refusal("InvalidAMIName.Duplicate", text)


def _tags(parameters: Parameters) -> dict[str, dict[str, str]]:
    return {
        item["ResourceType"]: {tag["Key"]: tag["Value"] for tag in item.get("Tags") or []}
        for item in parameters.get("TagSpecifications") or []
    }
