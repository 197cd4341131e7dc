"""SSM parameters: public ones that name the base images, and images checked when they are written."""

from __future__ import annotations

from moto.core.exceptions import ServiceException

from pipeline.sandbox.ec2.images import find_image
from pipeline.sandbox.regions import publish_parameters
from pipeline.sandbox.registry import Parameters, Request, operation, refusal

_IMAGE = "aws:ec2:image"


@operation("ssm", "GetParameter", "GetParameters", "GetParametersByPath", "GetParameterHistory", "DescribeParameters")
def read_parameters(request: Request, parameters: Parameters) -> object:  # noqa: ARG001 - moto has them already
    """Read parameters, the public ones among them."""
    publish_parameters(request)
    return request.native()


@operation("ssm", "PutParameter")
def put_parameter(request: Request, parameters: Parameters) -> object:
    """Write a parameter; one of type ``aws:ec2:image`` must name an image that exists."""
    stored = request.ssm._parameters  # noqa: SLF001 - GetParameter would decrypt
    name = parameters["Name"]
    kind = parameters.get("DataType") or (stored[name][-1].data_type if stored.get(name) else "text")
    if kind == _IMAGE:
        try:
            find_image(request, parameters["Value"])
        except ServiceException:
            text = f"Parameter value {parameters['Value']} is not a valid Amazon Machine Image (AMI) id that exists."
            raise refusal("ValidationException", text) from None
    result = request.native()
    version = stored[name][-1]
    version.last_modified_date, version.data_type = request.now, kind
    return result
