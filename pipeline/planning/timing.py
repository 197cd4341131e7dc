"""Whether a patch group's fleets may be rolled now, and when they may next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import assert_never
from zoneinfo import ZoneInfo

from pipeline.model.rollouts import AwaitRefresh, AwaitTargetsHealthy, HoldZones, ShiftTraffic, Soak, StartRefresh
from pipeline.model.steps import Step
from pipeline.model.windows import CalendarState, Freeze, OnOverrun, Standing, Timing, Window
from pipeline.planning.openings import frozen, next_start, opening_at

_ALL = 100


def standing(timing: Timing, window: Window | None, calendar: CalendarState, now: datetime) -> Standing:
    """Judge a moment; ``window`` is the group's own, read from Systems Manager where it stands there."""
    zone = window.timezone if window else "UTC"
    opening = opening_at(window, now) if window else None
    earliest = now if calendar.open else calendar.until
    start = None if earliest is None else next_start(window, timing.freezes, earliest)
    closed = Standing(open=False, begin=False, start=start, zone=zone)
    if (freeze := frozen(timing.freezes, now)) is not None:
        return replace(closed, why=freeze_text(freeze, zone))
    if not calendar.open:
        return replace(closed, why=calendar_text(calendar, zone))
    if window is not None and opening is None:
        return replace(closed, why="window closed" if window.enabled else f"window {window.id} is disabled")
    if opening is not None and now >= opening.cutoff:
        return replace(closed, open=True, why=f"past the window's cutoff at {clock_text(opening.cutoff, zone)}")
    return Standing(start=now, zone=zone)


def leaves_off(how: OnOverrun, step: Step, *, before: bool) -> bool:
    """Tell whether a fleet that is half way is stopped before a step, or in it, when its window is over.

    To pause, an instance refresh is left off anywhere: AWS brings the instances in transition to their end. Traffic is
    left where the last shift has brought it. Nothing is left off that has come to its end but for names.
    """
    match how:
        case OnOverrun.FINISH:
            return False
        case OnOverrun.PAUSE:
            return isinstance(step, AwaitRefresh) or (before and isinstance(step, (StartRefresh, ShiftTraffic)))
        case OnOverrun.ROLL_BACK:
            soaking = isinstance(step, Soak) and step.percent < _ALL
            return soaking or isinstance(
                step, (HoldZones, StartRefresh, AwaitRefresh, AwaitTargetsHealthy, ShiftTraffic)
            )
        case _:
            assert_never(how)


def waiting_text(standing: Standing) -> str:
    """Say what is in the way and until when."""
    if standing.start is None:
        return f"{standing.why}; no opening in sight"
    return f"{standing.why}; waits until {clock_text(standing.start, standing.zone)}"


def freeze_text(freeze: Freeze, zone: str = "UTC") -> str:
    """Say which freeze is on, how long, and why."""
    return f"frozen ({freeze.name}) until {clock_text(freeze.end, zone)}: {freeze.reason}"


def calendar_text(calendar: CalendarState, zone: str = "UTC") -> str:
    """Say how long a change calendar is closed."""
    return "change calendar closed" + (f" until {clock_text(calendar.until, zone)}" if calendar.until else "")


def clock_text(at: datetime, zone: str) -> str:
    """Write a time as the clock there shows it, and in UTC where that is another."""
    local, utc = at.astimezone(ZoneInfo(zone)), at.astimezone(UTC)
    text = f"{local:%a %Y-%m-%d %H:%M %Z}"
    return text if local.utcoffset() == utc.utcoffset() else f"{text} ({utc:%a %H:%M} UTC)"
