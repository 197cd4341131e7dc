"""Which families are due for a release."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pipeline.errors import AccessDenied, ExitCode, NotPossible, RebakeError, RefusedError, UsageError
from pipeline.model.images import Image
from pipeline.model.packages import Package
from pipeline.model.steps import Note, Plan
from pipeline.model.views import FamilyImages, FleetView
from pipeline.observe.findings import observe_findings
from pipeline.observe.patches import FRESH
from pipeline.planning.due import FamilyDue, Observed, Reason, Trigger, plan_due, tried
from pipeline.planning.release import merge
from pipeline.runs.plans import for_release
from pipeline.runs.room import Room, require_known

_OWN = (AccessDenied, NotPossible, RefusedError, UsageError)


def due(room: Room, names: Sequence[str] = (), *, survey_within: timedelta | None = None) -> tuple[FamilyDue, ...]:
    """Judge every family, or those that are named; ``survey_within`` as for `Room.family`.

    Raises:
        UsageError: the configuration has no such family.
    """
    for name in names:
        require_known("family", name, room.settings.families)
    now = room.tools.clock.now()
    chosen = names or sorted(room.settings.families)
    return tuple(_judge(room, name, now, survey_within) for name in chosen)


def for_due(
    room: Room,
    names: Sequence[str] = (),
    *,
    supersede: bool = False,
    wait: bool = True,
    survey_within: timedelta | None = None,
    override: str = "",
) -> Plan:
    """Plan the release of those that are due; what is not known of the others is a note, and ends the run with 5."""
    judged = due(room, names, survey_within=survey_within)
    notes = Plan(notes=tuple(note for one in judged for note in _notes(one)))
    wanted = tuple(one.family for one in judged if one.due)
    if not wanted:
        return notes
    released = for_release(
        room,
        wanted,
        supersede=supersede,
        wait=wait,
        survey_within=survey_within,
        override=override,
        because={one.family: one.because for one in judged if one.because},
    )
    return merge((released, notes))


def _notes(one: FamilyDue) -> list[Note]:
    unknown = [
        Note(target=one.family, text=f"unknown: {reason.trigger}: {reason.text}", blocked=ExitCode.PARTIAL)
        for reason in one.unknown
    ]
    return unknown or ([] if one.due else [Note(target=one.family, text="nothing is due")])


def _judge(room: Room, name: str, now: datetime, survey_within: timedelta | None) -> FamilyDue:
    try:
        return plan_due(_observed(room, name, now, survey_within), now)
    except AccessDenied as error:  # not even what was baked may be asked
        return FamilyDue(family=name, unknown=(Reason(trigger=Trigger.FIRST, text=_told(error)),))


def _told(error: RebakeError) -> str:
    """Put it into words that are the same at each look: of what is denied, EC2 encodes the details anew each time."""
    return error.message if isinstance(error, AccessDenied) else error.whole


def _observed(room: Room, name: str, now: datetime, survey_within: timedelta | None) -> Observed:
    fault, source = "", None
    view: FamilyImages
    try:
        view = room.family(name, survey_within=survey_within)
    except _OWN as error:
        view, fault, source = room.images_of(name), _told(error), _source(room, name)
    fleets: list[FleetView] = []
    absent: dict[str, str] = {}
    for fleet in room.fleets_of(name):
        try:
            fleets.append(room.fleet(fleet))
        except _OWN as error:
            absent[fleet] = _told(error)
    newest = tried(view)
    scan = None
    if view.family.findings is not None:
        scan = observe_findings(room.tools.findings, fleets, [newest.id] if newest else [], now=now)
    return Observed(
        images=view,
        fleets=tuple(fleets),
        absent=absent,
        scan=scan,
        installed=_installed(room, view.baked[:1]),
        fresh=FRESH,
        fault=fault,
        source=source,
    )


def _source(room: Room, name: str) -> Image | None:
    try:
        return room.source(name)
    except _OWN:
        return None


def _installed(room: Room, newest: Sequence[Image]) -> tuple[Package, ...] | None:
    try:
        kept = room.tools.evidence.packages(newest[0]) if newest else None
    except (AccessDenied, NotPossible):  # or not what was written: what is installed is not known then
        return None
    return kept.after if kept else None
