"""``rebake sla`` as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pipeline.cli.output import table
from pipeline.errors import ExitCode
from pipeline.planning.sla import FixClock, FixReport, Stands

_CLOSED = 20
"""So many of those that are over are shown; JSON has them all."""


def text(report: FixReport) -> str:
    """Write the headline, what is open, what is over, and what is unknown."""
    over = [one for one in report.clocks if not one.open]
    titled: list[tuple[str, Sequence[Sequence[str]]]] = [
        ("Open:", [_open(one, report.at) for one in report.clocks if one.open]),
        ("Closed:", [_closed(one) for one in over[:_CLOSED]]),
        ("Unknown:", [(f"  {what}", why) for what, why in report.unknown.items()]),
    ]
    more = [f"  and {len(over) - _CLOSED} more"] if len(over) > _CLOSED else []
    parts = [headline(report), *(f"{title}\n{table(rows)}" for title, rows in titled if rows), *more]
    return "\n\n".join(parts)


def exit_code(report: FixReport) -> ExitCode:
    """Choose it: somebody is late; else not all is known; else neither."""
    if report.late:
        return ExitCode.CHANGES
    doubt = report.unknown or any(part.stands is Stands.UNKNOWN for one in report.clocks for part in one.fleets)
    return ExitCode.PARTIAL if doubt else ExitCode.DONE


def headline(report: FixReport) -> str:
    """Write the time from a fix to every fleet, and how many vulnerabilities are open or late."""
    kept = sum(one.due is not None for one in report.clocks)
    if report.longest is None:
        head = "From a fix to every fleet: nothing with a time to keep is known."
    else:
        running = any(one.open and one.cve == report.longest_of for one in report.clocks)
        usual = f", {span(report.usual)} in the middle" if report.usual is not None else ""
        still = ", and it still runs" if running else ""
        head = f"From a fix to every fleet: {span(report.longest)} at the longest ({report.longest_of}{still}){usual}."
    late, open_ = len(report.late), sum(one.open for one in report.clocks)
    return f"{head}\n{kept} with a time to keep; {open_} open, {late} late; {report.unfixed} in use without a fix."


def _open(one: FixClock, now: datetime) -> tuple[str, str, str, str, str]:
    due = "no time to keep"
    if one.due is not None:
        left = one.due - now
        due = f"due {_day(one.due)}, " + (f"LATE by {span(-left)}" if one.late else f"{span(left)} left")
    behind = ", ".join(f"{part.fleet}{' (unknown)' if part.stands is Stands.UNKNOWN else ''}" for part in one.behind)
    return f"  {one.cve}", one.severity, f"{one.basis} {_day(one.since)}", due, behind


def _closed(one: FixClock) -> tuple[str, str, str, str]:
    took = "when is not known" if one.elapsed is None else f"{span(one.elapsed)}{', LATE' if one.late else ''}"
    return f"  {one.cve}", one.severity, f"{one.basis} {_day(one.since)}", took


def span(duration: timedelta) -> str:
    """Write a duration in days and hours, or in minutes when it is shorter than an hour."""
    hours = int(duration.total_seconds() // 3600)
    if not hours:
        return f"{int(duration.total_seconds() // 60)}m"
    parts = [f"{hours // 24}d" if hours >= 24 else "", f"{hours % 24}h" if hours % 24 else ""]  # noqa: PLR2004 - a day
    return " ".join(part for part in parts if part)


def _day(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d}"
