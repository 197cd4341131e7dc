"""The refresh strategy ReplaceRootVolume: instances stay, with their ids and addresses, and get another root volume."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.core.exceptions import ServiceException

from pipeline.sandbox.ec2.images import launchable
from pipeline.sandbox.ec2.launch import machine_spec
from pipeline.sandbox.fleets.blueprint import Blueprint, at_version
from pipeline.sandbox.fleets.launching import matches, meant, root_image
from pipeline.sandbox.fleets.model import Group, Lifecycle, Member
from pipeline.sandbox.fleets.progress import mark
from pipeline.sandbox.machines import MachineState, Tier
from pipeline.sandbox.registry import invalid, refusal
from pipeline.sandbox.state import Scope


def check(scope: Scope, group: Group, desired: Blueprint | None) -> None:
    """See that a group's root volumes can be replaced.

    Raises:
        ServiceException: something that AWS requires is missing.
    """
    if scope.state.machines.tier is not Tier.API:
        text = "The sandbox replaces root volumes on tier A only: real machines keep the disk that they booted from."
        raise refusal("UnsupportedOperation", text)
    if group.pool is not None:
        raise refusal("UnsupportedOperation", "The sandbox replaces no root volumes in a warm pool.")
    if whys := list(_refusals(scope, group, desired)):
        raise invalid(f"Root volumes cannot be replaced: {'; '.join(whys)}.")


def _refusals(scope: Scope, group: Group, desired: Blueprint | None) -> Iterator[str]:
    overrides = desired.overrides if desired and desired.policy else []
    images = [launchable(scope, item["ImageId"]) for item in overrides if "ImageId" in item]
    if group.blueprint.policy is None:
        yield "the group must use a mixed instances policy"
    if not overrides:
        yield "a desired configuration with a mixed instances policy and its overrides is required"
    if len(images) < len(overrides):
        yield "every override of the mixed instances policy must specify an ImageId"
    if any(len(scope.state.facts(image.id).mapping or []) > 1 for image in images):
        yield "an image has more than a root volume"
    if group.target_groups or group.balancers:
        yield "Elastic Load Balancing is not supported"
    if not all(matches(scope, member, group.blueprint) for member in group.counted):
        yield "all instances must match the group's launch template configuration"
    if {member.instance_type for member in group.counted} - {item.get("InstanceType") for item in overrides}:
        yield "an instance's type is not among the overrides"


def swap(scope: Scope, group: Group, member: Member, cause: str) -> None:
    """Begin to replace a member's root volume by one of the image that its type is to run now."""
    member.activity = group.act(scope.now, f"Replacing the root volume of EC2 instance: {member.instance}", cause)
    member.refresh = mark(group.refresh) if group.refresh else ""
    member.lifecycle, member.in_service = Lifecycle.REPLACING, None
    instance, blueprint = scope.instance(member.instance), group.wanted
    try:
        image = launchable(scope, root_image(scope, member, blueprint))
        if image.architecture != instance.architecture:
            raise refusal("InvalidParameterValue", f"The image {image.id} is of another architecture")
        member.blueprint = at_version(blueprint, str(meant(scope, blueprint).number))
    except ServiceException as error:
        _fail(scope, member, error.message)
        return
    member.override = {**blueprint.override(member.instance_type), "ImageId": image.id}
    instance.image_id = image.id
    _exchange(scope, instance, image)
    scope.state.machines.boot(machine_spec(scope, instance))


def _exchange(scope: Scope, instance: Any, image: Any) -> None:
    device = instance.root_device_name
    old = scope.ec2.get_volume(instance.block_device_mapping[device].volume_id)
    new = scope.ec2.create_volume(old.size, old.zone.name, image.ebs_snapshot.id)
    scope.ec2.detach_volume(old.id, instance.id, device)
    scope.ec2.delete_volume(old.id)
    scope.ec2.attach_volume(new.id, instance.id, device, delete_on_termination=True)


def _fail(scope: Scope, member: Member, why: str) -> None:
    """Give a member up: it is terminated and replaced, as any that is unhealthy."""
    member.unhealthy = True
    member.activity.end(scope.now, status="Failed", message=f"Replacing the root volume failed: {why}.")


def follow(scope: Scope, member: Member, state: str) -> None:
    """Let a member whose root volume is being replaced come back into service, or give it up."""
    if state != "running":
        _fail(scope, member, f"the instance is {state}")
    elif member.lifecycle is Lifecycle.REPLACING:
        if scope.state.machines.state(member.instance) is MachineState.RUNNING:
            member.lifecycle, member.in_service = Lifecycle.REPLACED, scope.now
    elif member.in_service and member.in_service < scope.now:
        member.lifecycle = Lifecycle.IN_SERVICE
        member.activity.end(scope.now)
