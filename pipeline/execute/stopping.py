"""What stops a running rollout from outside: the andon cord, and an image that is revoked."""

from __future__ import annotations

from datetime import timedelta

from pipeline.errors import Unavailable
from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import PACE
from pipeline.model.ids import ImageId
from pipeline.model.names import andon_path
from pipeline.model.outcomes import Halted, Refused
from pipeline.planning.halts import halted

_BLIND = timedelta(minutes=5)
"""How long a rollout goes on by what it saw when AWS could last be asked."""


def called_off(bench: Workbench, fleet: str, image: ImageId | None) -> Halted | Refused | None:
    """Say why a fleet is not to be brought to an image any more: it is halted, or the image was revoked.

    AWS is asked once for all fleets, at the pace of the waits.

    Raises:
        Unavailable: AWS has not answered for minutes, so that nobody could stop this run.
    """
    _look(bench, () if image is None else (image,))
    if (why := halted(bench.settings.fleets[fleet], bench.made.cords)) is not None:
        return Halted(reason=f"{fleet} is {why}")
    if image is not None and (barred := bench.made.barred[image]):
        return Refused(reason=f"{image} was {barred}", hint=f"see what there is instead: rebake history {fleet}")
    return None


def _look(bench: Workbench, images: tuple[ImageId, ...]) -> None:
    made, now = bench.made, bench.tools.clock.now()
    known = made.barred.keys() >= set(images)
    if known and made.looked is not None and now - made.looked < PACE:
        return
    try:
        wanted = sorted({*made.barred, *images})
        found = bench.tools.images.get(wanted) if wanted else {}
        made.cords = dict(bench.tools.signals.under(andon_path(bench.settings.channel_prefix)))
        made.barred = {image: found[image].barred if image in found else "" for image in wanted}
        made.looked = now
    except Unavailable:
        if not known or made.looked is None or now - made.looked >= _BLIND:
            raise
