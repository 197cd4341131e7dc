"""Channels: named pointers to images."""

from __future__ import annotations

from typing import Protocol

from pipeline.model.fleets import ChannelEntry
from pipeline.model.ids import ImageId


class Channels(Protocol):
    """SSM parameters of type ``aws:ec2:image`` (and public parameters that name an image)."""

    def current(self, parameter: str) -> ImageId | None:
        """Read the image a parameter points to; None when the parameter does not exist."""
        ...

    def history(self, parameter: str) -> tuple[ChannelEntry, ...]:
        """List all versions, newest first; empty when the parameter does not exist."""
        ...

    def move(self, parameter: str, image: ImageId) -> int:
        """Point the parameter at the image and answer the new version number."""
        ...
