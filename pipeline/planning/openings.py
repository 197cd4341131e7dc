"""When a maintenance window is open: pure functions of the window and the time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby, takewhile
from zoneinfo import ZoneInfo

from pipeline.model.schedules import Cron, Once, Rate
from pipeline.model.windows import Freeze, Opening, Window

_DAY = timedelta(days=1)


def next_openings(window: Window, after: datetime) -> Iterator[Opening]:
    """Yield the openings that are not over at a time, in their order; the first may have begun.

    A wall-clock time that the clock leaves out comes as much later as it is turned forward, and one that it passes
    twice counts the first time, as RFC 5545 has it.
    """
    if not window.enabled:
        return
    for opens in _moments(window, after.astimezone(UTC) - window.duration):
        if window.end is not None and opens >= window.end:
            return
        closes = opens + window.duration if window.end is None else min(opens + window.duration, window.end)
        if closes > after:
            yield Opening(opens=opens, cutoff=opens + window.duration - window.cutoff, closes=closes)


def opening_at(window: Window, now: datetime) -> Opening | None:
    """Find the opening at a time, of several the last to begin; None: the window is closed."""
    begun = takewhile(lambda opening: opening.opens <= now, next_openings(window, now))
    return max(begun, key=lambda opening: opening.opens, default=None)


def next_start(window: Window | None, freezes: Sequence[Freeze], after: datetime) -> datetime | None:
    """Find the first moment, now or later, at which something may begin; None: there is none."""
    if window is None:
        return _thawed(after, freezes)
    last = max((freeze.end for freeze in freezes), default=after)
    for opening in next_openings(window, after):
        start = _thawed(max(opening.opens, after), freezes)
        if start < opening.cutoff and start < opening.closes:
            return start
        if opening.opens > last + _DAY + window.duration:
            return None  # a cutoff that leaves nothing of the duration
    return None


def frozen(freezes: Iterable[Freeze], now: datetime) -> Freeze | None:
    """Find the freeze that is on; of several the longest to come."""
    on = [freeze for freeze in freezes if freeze.start <= now < freeze.end]
    return max(on, key=lambda freeze: freeze.end, default=None)


def _thawed(at: datetime, freezes: Sequence[Freeze]) -> datetime:
    while (freeze := frozen(freezes, at)) is not None:
        at = freeze.end
    return at


def _moments(window: Window, after: datetime) -> Iterator[datetime]:
    """Yield the instants from ``after`` on at which the window opens, each once, in their order."""
    earliest = max(after, window.start) if window.start is not None else after
    last: datetime | None = None
    for at in _as_announced(window, _instants(window, earliest)):
        if at >= earliest and (last is None or at > last):
            last = at
            yield at


def _instants(window: Window, after: datetime) -> Iterator[datetime]:
    """Yield what the schedule says, from a little before ``after`` on."""
    zone = ZoneInfo(window.timezone)
    match window.schedule:
        case Rate(every=every):
            anchor = window.announced or window.start or after
            at = anchor - ((anchor - after) // every) * every
            while True:
                yield at
                at += every
        case Once(at=moment):
            yield _instant(moment, zone)
        case Cron() as cron:
            later = timedelta(days=window.offset)
            moments = cron.moments((after.astimezone(zone) - later).date() - _DAY)
            for _, same_day in groupby(moments, key=datetime.date):
                yield from sorted(_instant(moment + later, zone) for moment in same_day)


def _as_announced(window: Window, moments: Iterator[datetime]) -> Iterator[datetime]:
    """Put what AWS itself has said of the next opening above what follows from the schedule."""
    seen, announced = window.seen, window.announced
    for at in moments:
        if seen is not None and announced is not None and at > seen:
            yield announced
            seen = None
        if announced is None or seen is not None or at > announced:
            yield at
    if seen is not None and announced is not None:
        yield announced


def _instant(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.replace(tzinfo=zone).astimezone(UTC)
