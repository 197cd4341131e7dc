"""What a group is to boot: one shape for a refresh's desired configuration, for a new group and for a changed one."""

from __future__ import annotations

from typing import Any

from pipeline.aws.session import Clients
from pipeline.aws.templates import described_version
from pipeline.errors import NotPossible
from pipeline.model.ids import ImageId, TemplateId


def configuration(
    clients: Clients,
    entry: Any,
    template: TemplateId,
    version: int,
    *,
    image: ImageId | None = None,
    everywhere: bool = False,
) -> Any:
    """Take what a described group boots over, with another launch template version.

    AWS saves what is sent, so a mixed-instances policy is sent whole. Its overrides that name the template get the new
    version, and those that name an image (``everywhere``: all of them) get ``image``, which is the version's own.

    Raises:
        NotPossible: an override names another template, or the overrides boot different images.
    """
    wanted = {"LaunchTemplateId": template, "Version": str(version)}
    policy = entry.get("MixedInstancesPolicy")
    if not policy:
        return {"LaunchTemplate": wanted}
    written = policy.get("LaunchTemplate", {})
    overrides = written.get("Overrides", [])
    for override in overrides:
        other = override.get("LaunchTemplateSpecification", {}).get("LaunchTemplateId", template)
        if other != template:
            raise NotPossible(
                f"An override of {entry['AutoScalingGroupName']} boots the launch template {other}, not {template}.",
                hint="let all overrides boot the fleet's launch template, or make a fleet of its own of them",
            )
    if everywhere or any("ImageId" in override for override in overrides):
        _boots_one_image(clients, entry, overrides)
        image = image or _image(clients, wanted)
    changed = []
    for override in overrides:
        again = dict(override)
        if "LaunchTemplateSpecification" in override:
            again["LaunchTemplateSpecification"] = wanted
        if everywhere or "ImageId" in override:
            again["ImageId"] = image
        changed.append(again)
    boots = {**written, "LaunchTemplateSpecification": wanted, **({"Overrides": changed} if changed else {})}
    return {"MixedInstancesPolicy": {**policy, "LaunchTemplate": boots}}


def _boots_one_image(clients: Clients, entry: Any, overrides: list[Any]) -> None:
    """Refuse overrides of different images (of two architectures, say): one new image cannot stand for them."""
    booted = {override["ImageId"] for override in overrides if "ImageId" in override}
    if booted and not all("ImageId" in override for override in overrides):
        booted.add(_image(clients, entry["MixedInstancesPolicy"]["LaunchTemplate"]["LaunchTemplateSpecification"]))
    if len(booted) > 1:
        raise NotPossible(
            f"{entry['AutoScalingGroupName']}'s overrides boot different images: {', '.join(sorted(booted))}.",
            hint="a fleet boots one image: name no other in an override, or make fleets of their own of them",
        )


def _image(clients: Clients, specification: Any) -> ImageId:
    identity, version = specification["LaunchTemplateId"], specification.get("Version", "$Default")
    return ImageId(described_version(clients, identity, version)["LaunchTemplateData"].get("ImageId", ""))
