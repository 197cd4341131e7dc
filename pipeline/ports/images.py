"""Machine images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pipeline.model.ids import BakeKey, ImageId
from pipeline.model.images import Architecture, Image


class Images(Protocol):
    """The account's images, and those it may launch."""

    def get(self, ids: Sequence[ImageId]) -> Mapping[ImageId, Image]:
        """Fetch images by id in one call; ids that do not exist are simply not in the answer."""
        ...

    def newest(self, *, owner: str, name: str, architecture: Architecture) -> Image | None:
        """Find the newest available image of an owner (account id, ``amazon``, ``self``) by name pattern."""
        ...

    def baked(self, *, family: str, key: BakeKey | None = None) -> tuple[Image, ...]:
        """List our own images of a family, newest first, in every state; with a key, only those of that key."""
        ...

    def named(self, name: str) -> tuple[Image, ...]:
        """List our own images by name, newest first, marked or not; ``*`` is any text and ``?`` any character.

        It is the way back to an image whose creation's answer was lost, or whose bake was killed.
        """
        ...

    def tag(self, image: Image, tags: Mapping[str, str]) -> None:
        """Write tags on an image and on all of its snapshots."""
        ...

    def protect(self, image: Image, why: str) -> None:
        """Let nobody deregister the image; ``why`` becomes its tag ``rebake:good``: the mark that we did it."""
        ...

    def release(self, image: Image) -> None:
        """Let the image be deregistered again, and take the tag away."""
        ...

    def require_imds_v2(self, image: Image) -> None:
        """Set IMDSv2 as the default of every instance launched from the image; the attribute cannot be taken back."""
        ...
