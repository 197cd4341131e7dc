"""Which images were baked from which."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pipeline.model.ids import ImageId
from pipeline.model.images import Image
from pipeline.model.settings import Family
from pipeline.model.sources import SourceChannel


def descendants(root: ImageId, known: Collection[Image]) -> tuple[Image, ...]:
    """List the images that were baked from one, and from those in turn; parents come first."""
    found: list[Image] = []
    parents = {root}
    while children := [one for one in known if one.source_image in parents and one not in found and one.id != root]:
        found += children
        parents = {one.id for one in children}
    return tuple(found)


def lost(image: Image, known: Mapping[ImageId, Image], families: Mapping[str, Family]) -> ImageId | None:
    """Name the image of ours at the end of an image's line that is gone; None: the line is whole.

    It ends well with an image of other people's: nobody has rejected or revoked any of those here.
    """
    oldest = (image, *ancestors(image, known))[-1]
    family = families.get(oldest.family or "")
    ours = family is not None and isinstance(family.source, SourceChannel)
    return oldest.source_image if ours and oldest.source_image not in known else None


def ancestors(image: Image, known: Mapping[ImageId, Image]) -> tuple[Image, ...]:
    """List what an image was baked from, and that in turn, as far as it is known; the nearest comes first."""
    found: list[Image] = []
    parent = known.get(image.source_image) if image.source_image else None
    while parent is not None and parent not in found:
        found.append(parent)
        parent = known.get(parent.source_image) if parent.source_image else None
    return tuple(found)
