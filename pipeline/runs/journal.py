"""Reading journals: the newest runs, and everything about one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.model.ids import RunId
from pipeline.ports.journal import BEGUN, ENDED, SCHEMA, Journals
from pipeline.runs.room import require_known
from pipeline.runs.signals import is_run


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


def newest(places: Iterable[Journals], limit: int) -> tuple[PastRun, ...]:
    """List the newest runs of the first place that has any."""
    for place in places:
        if found := place.runs()[:limit]:
            return tuple(_past(run, read(place.lines(run, ends=True))) for run in found)
    return ()


def told(places: Iterable[Journals], run: str) -> tuple[Record, ...]:
    """Fetch the records of a run from the first place that has it.

    Raises:
        UsageError: none has; the nearest ids are in the hint.
    """
    known: list[str] = []
    for place in places:
        if is_run(run) and (lines := place.lines(RunId(run))):
            return read(lines)
        known += place.runs()
    require_known("run", run, known)
    return ()


def read(lines: Iterable[str]) -> tuple[Record, ...]:
    """Read records; a line that was torn, or is of another kind or time, is left out."""
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
