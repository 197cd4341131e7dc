"""When something recurs: by a cron expression, at a rate, or once; a value each, in the terms of Systems Manager.

Moments of a cron expression and of a single one are wall-clock times, without a zone: which instant one is, the zone
says that the schedule is read in.
"""

from __future__ import annotations

from calendar import SATURDAY, SUNDAY, monthrange
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import product

LAST = 0
"""The last day of a month, and the last weekday of its kind in one."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """A cron expression: a moment is one that matches every field.

    A day matches by its number in ``days``, or as the working day nearest to a number in ``near``; `LAST` stands for
    the last one there. Weekdays count from 1, Sunday. ``nth`` holds pairs of a weekday and which of the month it is.
    """

    text: str
    seconds: tuple[int, ...] = field(repr=False)
    minutes: tuple[int, ...] = field(repr=False)
    hours: tuple[int, ...] = field(repr=False)
    days: frozenset[int] = field(repr=False)
    near: frozenset[int] = field(repr=False)
    months: frozenset[int] = field(repr=False)
    weekdays: frozenset[int] = field(repr=False)
    nth: frozenset[tuple[int, int]] = field(repr=False)
    years: frozenset[int] = field(repr=False)

    def __str__(self) -> str:
        return self.text

    def moments(self, after: date) -> Iterator[datetime]:
        """Yield all moments from the beginning of a day on."""
        times = [time(*parts) for parts in product(self.hours, self.minutes, self.seconds)]
        for year in sorted(year for year in self.years if year >= after.year):
            day = max(after, date(year, 1, 1))
            while day.year == year:
                if self.matches(day):
                    yield from (datetime.combine(day, at) for at in times)
                day += _DAY

    def matches(self, day: date) -> bool:
        """Tell whether there are moments on a day."""
        if day.month not in self.months or day.year not in self.years:
            return False
        last = monthrange(day.year, day.month)[1]
        weekday, number = day.isoweekday() % 7 + 1, (day.day + 6) // 7
        return (
            day.day in self.days
            or (LAST in self.days and day.day == last)
            or any(day.day == _working_day(day, wanted or last, last) for wanted in self.near if wanted <= last)
        ) and (
            weekday in self.weekdays
            or (weekday, number) in self.nth
            or ((weekday, LAST) in self.nth and day.day + 7 > last)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Again and again after the same time, whatever clocks are turned to meanwhile."""

    text: str
    every: timedelta

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """A single moment."""

    text: str
    at: datetime

    def __str__(self) -> str:
        return self.text


Schedule = Cron | Rate | Once


def _working_day(day: date, wanted: int, last: int) -> int:
    """Find the day from Monday to Friday that is nearest to a day of a month, in that month."""
    weekday = day.replace(day=wanted).weekday()
    if weekday == SATURDAY:
        return wanted - 1 if wanted > 1 else wanted + 2
    if weekday == SUNDAY:
        return wanted + 1 if wanted < last else wanted - 2
    return wanted
