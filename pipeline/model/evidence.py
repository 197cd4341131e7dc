"""Evidence: what is said of how an image came to be, and what is known of such words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import PurePath
from typing import Any

from pipeline.model.ids import BakeKey, ImageId, RunId
from pipeline.model.images import Image
from pipeline.model.packages import PackageLists
from pipeline.model.settings import Family


@dataclass(frozen=True, slots=True, kw_only=True)
class Bake:
    """A bake that has ended: the image, and all that went into it.

    ``files`` are the rendered template and its scripts; ``tools`` the versions of Packer and its plugins by name.
    ``adopted`` is the run that has finished what another one had begun, and cannot vouch for its tools; None: it was
    one run.
    """

    image: Image
    family: Family
    source: ImageId
    key: BakeKey
    run: RunId
    recipe: str
    files: Mapping[PurePath, bytes]
    began: datetime
    lists: PackageLists = field(default_factory=PackageLists)
    tools: Mapping[str, str] = field(default_factory=dict)
    adopted: RunId | None = None


class Proof(StrEnum):
    """What an image's provenance is worth."""

    VERIFIED = "verified"
    """As it was written, by the image's own tag, and signed by the key that the configuration names."""
    UNSIGNED = "unsigned"
    """As it was written, but the key that the configuration names (if it names one) has not signed it."""
    MISSING = "missing"
    """The image has none, or it is in no place that can be read here."""
    TAMPERED = "tampered"
    """Something is there, but it is not what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """The answer to how an image came to be. ``why`` is one sentence.

    ``statement`` is the in-toto statement, empty where ``proof`` is missing or tampered; ``key`` the ARN of the key
    that signed it.
    """

    image: ImageId
    proof: Proof
    why: str
    statement: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """Why a piece of evidence cannot be had: it is missing, or tampered with."""

    proof: Proof
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature, and the ARN of the key that made it."""

    key: str
    value: bytes
