"""How moto's regions begin: with the sandbox's base images, and a default VPC of addresses that can be bound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.ec2.models.amis import Ami, AmiBackend
from moto.ec2.models.vpcs import VPCBackend
from moto.ssm.models import Parameter

from pipeline.sandbox.bases import BaseImage
from pipeline.sandbox.state import Scope, State


@contextmanager
def furnished(state: State) -> Iterator[None]:
    """Let every region that moto makes begin as the sandbox wants it."""
    load, network = AmiBackend._load_amis, VPCBackend.create_default_vpc  # noqa: SLF001 - moto has no public seam

    def load_amis(backend: Any) -> None:
        for base in state.bases:
            add_base(state, backend, base)

    def create_default_vpc(backend: Any) -> Any:
        # Loopback addresses: what DescribeInstances answers can be connected to on this machine.
        block = state.networks.instances(backend.account_id, backend.region_name)
        vpc = backend.create_vpc(cidr_block=block, is_default=True)
        for zone in backend.describe_availability_zones():
            backend.create_default_subnet(zone.name)
        return vpc

    AmiBackend._load_amis, VPCBackend.create_default_vpc = load_amis, create_default_vpc  # noqa: SLF001 - as above
    try:
        yield
    finally:
        AmiBackend._load_amis, VPCBackend.create_default_vpc = load, network  # noqa: SLF001 - as above


def add_base(state: State, backend: Any, base: BaseImage) -> str:
    """Put a base image into a region and answer its id there."""
    ami_id = base.image_id(backend.region_name)
    ami = Ami(
        backend,
        ami_id,
        name=base.name,
        description=base.description,
        owner_id=base.owner,
        owner_alias=base.alias or None,
        public=True,
        virtualization_type="hvm",
        architecture=base.architecture,
        creation_date=base.created,
        platform=base.platform or None,
        root_device_type="ebs",
        root_device_name=base.root_device,
        hypervisor="xen",
    )
    ami.ebs_snapshot.owner_id = base.owner
    backend.amis[ami_id] = ami
    state.facts(ami_id).mapping = [
        {
            "DeviceName": base.root_device,
            "Ebs": {
                "SnapshotId": ami.ebs_snapshot.id,
                "VolumeSize": 8,
                "VolumeType": "gp3",
                "DeleteOnTermination": True,
                "Encrypted": False,
            },
        }
    ]
    return ami_id


def publish_parameters(scope: Scope) -> None:
    """Let the public parameters name the newest image of each kind, with a new version where it has changed."""
    newest = {parameter: base for base in scope.state.bases for parameter in base.parameters}
    stored = scope.ssm._parameters  # noqa: SLF001 - PutParameter refuses the reserved names
    for name, base in newest.items():
        versions = dict.setdefault(stored, name, [])
        value = base.image_id(scope.region)
        if versions and versions[-1].value == value:
            continue
        versions.append(
            Parameter(
                account_id=scope.account,
                name=name,
                value=value,
                parameter_type="String",
                description=None,
                allowed_pattern=None,
                keyid=None,
                last_modified_date=base.created,
                version=len(versions) + 1,
                data_type="aws:ec2:image",
                tier="Standard",
            )
        )
