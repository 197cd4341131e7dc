"""How soon fixes come to every fleet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pipeline.errors import AccessDenied, NotPossible, RefusedError
from pipeline.model.ids import ImageId
from pipeline.model.images import Stage
from pipeline.model.views import FleetView
from pipeline.observe.findings import observe_findings
from pipeline.planning.sla import FixReport, plan_sla
from pipeline.runs.room import Room, require_known

_PAST = 10
"""So many tested images of a family are asked about: what an older one had is no longer news."""


def sla(room: Room, names: Sequence[str] = ()) -> FixReport:
    """Reckon the clocks of all families, or of those that are named, from what AWS shows now.

    Raises:
        UsageError: the configuration has no such family.
    """
    for name in names:
        require_known("family", name, room.settings.families)
    images: list[ImageId] = []
    fleets: list[FleetView] = []
    absent: dict[str, str] = {}
    published: dict[str, datetime] = {}
    for family in names or sorted(room.settings.families):
        tested = [
            one for one in room.tools.images.baked(family=family) if one.usable and one.stage is not Stage.CANDIDATE
        ]
        images += [one.id for one in tested[:_PAST]]
        for source in {one.source_image for one in tested if one.source_image}:
            _note_published(room, source, published)
        for fleet in room.fleets_of(family):
            try:
                fleets.append(room.fleet(fleet, copyable=False))
            except (AccessDenied, NotPossible, RefusedError) as error:
                absent[fleet] = error.whole
    now = room.tools.clock.now()
    return plan_sla(
        fleets,
        observe_findings(room.tools.findings, fleets, images, now=now, closed=True),
        now,
        times=room.settings.sla,
        published=published,
        absent=absent,
    )


def _note_published(room: Room, source: ImageId, published: dict[str, datetime]) -> None:
    """Note since when a survey's updates are published that name a vulnerability: the first that cures it counts."""
    survey = room.tools.evidence.survey(source)
    for patch in survey.patches if survey else ():
        for cve in patch.cves:
            if patch.released is not None:
                published[cve] = min(patch.released, published.get(cve, patch.released))
