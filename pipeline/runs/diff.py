"""The package-level difference between two images."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.errors import NotFound
from pipeline.model.ids import ImageId
from pipeline.model.outcomes import Done, RunResult
from pipeline.model.packages import Package
from pipeline.model.steps import BuildImage
from pipeline.planning.packages import PackageChange, package_changes
from pipeline.runs.room import Room


def diff(room: Room, old: ImageId, new: ImageId) -> tuple[PackageChange, ...]:
    """Compare the package lists that were kept of two images.

    The older one may be the newer one's source image: what was on it before patching was kept with the newer one.

    Raises:
        NotFound: no list was kept of one of them.
    """
    newer = room.tools.evidence.packages(new)
    if newer is None:
        raise _unknown(new)
    return package_changes(_old(room, old, new, newer[0]), newer[1])


def baked_changes(room: Room, result: RunResult) -> Mapping[ImageId, tuple[PackageChange, ...]]:
    """Tell what patching changed on each image that a run baked, where lists were kept."""
    images = [
        ImageId(step.outcome.facts["image"])
        for step in result.results
        if isinstance(step.planned.step, BuildImage) and isinstance(step.outcome, Done)
    ]
    kept = {image: room.tools.evidence.packages(image) for image in images}
    return {image: package_changes(lists[0], lists[1]) for image, lists in kept.items() if lists is not None}


def _old(room: Room, old: ImageId, new: ImageId, before: tuple[Package, ...]) -> tuple[Package, ...]:
    kept = room.tools.evidence.packages(old)
    if kept is not None:
        return kept[1]
    image = room.tools.images.get([new]).get(new)
    if image is not None and image.source_image == old:
        return before
    raise _unknown(old)


def _unknown(image: ImageId) -> NotFound:
    return NotFound(
        f"No package list of {image} is kept on this machine.",
        hint="lists are kept where the bake ran, and only for images baked from the built-in Linux templates",
    )
