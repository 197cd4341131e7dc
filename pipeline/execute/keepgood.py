"""The KeepGood step: the images that a fleet may have to go back to cannot be deregistered."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.errors import AccessDenied, NotPossible, StepFailed
from pipeline.execute.tools import Workbench
from pipeline.model.good import KeepGood
from pipeline.model.ids import ImageId
from pipeline.model.images import Image
from pipeline.model.outcomes import Done, Outcome
from pipeline.planning.good import renewed
from pipeline.ports.progress import EventKind


def keep_good(bench: Workbench, step: KeepGood) -> Outcome:
    """Protect the images; where that cannot be done the fleet stays where it has arrived.

    Raises:
        StepFailed: the image is gone, a right is missing, or the ledger cannot be read.
    """
    try:
        return _kept(bench, step)
    except (AccessDenied, NotPossible) as error:
        raise StepFailed(
            f"{step.fleet} is on {bench.made.image(step.image)}, but its way back is not protected: {error.message}",
            hint=error.hint,
        ) from error


def _kept(bench: Workbench, step: KeepGood) -> Outcome:
    """Protect what is needed, release what no fleet needs, and then write the fleet's ledger.

    In that order a kill leaves nothing unprotected, and the next run does the rest, for the ledger is what it was.
    Another fleet's run may have come to need meanwhile what was released here: so it is looked at again at the end.
    """
    tools, image = bench.tools, bench.made.image(step.image)
    before = tools.ledgers.of(step.fleet)
    listed = {one.image for one in before}
    images = tools.images.get(sorted({image, *listed, *filter(None, [step.before])}))
    if image not in images:
        raise StepFailed(
            f"{step.fleet} is on {image}, which does not exist any more: it can launch no instance from it.",
            hint=f"bake another and roll to it, or go back: rebake rollback {step.fleet}",
        )
    for gone in sorted(listed - images.keys()):
        text = f"{gone}, an image that the fleet may have had to go back to, does not exist any more"
        bench.say(step.fleet, text, kind=EventKind.WARNING)
    # What is gone, rejected or revoked is no way back, and proves nothing past.
    good = {id_ for id_, found in images.items() if id_ == image or not found.barred}
    ledger = renewed(
        tuple(one for one in before if one.image in good),
        image,
        before=step.before if step.before in good else None,
        now=tools.clock.now(),
        keep=step.keep,
    )
    wanted = {one.image for one in ledger}
    _protect(bench, step.fleet, {id_: images[id_] for id_ in wanted})
    released = listed - wanted - _needed(bench, besides=step.fleet)
    for id_ in sorted(released & images.keys()):
        if images[id_].good:
            tools.images.release(images[id_])
    if ledger != before:
        tools.ledgers.write(step.fleet, ledger)
    needed = (wanted | released) & (wanted | _needed(bench, besides=step.fleet))
    _protect(bench, step.fleet, tools.images.get(sorted(needed)))
    return Done(facts={"image": image, "protected": " ".join(one.image for one in ledger)})


def _needed(bench: Workbench, *, besides: str) -> set[ImageId]:
    ledgers = bench.tools.ledgers.all()
    return {one.image for fleet, ledger in ledgers.items() if fleet != besides for one in ledger}


def _protect(bench: Workbench, fleet: str, images: Mapping[ImageId, Image]) -> None:
    """Protect images of ours; what somebody else has made, or protects, is his."""
    for image in images.values():
        if not image.protected and image.family:
            bench.tools.images.protect(image, f"way back of {fleet} and others, by run {bench.run}")
