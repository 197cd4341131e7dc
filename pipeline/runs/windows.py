"""When fleets may be rolled next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

from pipeline.errors import NotPossible
from pipeline.model.settings import PatchGroup
from pipeline.model.windows import Opening, Standing, Timing, Window
from pipeline.observe.timing import observe_calendars, observe_window
from pipeline.planning.openings import frozen, next_openings
from pipeline.planning.timing import calendar_text, freeze_text, standing
from pipeline.runs.room import Room, require_known


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """An opening in UTC and by the clock of its zone; ``held`` says what is against it when it begins."""

    opening: Opening
    opens: datetime
    closes: datetime
    held: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupWindow:
    """A patch group's window: where it stands, what it is, how it stands now, and when it opens.

    ``fault`` says why that cannot be told; empty: it can.
    """

    group: str
    fleets: tuple[str, ...]
    window: str = ""
    schedule: str = ""
    timezone: str = "UTC"
    on_overrun: str = ""
    standing: Standing | None = None
    openings: tuple[Upcoming, ...] = ()
    fault: str = ""


def openings(room: Room, name: str | None = None, *, count: int) -> tuple[GroupWindow, ...]:
    """Tell the next openings of every patch group, of one, or of a fleet's, in the order of the waves.

    Raises:
        UsageError: the configuration has no such patch group or fleet.
    """
    settings = room.settings
    if name is not None:
        require_known("patch group or fleet", name, {*settings.patch_groups, *settings.fleets})
    found = []
    for group in sorted(settings.patch_groups.values(), key=lambda one: one.wave):
        fleets = tuple(sorted(key for key, fleet in settings.fleets.items() if fleet.patch_group == group.name))
        if name is None or name == group.name or name in fleets:
            found.append(_group(room, group, fleets, count))
    return tuple(found)


def _group(room: Room, group: PatchGroup, fleets: tuple[str, ...], count: int) -> GroupWindow:
    timing = group.timing
    where = timing.window if timing.window is not None and not isinstance(timing.window, Window) else ""
    found = GroupWindow(group=group.name, fleets=fleets, window=where, on_overrun=timing.on_overrun)
    try:
        return _read(room, timing, found, count)
    except NotPossible as error:
        return replace(found, fault=error.whole)


def _read(room: Room, timing: Timing, found: GroupWindow, count: int) -> GroupWindow:
    now, port = room.tools.clock.now(), room.tools.windows
    window = observe_window(timing, port)
    found = replace(found, standing=standing(timing, window, observe_calendars(timing, port, now), now))
    if window is None:
        return found
    upcoming = tuple(_upcoming(room, timing, one, window.timezone) for one in islice(next_openings(window, now), count))
    return replace(found, schedule=str(window.schedule), timezone=window.timezone, openings=upcoming)


def _upcoming(room: Room, timing: Timing, opening: Opening, zone: str) -> Upcoming:
    first = max(opening.opens, room.tools.clock.now())
    calendars = observe_calendars(timing, room.tools.windows, first)
    held = "" if calendars.open else calendar_text(calendars, zone)
    if (freeze := frozen(timing.freezes, first)) is not None:
        held = freeze_text(freeze, zone)
    local = ZoneInfo(zone)
    return Upcoming(
        opening=opening, opens=opening.opens.astimezone(local), closes=opening.closes.astimezone(local), held=held
    )
