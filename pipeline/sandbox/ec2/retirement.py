"""Retiring images: deprecation, disabling, deregistration protection, deregistration."""

from __future__ import annotations

from datetime import UTC, datetime

from pipeline.sandbox.ec2.images import own_image
from pipeline.sandbox.registry import Parameters, Request, operation, refusal


@operation("ec2", "EnableImageDeprecation")
def enable_image_deprecation(request: Request, parameters: Parameters) -> object:
    """Set the date from which other accounts no longer see the image; seconds are dropped."""
    image = own_image(request, parameters)
    at = parameters["DeprecateAt"]
    if not isinstance(at, datetime):
        at = datetime.fromisoformat(str(at))
    at = (at if at.tzinfo else at.replace(tzinfo=UTC)).replace(second=0, microsecond=0)
    if at <= request.now:
        raise refusal("InvalidParameterValue", "The deprecation date must be in the future.")
    request.state.facts(image.id).deprecated = at
    return {"Return": True}


@operation("ec2", "DisableImageDeprecation")
def disable_image_deprecation(request: Request, parameters: Parameters) -> object:
    """Take the deprecation date away."""
    request.state.facts(own_image(request, parameters).id).deprecated = None
    return {"Return": True}


@operation("ec2", "EnableImageDeregistrationProtection")
def enable_image_deregistration_protection(request: Request, parameters: Parameters) -> object:
    """Refuse to deregister the image from now on."""
    request.state.facts(own_image(request, parameters).id).protected = True
    return {"Return": "true"}


@operation("ec2", "DisableImageDeregistrationProtection")
def disable_image_deregistration_protection(request: Request, parameters: Parameters) -> object:
    """Allow the image to be deregistered again."""
    request.state.facts(own_image(request, parameters).id).protected = False
    return {"Return": "true"}


@operation("ec2", "DisableImage")
def disable_image(request: Request, parameters: Parameters) -> object:
    """Disable the image: it cannot be launched, and all its launch permissions are gone for good."""
    image = own_image(request, parameters)
    image.state, image.launch_permissions = "disabled", []
    return {"Return": True}


@operation("ec2", "EnableImage")
def enable_image(request: Request, parameters: Parameters) -> object:
    """Let a disabled image be launched again; nobody else may, until it is shared again."""
    own_image(request, parameters).state = "available"
    return {"Return": True}


@operation("ec2", "DeregisterImage")
def deregister_image(request: Request, parameters: Parameters) -> object:
    """Deregister an image, with its snapshots when asked for."""
    image = own_image(request, parameters)
    facts = request.state.facts(image.id)
    if facts.protected:
        text = f"The image '{image.id}' is protected from deregistration."
        raise refusal("OperationNotPermitted", text)
    request.ec2.deregister_image(image.id)
    request.state.machines.forget_image(image.id)
    facts.freezing = False
    results = []
    if parameters.get("DeleteAssociatedSnapshots"):
        for device in facts.mapping or []:
            snapshot = device["Ebs"]["SnapshotId"]
            request.ec2.snapshots.pop(snapshot, None)
            results.append({"SnapshotId": snapshot, "ReturnCode": "success"})
    return {"Return": True, "DeleteSnapshotResults": results}


@operation("ec2", "DescribeSnapshots")
def describe_snapshots(request: Request, parameters: Parameters) -> object:
    """List snapshots by owner too, which moto does not look at."""
    result = request.native()
    owners = {request.account if owner == "self" else owner for owner in parameters.get("OwnerIds") or []}
    snapshots = [item for item in result["Snapshots"] if not owners or item.owner_id in owners]
    return {**result, "Snapshots": snapshots}
