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
_TEMPLATE_DESCRIPTION_MAX = 255


def image_name(family: str, at: datetime, key: BakeKey) -> str:
    """Name an AMI: family, UTC time stamp, first eight digits of the bake key (128 characters at most)."""
    return f"{family}-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{key[:8]}"


def channel_parameter(prefix: str, family: str, channel: str) -> str:
    """Name the SSM parameter (type ``aws:ec2:image``) behind a channel."""
    return f"{prefix.rstrip('/')}/{family}/{channel}"


def template_description(family: str, image: ImageId, run: RunId) -> str:
    """Describe a launch template version (AWS allows 255 characters)."""
    return f"rebake {family} {image} {run}"[:_TEMPLATE_DESCRIPTION_MAX]


def build_name(run: RunId, family: str) -> str:
    """Name what a build leaves that cannot be tagged (key pairs, groups): it carries the run."""
    return f"rebake-{run}-{family}"


def client_token(*parts: str) -> str:
    """Derive the idempotency token of one change: the same change asks with the same token, on any machine."""
    return str(uuid.uuid5(_TOKENS, "\x1f".join(parts)))
