"""What a build makes for itself: key pairs, volumes and snapshots of the cloud's own time, groups that are in use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from moto.ec2.models import elastic_block_store, key_pairs

from pipeline.sandbox.registry import Parameters, Request, operation, refusal
from pipeline.sandbox.state import State


@contextmanager
def timed(state: State) -> Iterator[None]:
    """Let moto date what it makes by the cloud's clock."""
    modules = (elastic_block_store, key_pairs)
    before = [module.utcnow for module in modules]
    for module in modules:
        module.utcnow = lambda: state.clock.now().replace(tzinfo=None)
    try:
        yield
    finally:
        for module, utcnow in zip(modules, before, strict=True):
            module.utcnow = utcnow


@operation("ec2", "DeleteSecurityGroup")
def delete_security_group(request: Request, parameters: Parameters) -> object:
    """Delete a security group that no network interface is in."""
    group = parameters.get("GroupId")
    if any(group == member.id for interface in request.ec2.enis.values() for member in interface.group_set):
        raise refusal("DependencyViolation", f"resource {group} has a dependent object")
    return request.native()
