"""Machine images, through EC2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.aws.failures import translated
from pipeline.aws.paging import batches, tag_filters, tag_list, tags_of
from pipeline.aws.session import Clients
from pipeline.model.ids import BakeKey, ImageId, SnapshotId
from pipeline.model.images import Architecture, Image
from pipeline.model.names import TAG_BAKE_KEY, TAG_FAMILY, TAG_GOOD
from pipeline.ports.clock import Clock

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef, ImageTypeDef


class Ec2Images:
    """The port `Images` over DescribeImages and CreateTags."""

    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock

    def get(self, ids: Sequence[ImageId]) -> Mapping[ImageId, Image]:
        """Fetch images by id, deprecated and disabled ones too; ids that do not exist are not in the answer.

        The filter ``image-id`` is used for that: a missing id among ``ImageIds`` fails the whole call.
        """
        found: dict[ImageId, Image] = {}
        for batch in batches(sorted(set(ids))):
            for entry in self._describe([{"Name": "image-id", "Values": batch}]):
                image = _image(entry)
                found[image.id] = image
        return found

    def newest(self, *, owner: str, name: str, architecture: Architecture) -> Image | None:
        """Find the newest available image of an owner by name pattern; a deprecated one only when nothing else is.

        Deprecation is judged here because AWS hides deprecated images from everybody but their owner.
        """
        filters: list[FilterTypeDef] = [
            {"Name": "name", "Values": [name]},
            {"Name": "state", "Values": ["available"]},
            {"Name": "architecture", "Values": [architecture.value]},
        ]
        now = self._clock.now()
        entries = self._describe(filters, owner)
        best = max(entries, key=lambda entry: (not _deprecated(entry, now), _created(entry)), default=None)
        return _image(best) if best else None

    def baked(self, *, family: str, key: BakeKey | None = None) -> tuple[Image, ...]:
        tags = {TAG_FAMILY: family} if key is None else {TAG_FAMILY: family, TAG_BAKE_KEY: key}
        images = map(_image, self._describe(tag_filters(tags), "self"))
        return tuple(sorted(images, key=lambda image: image.created, reverse=True))

    def named(self, name: str) -> tuple[Image, ...]:
        """List our own images by name (``*`` and ``?`` as in the filter ``name``), newest first, in every state."""
        images = map(_image, self._describe([{"Name": "name", "Values": [name]}], "self"))
        return tuple(sorted(images, key=lambda image: image.created, reverse=True))

    @translated("ec2")
    def tag(self, image: Image, tags: Mapping[str, str]) -> None:
        """Write tags on an image and on all of its snapshots in one call, so that they cannot differ; none: no call."""
        if tags:
            self._clients.ec2.create_tags(Resources=[image.id, *image.snapshots], Tags=tag_list(tags))

    @translated("ec2")
    def protect(self, image: Image, why: str) -> None:
        """Tag, then protect: cut short between the two it is known as ours, and protected by the next run."""
        self._clients.ec2.create_tags(Resources=[image.id], Tags=tag_list({TAG_GOOD: why}))
        self._clients.ec2.enable_image_deregistration_protection(ImageId=image.id, WithCooldown=False)

    @translated("ec2")
    def release(self, image: Image) -> None:
        self._clients.ec2.disable_image_deregistration_protection(ImageId=image.id)
        self._clients.ec2.delete_tags(Resources=[image.id], Tags=[{"Key": TAG_GOOD}])

    @translated("ec2")
    def require_imds_v2(self, image: Image) -> None:
        """Set IMDSv2 as the default of every instance launched from the image (ModifyImageAttribute, ImdsSupport)."""
        self._clients.ec2.modify_image_attribute(ImageId=image.id, ImdsSupport={"Value": "v2.0"})

    @translated("ec2")
    def _describe(self, filters: list[FilterTypeDef], *owners: str) -> list[ImageTypeDef]:
        pages = self._clients.ec2.get_paginator("describe_images").paginate(
            Owners=list(owners), Filters=filters, IncludeDeprecated=True, IncludeDisabled=True
        )
        return [entry for page in pages for entry in page["Images"]]


def _created(entry: ImageTypeDef) -> datetime:
    return datetime.fromisoformat(entry["CreationDate"])


def _deprecated(entry: ImageTypeDef, now: datetime) -> bool:
    at = entry.get("DeprecationTime")
    return at is not None and datetime.fromisoformat(at) <= now


def _image(entry: ImageTypeDef) -> Image:
    mappings = entry.get("BlockDeviceMappings", [])
    snapshots = [mapping.get("Ebs", {}).get("SnapshotId") for mapping in mappings]
    return Image(
        id=ImageId(entry["ImageId"]),
        name=entry.get("Name", ""),
        owner=entry.get("OwnerId", ""),
        architecture=entry.get("Architecture", ""),
        state=entry["State"],
        created=_created(entry),
        root_device=entry.get("RootDeviceName", ""),
        snapshots=tuple(SnapshotId(snapshot) for snapshot in snapshots if snapshot),
        state_reason=entry.get("StateReason", {}).get("Message", ""),
        platform=entry.get("Platform", ""),
        imds_v2=entry.get("ImdsSupport") == "v2.0",
        protected=entry.get("DeregistrationProtection", "disabled") != "disabled",
        tags=tags_of(entry.get("Tags", [])),
    )
