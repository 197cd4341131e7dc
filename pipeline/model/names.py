"""The names that this project leaves in AWS, each built in exactly one place."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from pipeline.model.ids import BakeKey, ImageId, RunId

TAG_FAMILY = "rebake:family"
TAG_BAKE_KEY = "rebake:bake-key"
TAG_RUN = "rebake:run"
TAG_SOURCE_IMAGE = "rebake:source-image"
TAG_STAGE = "rebake:stage"
TAG_SMOKE = "rebake:smoke"
TAG_PURPOSE = "rebake:purpose"

_TOKENS = uuid.UUID("0b6f1d1e-6a5c-5c0e-9a52-7a4be1f3c9d2")


def image_name(family: str, at: datetime, key: BakeKey) -> str:
    """Name an AMI: family, UTC time stamp, first eight digits of the bake key (128 characters at most)."""
    return f"{family}-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{key[:8]}"


def channel_parameter(prefix: str, family: str, channel: str) -> str:
    """Name the SSM parameter (type ``aws:ec2:image``) behind a channel."""
    return f"{prefix.rstrip('/')}/{family}/{channel}"


def template_description(family: str, image: ImageId, run: RunId, source_version: int) -> str:
    """Describe a launch template version; its end tells which version it was made from, and so the way back."""
    return f"rebake {family} {image} {run} from {source_version}"


def template_origin(description: str) -> tuple[str, ImageId, int] | None:
    """Read family, image and source version back from a description; None for one that is not ours."""
    match description.split(" "):
        case ["rebake", family, image, _run, "from", source] if source.isdecimal():
            return family, ImageId(image), int(source)
        case _:
            return None


def build_name(run: RunId, family: str) -> str:
    """Name what a build leaves that cannot be tagged (key pairs, groups): it carries the run."""
    return f"rebake-{run}-{family}"


def client_token(*parts: str) -> str:
    """Derive the idempotency token of one change: the same change asks with the same token, on any machine."""
    return str(uuid.uuid5(_TOKENS, "\x1f".join(parts)))
