"""Reading schedules as Systems Manager writes them: ``cron(…)``, ``rate(…)``, ``at(…)``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pipeline.model.schedules import LAST, Cron, Once, Rate, Schedule

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_MOST = timedelta(days=366)
_WHOLE = 6
_WITH_SECONDS = 7


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a cron expression: what it is called, its numbers, names for them, whether a range may wrap."""

    what: str
    numbers: range
    names: tuple[str, ...] = ()
    wraps: bool = True

    def values(self, text: str) -> frozenset[int]:
        """Read lists, ranges and steps."""
        return frozenset(value for part in text.split(",") for value in self._part(part))

    def number(self, text: str) -> int:
        """Read one number or name."""
        if text in self.names:
            return self.names.index(text) + self.numbers.start
        if not re.fullmatch(r"\d{1,4}", text, re.ASCII) or int(text) not in self.numbers:
            named = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
            raise ValueError(
                f"its {self.what} {text!r} is not between {self.numbers.start} and {self.numbers[-1]}{named}"
            )
        return int(text)

    def _part(self, text: str) -> Sequence[int]:
        bounds, slash, step = text.partition("/")
        if slash and not re.fullmatch(r"[1-9]\d{0,3}", step, re.ASCII):
            raise ValueError(f"its {self.what} {text!r} steps by {step!r}, which is no number")
        return self._range(bounds, open_ended=bool(slash))[:: int(step or 1)]

    def _range(self, text: str, *, open_ended: bool) -> Sequence[int]:
        if text == "*":
            return self.numbers
        first, dash, last = text.partition("-")
        start = self.number(first)
        if not dash:
            return range(start, self.numbers.stop) if open_ended else (start,)
        end = self.number(last)
        if start <= end:
            return range(start, end + 1)
        if not self.wraps:
            raise ValueError(f"its {self.what} {text!r} ends before it begins")
        return (*range(start, self.numbers.stop), *range(self.numbers.start, end + 1))


_SECOND = _Field("second", range(60))
_MINUTE = _Field("minute", range(60))
_HOUR = _Field("hour", range(24))
_DAY = _Field("day of the month", range(1, 32))
_MONTH = _Field("month", range(1, 13), _MONTHS)
_WEEKDAY = _Field("day of the week", range(1, 8), _WEEKDAYS)
_YEAR = _Field("year", range(1970, 2200), wraps=False)
_NTH = range(1, 6)


def parse_schedule(text: str) -> Schedule:
    """Read a schedule.

    Raises:
        ValueError: it is none, or one that never comes; the message says what is wrong.
    """
    try:
        return _read(text.strip())
    except ValueError as error:
        raise ValueError(f"{text!r} is no schedule of Systems Manager's: {error}") from None


def _read(text: str) -> Schedule:
    match = re.fullmatch(r"(cron|rate|at)\(([^()]*)\)", text)
    if match is None:
        raise ValueError("it is neither cron(…) nor rate(…) nor at(…)")
    kind, inside = match.groups()
    if kind == "cron":
        return _cron(text, inside.upper().split())
    return _rate(text, inside) if kind == "rate" else _once(text, inside)


def _cron(text: str, fields: Sequence[str]) -> Cron:
    if len(fields) == _WHOLE:
        fields = ("0", *fields)
    if len(fields) != _WITH_SECONDS:
        raise ValueError(f"it has {len(fields)} fields, not minutes, hours, day, month, weekday, year, or seconds too")
    second, minute, hour, day, month, weekday, year = fields
    if "?" not in {day, weekday}:
        raise ValueError("its day of the month or its day of the week must be ?")
    days, near = _days("*" if day == "?" else day)
    weekdays, nth = _weekdays("*" if weekday == "?" else weekday)
    found = Cron(
        text=text,
        seconds=tuple(sorted(_SECOND.values(second))),
        minutes=tuple(sorted(_MINUTE.values(minute))),
        hours=tuple(sorted(_HOUR.values(hour))),
        days=days,
        near=near,
        months=_MONTH.values(month),
        weekdays=weekdays,
        nth=nth,
        years=_YEAR.values(year),
    )
    if next(found.moments(date(_YEAR.numbers.start, 1, 1)), None) is None:
        raise ValueError("it never comes")
    return found


def _days(text: str) -> tuple[frozenset[int], frozenset[int]]:
    """Read days of the month: numbers, and those whose nearest working day is meant."""
    parts = text.split(",")
    near = [part for part in parts if part.endswith("W")]
    plain = [part for part in parts if part not in {"L", *near}]
    days = _DAY.values(",".join(plain)) if plain else frozenset[int]()
    return (
        days | ({LAST} if "L" in parts else set()),
        frozenset(LAST if part == "LW" else _DAY.number(part[:-1]) for part in near),
    )


def _weekdays(text: str) -> tuple[frozenset[int], frozenset[tuple[int, int]]]:
    """Read days of the week: all of a kind, and single ones of a month."""
    nth: set[tuple[int, int]] = set()
    plain: list[str] = []
    for part in text.split(","):
        weekday, hash_, which = part.partition("#")
        if hash_:
            if not which.isdecimal() or int(which) not in _NTH:
                raise ValueError(f"its day of the week {part!r} is not the first to fifth of a month")
            nth.add((_WEEKDAY.number(weekday), int(which)))
        elif part.endswith("L") and part != "L":
            nth.add((_WEEKDAY.number(part[:-1]), LAST))
        else:
            plain.append("SAT" if part == "L" else part)
    return _WEEKDAY.values(",".join(plain)) if plain else frozenset(), frozenset(nth)


def _rate(text: str, inside: str) -> Rate:
    match = re.fullmatch(r"\s*([1-9]\d{0,5})\s+(minute|hour|day)(s?)\s*", inside, re.ASCII)
    if match is None:
        raise ValueError("it is not such as rate(7 days): a number and minutes, hours or days")
    number = int(match[1])
    if (number == 1) == bool(match[3]):
        raise ValueError(f"it is written rate({number} {match[2]}{'' if number == 1 else 's'})")
    every = number * _UNITS[match[2]]
    if every > _MOST:
        raise ValueError("it comes less than once a year")
    return Rate(text=text, every=every)


def _once(text: str, inside: str) -> Once:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", inside, re.ASCII):
        raise ValueError("it is not such as at(2027-01-09T02:00:00)")
    return Once(text=text, at=datetime.fromisoformat(inside))
