"""Journals as text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.cli.complaint import show_error
from pipeline.cli.output import WORDS, table
from pipeline.errors import ExitCode, RebakeError
from pipeline.execute.waiting import describe
from pipeline.ports.journal import BEGUN, ENDED
from pipeline.runs.journal import PastRun, Record

_UNFINISHED = "no end recorded"
_WORDS = {kind.__name__: word for kind, word in WORDS.items()}


def warn(error: RebakeError) -> None:
    """Tell of a place that cannot be read; the others are."""
    show_error(error, as_json=False)


def runs(past: Sequence[PastRun]) -> str:
    """Write a line a run, newest first: when, id, who, verb, targets, how it ended."""
    rows = []
    for one in past:
        data = one.begun.data if one.begun else {}
        when = _moment(one.begun.at) if one.begun else "?"
        targets = _clean(", ".join(data.get("targets", ())))
        rows.append((f"  {when}", one.run, _who(data), _clean(data.get("verb", "?")), targets, _ended(one.ended)))
    return f"Runs:\n{table(rows)}"


def run(records: Sequence[Record]) -> str:
    """Write one run: its head, its plan, how its steps ended, its events."""
    begun = next((record for record in records if record.kind == BEGUN), None)
    ended = next((record for record in records if record.kind == ENDED), None)
    data = begun.data if begun else {}
    between = [record for record in records if record.kind not in {BEGUN, ENDED}]
    parts = [
        table(_head(begun, ended)) if begun else "Its beginning cannot be read.",
        *_titled("Plan", [(row["target"], _word(row["step"]["kind"]), row["why"]) for row in _planned(data)]),
        *_titled("Fleets", list((ended.data.get("fleets") or {}).items()) if ended else []),
        *_titled("Steps", [_step(record) for record in between if "outcome" in record.data]),
        *_titled("Events", [(_time(one.at), one.kind, one.target, one.text) for one in between]),
    ]
    return "\n".join(parts)


def _head(begun: Record, ended: Record | None) -> list[tuple[str, str]]:
    data = begun.data
    caller = data.get("caller", {})
    took = f", {describe(ended.at - begun.at)}" if ended else ""
    rows = [
        ("run", begun.run),
        ("command", begun.text),
        ("when", f"{_moment(begun.at)} UTC{took}"),
        ("who", caller.get("arn") or f"unknown: {caller.get('fault', '')}"),
        ("from", f"{data.get('user')}@{data.get('host')}"),
        ("where", f"account {caller.get('account') or 'unknown'}, {data.get('region')}"),
        ("with", f"Rebake {data.get('version')}, configuration {data.get('configuration', '')[:12]}"),
        ("ended", _ended(ended)),
    ]
    return [(name, _clean(value)) for name, value in [*rows, *([("why", ended.text)] if ended and ended.text else [])]]


def _titled(title: str, rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [[f"  {_clean(row[0])}", *map(_clean, row[1:])] for row in rows]
    return [f"\n{title}:", table(cells)] if rows else []


def _planned(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    plan = data.get("plan") or {}
    lanes = [lane for wave in plan.get("waves", ()) for lane in wave["lanes"]]
    return [*plan.get("steps", ()), *(step for lane in lanes for step in lane["steps"])]


def _step(record: Record) -> tuple[str, str, str, str, str]:
    data = record.data
    took = describe(timedelta(seconds=data["seconds"]))
    hint = f" -> {data['hint']}" if data.get("hint") else ""
    return record.target, _word(data["step"]), data["outcome"], took, record.text.partition(": ")[2] + hint


def _word(kind: str) -> str:
    return _WORDS.get(kind, kind)


def _who(data: Mapping[str, Any]) -> str:
    return _clean(data.get("caller", {}).get("arn", "").rpartition(":")[2] or "?")


def _ended(record: Record | None) -> str:
    if record is None:
        return _UNFINISHED
    code = record.data.get("exit_code")
    name = next((known.name.lower().replace("_", " ") for known in ExitCode if known == code), "?")
    return f"{name} ({code})"


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%H:%M:%S}"


def _clean(text: str) -> str:
    """Keep what others have written from steering the terminal."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text)
