"""When fleets may be rolled: maintenance windows, change calendars, freezes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from pipeline.model.schedules import Schedule

WindowId = NewType("WindowId", str)
"""The id of a maintenance window of Systems Manager: ``mw-…``."""


class OnOverrun(StrEnum):
    """What becomes of a fleet that is half way when its window is over."""

    FINISH = "finish"
    """It goes on to its end, as Systems Manager's own tasks do."""
    PAUSE = "pause"
    """It goes on in the next window from where it is."""
    ROLL_BACK = "roll-back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A maintenance window: open for ``duration`` from each moment of its schedule, ``offset`` days later.

    Nothing begins in the last ``cutoff`` of it. ``start`` and ``end`` bound the time in which it opens at all; a rate
    counts from ``start``. ``timezone`` is a name of IANA's. Of a window of Systems Manager, ``id`` is its own,
    ``enabled`` whether it opens, and ``announced`` when AWS said at ``seen`` that it opens next.
    """

    schedule: Schedule
    duration: timedelta
    cutoff: timedelta = timedelta()
    timezone: str = "UTC"
    offset: int = 0
    start: datetime | None = None
    end: datetime | None = None
    id: WindowId | None = None
    enabled: bool = True
    seen: datetime | None = None
    announced: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A window once: nothing begins from ``cutoff`` on, and it is over at ``closes``. UTC."""

    opens: datetime
    cutoff: datetime
    closes: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """A time in which nothing is rolled, and why; ``end`` is the first moment after it. UTC."""

    name: str
    start: datetime
    end: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarState:
    """What change calendars say together; ``until`` is when that changes, None: not in sight."""

    open: bool
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When a patch group's fleets may be rolled: in its window, while its calendars are open and no freeze is on.

    ``window`` None: at any time.
    """

    window: Window | WindowId | None = None
    calendars: tuple[str, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    on_overrun: OnOverrun = OnOverrun.FINISH

    @property
    def bounded(self) -> bool:
        """Whether there is any time at which they may not be."""
        return bool(self.window or self.calendars or self.freezes)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRule:
    """How a run meets a closed window: it waits, or leaves the fleet to a later run.

    ``override`` is the reason why it goes on all the same; empty: it does not.
    """

    wait: bool = True
    override: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether fleets of a patch group may be rolled at a moment: ``open``, and whether any may still ``begin``.

    ``why`` says what is in the way. ``start`` is when one may begin, as far as can be told; None: that is not in sight.
    ``zone`` is the time zone in which people there think.
    """

    open: bool = True
    begin: bool = True
    why: str = ""
    start: datetime | None = None
    zone: str = "UTC"
