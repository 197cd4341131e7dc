"""Which images stay protected as ways back of a fleet, and when that is written down."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from pipeline.model.good import Good, KeepGood, Ledger
from pipeline.model.ids import ImageId
from pipeline.model.names import template_origin
from pipeline.model.refs import ImageRef
from pipeline.model.steps import Plan
from pipeline.model.views import FleetView
from pipeline.planning.fleets import planned, stale_members

_MOST = 80
"""A parameter holds 4 KiB: beside the newest ones and the last, which is the proven one, older ones are released."""


def renewed(ledger: Ledger, image: ImageId, *, before: ImageId | None, now: datetime, keep: timedelta) -> Ledger:
    """Write down that a fleet has come to an image, and leave out what no way back needs any more.

    An image that it has been on already is one that it was brought back to: what came in between was not good. What
    it left by going forward stays good. The newest image that has been good for ``keep`` is the last one.
    """
    known = next((index for index, one in enumerate(ledger) if one.image == image), None)
    if known is not None:
        entries = ledger[known:]
    else:
        first = (Good(image=before, since=now),) if before is not None and not ledger else ledger
        entries = (Good(image=image, since=now), *first)
    proven = next((index for index, one in enumerate(entries) if now - one.since >= keep), len(entries))
    entries = entries[: proven + 1]
    return entries if len(entries) <= _MOST else (*entries[: _MOST - 1], entries[-1])


def recorded(view: FleetView, plan: Plan, image: ImageRef) -> Plan:
    """Let a plan that brings a fleet to an image end with writing that down; one that has arrived may owe just that."""
    keep, newest = view.settings.keep_good, view.good[0].image if view.good else None
    if not keep or newest == image or not (plan.steps or _unrecorded(view, image)):
        return plan
    step = KeepGood(fleet=view.name, image=image, before=_before(view, image), keep=keep)
    why = f"it and the image before stay until a newer one has been good for {_days(keep)}"
    return replace(plan, steps=(*plan.steps, *planned(view, (step, why))))


def _unrecorded(view: FleetView, image: ImageRef) -> bool:
    """Tell whether a fleet has come to the image by a run that was killed before it could write that down."""
    version = view.version
    if view.active is not None or stale_members(view, str(image)) or (version and version.image != image):
        return False
    return bool(view.good) or (version is not None and template_origin(version.description) is not None)


def _before(view: FleetView, image: ImageRef) -> ImageId | None:
    version = view.version
    if version is not None and version.image == image:
        origin = template_origin(version.description)
        version = next((one for one in view.versions if origin and one.number == origin[2]), None)
    return ImageId(version.image) if version is not None and version.image.startswith("ami-") else None


def _days(span: timedelta) -> str:
    return f"{span.days} days" if span >= timedelta(days=2) else f"{span // timedelta(hours=1)} h"
