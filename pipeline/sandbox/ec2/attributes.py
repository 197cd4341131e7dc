"""Attributes of images: who may launch them is moto's, the metadata service that they ask for is kept here."""

from __future__ import annotations

from pipeline.sandbox.ec2.images import own_image
from pipeline.sandbox.registry import Parameters, Request, operation, refusal

_IMDS = "v2.0"


@operation("ec2", "ModifyImageAttribute")
def modify_image_attribute(request: Request, parameters: Parameters) -> object:
    """Change one attribute; IMDSv2, once asked for, stays."""
    image = own_image(request, parameters)
    if text := (parameters.get("Description") or {}).get("Value"):
        image.description = text
        return {}
    imds = (parameters.get("ImdsSupport") or {}).get("Value")
    if imds is None:
        return request.native()
    if imds != _IMDS:
        raise refusal("InvalidParameterValue", f"Invalid value '{imds}' for imdsSupport. Valid values: {_IMDS}")
    request.state.facts(image.id).imds = imds
    return {}
