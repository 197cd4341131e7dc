"""The package-level difference between two images."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.errors import NotFound
from pipeline.model.ids import ImageId
from pipeline.model.images import Image
from pipeline.model.outcomes import Done, RunResult
from pipeline.model.packages import PackageLists
from pipeline.model.steps import BuildImage
from pipeline.planning.packages import PackageChange, changes_between, package_changes
from pipeline.runs.room import Room


def diff(room: Room, old: ImageId, new: ImageId) -> tuple[PackageChange, ...]:
    """Compare the package lists that were kept of two images, with what the changes mend.

    The older one may be the newer one's source image: what was on it before patching was kept with the newer one.

    Raises:
        NotFound: no list was kept of one of them, or it is in no place that is read here.
        NotPossible: a list is not what was written.
    """
    found = room.tools.images.get([old, new])
    newer = _lists(room, found.get(new))
    if newer is None:
        raise _unknown(new)
    older = _lists(room, found.get(old))
    if older is not None:
        return changes_between(older, newer)
    if found[new].source_image == old:
        return package_changes(newer.before, newer.after, newer.fixes)
    raise _unknown(old)


def baked_changes(room: Room, result: RunResult) -> Mapping[ImageId, tuple[PackageChange, ...]]:
    """Tell what patching changed on each image that a run baked, where lists were kept; errors as for `diff`."""
    images = [
        ImageId(step.outcome.facts["image"])
        for step in result.results
        if isinstance(step.planned.step, BuildImage) and isinstance(step.outcome, Done)
    ]
    if not images:
        return {}
    kept = {image.id: _lists(room, image) for image in room.tools.images.get(images).values()}
    return {
        image: package_changes(lists.before, lists.after, lists.fixes)
        for image, lists in kept.items()
        if lists is not None
    }


def _lists(room: Room, image: Image | None) -> PackageLists | None:
    return None if image is None else room.tools.evidence.packages(image)


def _unknown(image: ImageId) -> NotFound:
    return NotFound(
        f"No package list of {image} is known here.",
        hint="lists are kept where the bake ran and in the bucket of `evidence`, of images baked from Linux templates",
    )
