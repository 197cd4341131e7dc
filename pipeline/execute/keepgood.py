"""The KeepGood step: the images that a fleet may have to go back to cannot be deregistered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
        StepFailed: a right is missing, or the ledger cannot be read.
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
    ledger = renewed(before, image, before=step.before, now=tools.clock.now(), keep=step.keep)
    wanted, listed = {one.image for one in ledger}, {one.image for one in before}
    images = tools.images.get(sorted(wanted | listed))
    _protect(bench, step.fleet, wanted, images)
    released = listed - wanted - _needed(bench, besides=step.fleet)
    for gone in sorted(released & images.keys()):
        if images[gone].good:
            tools.images.release(images[gone])
    if ledger != before:
        tools.ledgers.write(step.fleet, ledger)
    needed = (wanted | released) & (wanted | _needed(bench, besides=step.fleet))
    _protect(bench, step.fleet, needed, tools.images.get(sorted(needed)))
    return Done(facts={"image": image, "protected": " ".join(one.image for one in ledger)})


def _needed(bench: Workbench, *, besides: str) -> set[ImageId]:
    ledgers = bench.tools.ledgers.all()
    return {one.image for fleet, ledger in ledgers.items() if fleet != besides for one in ledger}


def _protect(bench: Workbench, fleet: str, wanted: Iterable[ImageId], images: Mapping[ImageId, Image]) -> None:
    """Protect images of this account; what somebody else protects or owns is his, and what is gone is told."""
    owners = {image.owner for image in images.values() if image.family}
    for id_ in sorted(wanted):
        image = images.get(id_)
        if image is None:
            text = f"{id_}, an image that the fleet may have to go back to, does not exist any more"
            bench.say(fleet, text, kind=EventKind.WARNING)
        elif not image.protected and image.owner in owners:
            bench.tools.images.protect(image, f"way back of {fleet} and others, by run {bench.run}")
