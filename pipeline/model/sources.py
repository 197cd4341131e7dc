"""Which image a family is baked from: one of four rules."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.model.ids import ImageId


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOwned:
    """The newest image of one owner whose name matches; the owner is never optional (whoAMI)."""

    owner: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceParameter:
    """The image that a (public) SSM parameter names."""

    parameter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePinned:
    """Exactly this image."""

    image: ImageId


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChannel:
    """The image that a channel of another family points to."""

    family: str
    channel: str


SourceRule = SourceOwned | SourceParameter | SourcePinned | SourceChannel
