"""Which images were baked from which."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pipeline.model.ids import ImageId
from pipeline.model.images import Image


def descendants(root: ImageId, known: Collection[Image]) -> tuple[Image, ...]:
    """List the images that were baked from one, and from those in turn; parents come first."""
    found: list[Image] = []
    parents = {root}
    while children := [one for one in known if one.source_image in parents and one not in found and one.id != root]:
        found += children
        parents = {one.id for one in children}
    return tuple(found)


def ancestors(image: Image, known: Mapping[ImageId, Image]) -> tuple[Image, ...]:
    """List what an image was baked from, and that in turn, as far as it is known; the nearest comes first."""
    found: list[Image] = []
    parent = known.get(image.source_image) if image.source_image else None
    while parent is not None and parent not in found:
        found.append(parent)
        parent = known.get(parent.source_image) if parent.source_image else None
    return tuple(found)
