"""Reading journals: the newest runs, and everything about one."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from pipeline.errors import RebakeError, UsageError
from pipeline.model.ids import RunId
from pipeline.model.names import run_began
from pipeline.model.settings import Settings
from pipeline.planning.halts import scopes_of
from pipeline.ports.journal import BEGUN, ENDED, SCHEMA, Journals

Warn = Callable[[RebakeError], None]
"""Told of a place that cannot be read while another one can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A line of a journal."""

    at: datetime
    run: str
    seq: int
    kind: str
    target: str
    text: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """A run by its first record and its last; without the latter it was killed, or is under way."""

    run: RunId
    begun: Record | None
    ended: Record | None

    def concerns(self, names: Collection[str]) -> bool:
        """Tell whether it was about one of these, by its targets and its words."""
        data = self.begun.data if self.begun else {}
        return not {*data.get("targets", ()), *data.get("words", ())}.isdisjoint(names)


def names_about(settings: Settings, name: str) -> set[str]:
    """Name all by which runs may speak of a family or a fleet: the one and the other, and the scopes of cords."""
    fleets = [fleet for fleet in settings.fleets.values() if name in {fleet.name, fleet.family}]
    return {name}.union(*((fleet.name, fleet.family, *scopes_of(fleet)) for fleet in fleets))


def newest(places: Sequence[Journals], limit: int, warn: Warn, *, about: Collection[str] = ()) -> tuple[PastRun, ...]:
    """List the newest runs of all places; with ``about`` those that concern one of these names."""
    holders: dict[RunId, list[Journals]] = {}
    for place in places:
        try:
            for run in place.runs():
                holders.setdefault(run, []).append(place)
        except RebakeError as error:
            warn(error)
    past = (_past(run, _records(holders[run], run, warn, ends=True)) for run in sorted(holders, reverse=True))
    return tuple(islice((one for one in past if not about or one.concerns(about)), limit))


def told(places: Sequence[Journals], run: str, warn: Warn) -> tuple[Record, ...]:
    """Fetch the records of a run.

    Raises:
        UsageError: no place has it.
        RebakeError: a place cannot be read, and no other has it.
    """
    found = _records(places, RunId(run), warn) if run_began(run) is not None else ()
    if not found:
        raise UsageError(f"No journal here has a run {run}.", hint="`rebake history` lists the runs")
    return found


def _records(places: Sequence[Journals], run: RunId, warn: Warn, *, ends: bool = False) -> tuple[Record, ...]:
    """Read a run where it lies nearest; what is missing there (the disk was full) is looked for in the other places."""
    found: dict[int, Record] = {}
    for place in places:
        try:
            lines = place.lines(run, ends=ends)
        except RebakeError as error:
            if not found:
                raise
            warn(error)
            continue
        found = {record.seq: record for record in read(lines)} | found
        last = found[max(found)] if found else None
        if last and last.kind == ENDED and (ends or last.seq == len(found)):
            break
    return tuple(found[seq] for seq in sorted(found))


def read(lines: Iterable[str]) -> tuple[Record, ...]:
    """Read records; a line that was torn, or is of another schema, is left out."""
    return tuple(record for line in lines if (record := _record(line)) is not None)


def _record(line: str) -> Record | None:
    try:
        found = json.loads(line)
        words = {key: str(found[key]) for key in ("run", "kind", "target", "text")}
        at, data = datetime.fromisoformat(found["at"]), dict(found["data"])
        known = found["schema"] == SCHEMA and at.tzinfo is not None
        return Record(at=at, seq=int(found["seq"]), data=data, **words) if known else None
    except (ValueError, KeyError, TypeError):
        return None


def _past(run: RunId, ends: tuple[Record, ...]) -> PastRun:
    by_kind = {record.kind: record for record in ends}
    return PastRun(run=run, begun=by_kind.get(BEGUN), ended=by_kind.get(ENDED))
