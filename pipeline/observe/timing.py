"""Reads what a patch group's window, calendars and freezes say of now."""

from __future__ import annotations

from datetime import datetime

from pipeline.model.windows import CalendarState, Standing, Timing, Window
from pipeline.planning.timing import standing
from pipeline.ports.windows import Windows


def observe_window(timing: Timing, windows: Windows) -> Window | None:
    """Read a group's window, from Systems Manager where it stands there; errors as for the port."""
    return timing.window if isinstance(timing.window, Window | None) else windows.window(timing.window)


def observe_calendars(timing: Timing, windows: Windows, at: datetime) -> CalendarState:
    """Ask a group's change calendars about a moment; without any it is open."""
    return windows.calendars(timing.calendars, at) if timing.calendars else CalendarState(open=True)


def observe_standing(timing: Timing, windows: Windows, now: datetime) -> Standing:
    """Tell whether fleets of a group may be rolled now; errors as for the port."""
    if not timing.bounded:
        return Standing(start=now)
    return standing(timing, observe_window(timing, windows), observe_calendars(timing, windows, now), now)
