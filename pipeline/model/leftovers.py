"""What killed bakes, tests and rollouts may leave in an account, and the step that removes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """Kinds of leftovers, in the order in which they go: what uses another one goes before it."""

    INSTANCE = "instance"
    SECURITY_GROUP = "security group"
    KEY_PAIR = "key pair"
    VOLUME = "volume"
    IMAGE = "image"
    SNAPSHOT = "snapshot"
    TEMPLATE_VERSION = "launch template version"
    APPROVAL = "approval"
    GROUP = "group"
    TARGET_GROUP = "target group"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Something in the account, whoever made it.

    ``id`` is what it is removed by; a launch template version's is template and number (``lt-…:7``). ``state`` is AWS's
    word, ``created`` None where AWS does not say. ``holders`` name what uses it, ``parts`` the snapshots of an image,
    the image of a launch template version, and the target groups of a group.
    """

    kind: Kind
    id: str
    name: str = ""
    description: str = ""
    state: str = ""
    created: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    holders: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Remove a leftover; not while something of ``after`` stands. ``tags`` are what a group must still have."""

    what: Kind
    id: str
    after: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
