"""The names that this project leaves in AWS, each built in exactly one place."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

from pipeline.model.ids import BakeKey, GroupName, ImageId, RunId

TAG_FAMILY = "rebake:family"
TAG_BAKE_KEY = "rebake:bake-key"
TAG_RUN = "rebake:run"
TAG_SOURCE_IMAGE = "rebake:source-image"
TAG_STAGE = "rebake:stage"
TAG_SMOKE = "rebake:smoke"
TAG_REVOKED = "rebake:revoked"
TAG_EVIDENCE = "rebake:evidence"
TAG_GOOD = "rebake:good"
TAG_PURPOSE = "rebake:purpose"
TAG_ROLE = "rebake:role"
TAG_ORIGIN = "rebake:origin"
TAG_RETIRE = "rebake:retire-after"
TAG_SINCE = "rebake:live-since"
TAG_LEFT = "rebake:left"
TAG_MADE = "rebake:made"
TAG_UNDO = "rebake:undo"
TAG_UNDO_ROUTE = "rebake:undo-route"

PATCH_GROUP_TAGS = ("PatchGroup", "Patch Group")
"""What SSM reads; the one without a space is the only one where tags are shown in instance metadata."""


class Role(StrEnum):
    """What a group is in a blue-green rollout; the tag ``rebake:role``. A group without one is a fleet's own."""

    GREEN = "green"
    """It is to have the traffic."""
    LIVE = "live"
    """It was green, and has the traffic now."""
    BLUE = "blue"
    """It had the traffic, and is kept until its rollback window is over."""
    RETIRED = "retired"
    """It had the traffic, and stands empty: for its next turn, or because somebody else owns it."""


_TOKENS = uuid.UUID("0b6f1d1e-6a5c-5c0e-9a52-7a4be1f3c9d2")


def image_name(family: str, at: datetime, key: BakeKey) -> str:
    """Name an AMI: family, UTC time stamp, first eight digits of the bake key (128 characters at most)."""
    return f"{family}-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{key[:8]}"


def image_names(family: str, key: BakeKey) -> str:
    """Match what `image_name` answers at any time: ``?`` is any character, so that no longer family's name matches."""
    return f"{family}-{'?' * 8}T{'?' * 6}Z-{key[:8]}"


def image_stamp(name: str, family: str) -> datetime | None:
    """Read from an AMI's name when it was named; None for one that no bake of the family has named."""
    match = re.fullmatch(rf"{re.escape(family)}-([0-9]{{8}}T[0-9]{{6}})Z-[0-9a-f]{{8}}", name)
    return _time(match[1]) if match else None


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


def build_of(name: str) -> tuple[RunId, str] | None:
    """Read run and family back from such a name; None for one that is not ours."""
    match = re.fullmatch(r"rebake-([0-9]{8}T[0-9]{6}-[a-z]{4})-(.+)", name)
    return (RunId(match[1]), match[2]) if match and run_began(match[1]) else None


def run_began(run: str) -> datetime | None:
    """Read from a run's id when it began; None for a text that is no such id."""
    return _time(run[:-5]) if re.fullmatch(r"[0-9]{8}T[0-9]{6}-[a-z]{4}", run) else None


def client_token(*parts: str) -> str:
    """Derive the idempotency token of one change: the same change asks with the same token, on any machine."""
    return str(uuid.uuid5(_TOKENS, "\x1f".join(parts)))


LEADING = frozenset({None, Role.LIVE})
"""The roles of a group that is its fleet's own."""


def role_of(tags: Mapping[str, str]) -> Role | None:
    """Read a group's role; None for a group that plays none."""
    value = tags.get(TAG_ROLE)
    return Role(value) if value in set(Role) else None


def green_name(origin: str, version: int) -> GroupName:
    """Name a green group: after the group that the fleet began with and the launch template version it boots."""
    return GroupName(f"{origin}-v{version}")


def target_group_name(group: str) -> str:
    """Name a green group's target group: 32 letters, digits and hyphens at most, and one name for one group."""
    digest = hashlib.sha256(group.encode()).hexdigest()[:8]
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in group[:23])
    return f"{plain.strip('-')}-{digest}".strip("-")


def andon_path(prefix: str) -> str:
    """Name the path of the SSM parameters that are andon cords, one a scope."""
    return f"{prefix.rstrip('/')}/andon"


def approval_path(prefix: str) -> str:
    """Name the path of the SSM parameters that hold the answers to runs that ask for approval, one a run."""
    return f"{prefix.rstrip('/')}/approvals"


def lease_path(prefix: str) -> str:
    """Name the path of the SSM parameters that say who works on what, one path below it a family or fleet."""
    return f"{prefix.rstrip('/')}/leases"


def ledger_path(prefix: str) -> str:
    """Name the path of the SSM parameters that say which images are protected as ways back, one a fleet."""
    return f"{prefix.rstrip('/')}/good"


def _time(stamp: str) -> datetime | None:
    try:
        return datetime.strptime(f"{stamp}Z", "%Y%m%dT%H%M%S%z")
    except ValueError:  # digits, but no time
        return None
