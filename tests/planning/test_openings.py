"""When windows are open, against a second implementation of cron and by their own rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.model.windows import Freeze, Opening, Window, WindowId
from pipeline.planning.expressions import parse_schedule
from pipeline.planning.openings import frozen, next_openings, next_start, opening_at

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ZONES = (
    *("UTC", "Europe/London", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Pacific/Chatham"),
    *("Asia/Kolkata", "Africa/Casablanca", "America/Havana", "Asia/Beirut", "America/Nuuk", "Antarctica/Troll"),
)
NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def window(text: str = "cron(0 2 ? * TUE#2 *)", **changes: Any) -> Window:
    """Make a window of four hours."""
    return Window(**{"schedule": parse_schedule(text), "duration": 4 * HOUR} | changes)


def at(text: str) -> datetime:
    """Read a time; in UTC, unless it has an offset."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def opens(of: Window, after: str, count: int = 3) -> list[str]:
    """List when a window opens, in UTC."""
    return [f"{opening.opens:%Y-%m-%dT%H:%M}" for opening in islice(next_openings(of, at(after)), count)]


def numbers(low: int, high: int) -> st.SearchStrategy[str]:
    """Write a field of a cron expression as both implementations read it."""
    one = st.integers(low, high)
    ranges = st.lists(one, min_size=2, max_size=2, unique=True).map(lambda ends: f"{min(ends)}-{max(ends)}")
    lists = st.lists(st.one_of(one.map(str), ranges), min_size=1, max_size=3).map(",".join)
    steps = st.tuples(st.one_of(one.map(str), ranges, st.just("*")), st.integers(1, 12)).map(lambda p: f"{p[0]}/{p[1]}")
    return st.one_of(st.just("*"), lists, steps)


WEEKDAY = st.integers(1, 7)
WEEKDAYS = st.one_of(
    WEEKDAY.map(lambda day: (str(day), str(day - 1))),
    WEEKDAY.map(lambda day: (NAMES[day - 1], NAMES[day - 1])),
    WEEKDAY.map(lambda day: (f"{day}L", f"{day - 1}L")),
    st.tuples(WEEKDAY, st.integers(1, 5)).map(lambda p: (f"{p[0]}#{p[1]}", f"{p[0] - 1}#{p[1]}")),
    st.just(("MON-FRI", "MON-FRI")),
)
"""Days of the week as AWS counts them, from 1, and as cron does, from 0."""
DAYS = st.one_of(
    st.tuples(numbers(1, 31).map(lambda field: (field, field)), st.just(("?", "*"))),
    st.tuples(st.just(("L", "L")), st.just(("?", "*"))),
    st.tuples(st.just(("?", "*")), WEEKDAYS),
)


@st.composite
def expressions(draw: st.DrawFn) -> tuple[str, str]:
    """Write one schedule for both: AWS's expression, and cron's."""
    minute, hour = draw(st.one_of(numbers(0, 59), st.just("30"))), draw(numbers(0, 23))
    (day, their_day), (weekday, their_weekday) = draw(DAYS)
    month = draw(numbers(1, 12)) if day in {"?", "L"} else "*"  # no 31st of June: theirs would search for it
    return f"cron({minute} {hour} {day} {month} {weekday} *)", f"{minute} {hour} {their_day} {month} {their_weekday}"


def instant(moment: datetime, zone: ZoneInfo) -> datetime:
    """Find the first instant at which a zone's clock shows a time; one that it leaves out comes later by the gap."""
    offsets = [zone.utcoffset((moment + side).replace(tzinfo=UTC)) or timedelta() for side in (-DAY, DAY)]
    found = [(moment - offset).replace(tzinfo=UTC) for offset in offsets]
    showing = [one for one in found if one.astimezone(zone).replace(tzinfo=None) == moment]
    return min(showing, default=(moment - offset_before(moment, zone)).replace(tzinfo=UTC))


def offset_before(moment: datetime, zone: ZoneInfo) -> timedelta:
    """Tell what a zone's clock was ahead of UTC a day before."""
    return (moment - DAY).replace(tzinfo=zone).utcoffset() or timedelta()


@given(
    written=expressions(),
    zone=st.sampled_from(ZONES),
    after=st.datetimes(datetime(2020, 1, 1), datetime(2036, 1, 1)),  # noqa: DTZ001 - made aware below
)
@example(written=("cron(30 2 ? * SUN *)", "30 2 * * SUN"), zone="America/New_York", after=datetime(2027, 3, 13))  # noqa: DTZ001 - a wall clock's
@example(written=("cron(30 1 ? * SUN *)", "30 1 * * SUN"), zone="America/New_York", after=datetime(2027, 11, 6))  # noqa: DTZ001 - a wall clock's
@example(written=("cron(0 2 29 2 ? *)", "0 2 29 2 *"), zone="Europe/London", after=datetime(2027, 1, 1))  # noqa: DTZ001 - a wall clock's
@example(written=("cron(15 2 ? * 1L *)", "15 2 * * 0L"), zone="Australia/Lord_Howe", after=datetime(2027, 9, 1))  # noqa: DTZ001 - a wall clock's
def test_cron_agrees_with_a_second_implementation(written: tuple[str, str], zone: str, after: datetime) -> None:
    """Every opening of ours is a moment of theirs, by the clock of the zone, and none is left out."""
    ours, theirs = written
    schedule = parse_schedule(ours)
    clock = ZoneInfo(zone)
    start = after.replace(tzinfo=UTC)
    moments = islice(CronSim(theirs, start.astimezone(clock).replace(tzinfo=None) - 3 * HOUR), 250)
    expected = sorted({one for moment in moments if (one := instant(moment, clock)) > start})[:5]
    found = Window(schedule=schedule, duration=timedelta(minutes=1), timezone=zone)
    got = (opening.opens for opening in next_openings(found, start + timedelta(minutes=1)))
    assert list(islice((one for one in got if one > start), len(expected))) == expected


def test_clocks_that_are_turned() -> None:
    """A time that is left out comes an hour later; one that comes twice opens the first time, and once."""
    spring = window("cron(30 2 ? * * *)", timezone="America/New_York", duration=HOUR)
    assert opens(spring, "2027-03-13T12:00", 2) == ["2027-03-14T07:30", "2027-03-15T06:30"]
    autumn = window("cron(30 1 ? * * *)", timezone="America/New_York", duration=HOUR)
    assert opens(autumn, "2027-11-06T12:00", 2) == ["2027-11-07T05:30", "2027-11-08T06:30"]
    half = window("cron(15 2 ? * * *)", timezone="Australia/Lord_Howe", duration=HOUR)
    assert opens(half, "2027-10-02T00:00+10:30", 2) == ["2027-10-01T15:45", "2027-10-02T15:45"]


def test_moments_that_fall_together_open_once() -> None:
    """At the end of a gap two wall-clock times are one instant, and the order stays."""
    every = window("cron(0/30 2-3 ? * * *)", timezone="America/New_York", duration=timedelta(minutes=15))
    assert opens(every, "2027-03-14T06:00", 3) == ["2027-03-14T07:00", "2027-03-14T07:30", "2027-03-15T06:00"]


def test_what_an_opening_is() -> None:
    """Duration and cutoff count in elapsed hours, also over a night in which clocks are turned."""
    night = window("cron(0 0 ? * SUN *)", timezone="Europe/London", cutoff=HOUR)
    (first,) = islice(next_openings(night, at("2027-03-27T00:00")), 1)
    assert first == Opening(opens=at("2027-03-28T00:00"), cutoff=at("2027-03-28T03:00"), closes=at("2027-03-28T04:00"))


def test_the_offset_counts_days_from_the_cron_expression() -> None:
    """Three days after the second Tuesday, at the same time by the clock, also into the next month."""
    assert opens(window(offset=3), "2026-12-01T00:00", 2) == ["2026-12-11T02:00", "2027-01-15T02:00"]
    assert opens(window("cron(0 2 L * ? *)", offset=1), "2026-12-15T00:00", 1) == ["2027-01-01T02:00"]
    assert opens(window(offset=6), "2026-12-14T05:00", 1) == ["2026-12-14T02:00"]


def test_start_and_end_bound_a_window() -> None:
    """It opens on its schedule between them, and is over at its end whatever its duration."""
    bounded = window("cron(0 2 ? * * *)", start=at("2027-01-02T00:00"), end=at("2027-01-03T04:00"), cutoff=HOUR)
    assert opens(bounded, "2026-12-24T00:00") == ["2027-01-02T02:00", "2027-01-03T02:00"]
    last = opening_at(bounded, at("2027-01-03T03:59"))
    assert last is not None
    assert last.closes == at("2027-01-03T04:00")
    assert opening_at(bounded, at("2027-01-03T04:00")) is None


def test_rates_count_from_their_start_or_from_what_aws_has_said() -> None:
    """In elapsed time; the anchor may lie before or after."""
    weekly = window("rate(7 days)", start=at("2026-11-02T05:00"))
    assert opens(weekly, "2026-12-01T00:00", 2) == ["2026-12-07T05:00", "2026-12-14T05:00"]
    assert opens(weekly, "2026-10-01T00:00", 1) == ["2026-11-02T05:00"]
    said = window("rate(7 days)", seen=at("2026-12-01T00:00"), announced=at("2026-12-05T03:00"))
    assert opens(said, "2026-12-01T00:00", 2) == ["2026-12-05T03:00", "2026-12-12T03:00"]
    assert opening_at(said, at("2026-11-28T04:00")) is not None


def test_a_single_moment_opens_once() -> None:
    """In the time zone of the window."""
    once = window("at(2027-07-07T15:55:00)", timezone="Europe/Berlin")
    assert opens(once, "2027-01-01T00:00") == ["2027-07-07T13:55"]
    assert opens(once, "2027-07-07T18:00") == []


def test_a_disabled_window_never_opens() -> None:
    """Nor does anything begin in it."""
    closed = window("cron(0 2 ? * * *)", enabled=False, id=WindowId("mw-1"))
    assert opens(closed, "2027-01-01T00:00") == []
    assert next_start(closed, (), at("2027-01-01T00:00")) is None


def test_what_aws_announces_stands_above_the_schedule() -> None:
    """What AWS leaves out does not open, what it adds does, and afterwards the schedule holds; what has been stays."""
    said = window("cron(0 2 ? * * *)", seen=at("2027-01-01T03:00"), announced=at("2027-01-03T02:00"))
    assert opens(said, "2027-01-01T02:30", 3) == ["2027-01-01T02:00", "2027-01-03T02:00", "2027-01-04T02:00"]
    other = window("cron(0 2 ? * * *)", seen=at("2027-01-01T03:00"), announced=at("2027-01-02T01:00"))
    assert opens(other, "2027-01-01T08:00", 2) == ["2027-01-02T01:00", "2027-01-02T02:00"]
    last = window("at(2027-01-01T02:00:00)", seen=at("2027-01-01T03:00"), announced=at("2027-01-02T01:00"))
    assert opens(last, "2027-01-01T08:00") == ["2027-01-02T01:00"]


@given(
    minutes=st.integers(0, 4 * 24 * 60),
    duration=st.integers(15, 24 * 60),
    hours=st.sampled_from(["2", "0/6", "*", "22-1"]),
    zone=st.sampled_from(ZONES),
)
def test_open_means_within_an_opening(minutes: int, duration: int, hours: str, zone: str) -> None:
    """A window is open exactly between one of its moments and so long after it; openings ascend."""
    found = window(f"cron(0 {hours} ? * * *)", timezone=zone, duration=timedelta(minutes=duration))
    now = at("2027-03-12T00:00") + timedelta(minutes=minutes)
    listed = list(islice(next_openings(found, now), 60))
    assert all(one.opens < other.opens for one, other in pairwise(listed))
    current = opening_at(found, now)
    assert (current is not None) == any(one.opens <= now < one.closes for one in listed)
    assert all(one.closes > now and one.closes - one.opens == found.duration for one in listed)


YEAR_END = Freeze(name="year-end", start=at("2026-12-18T00:00"), end=at("2027-01-04T00:00"), reason="no changes")
LONGER = Freeze(name="audit", start=at("2026-12-30T00:00"), end=at("2027-01-12T03:00"), reason="audit")


def test_where_something_may_begin() -> None:
    """In an opening, before its cutoff, in no freeze; also in the rest of an opening that a freeze leaves."""
    found = window(cutoff=HOUR)
    assert next_start(found, (), at("2026-12-08T01:00")) == at("2026-12-08T02:00")
    assert next_start(found, (), at("2026-12-08T03:00")) == at("2026-12-08T03:00")
    assert next_start(found, (), at("2026-12-08T05:00")) == at("2027-01-12T02:00")
    assert next_start(found, (YEAR_END, LONGER), at("2026-12-20T00:00")) == at("2027-01-12T03:00")
    assert next_start(None, (YEAR_END, LONGER), at("2026-12-20T00:00")) == LONGER.end
    assert next_start(None, (), at("2026-12-20T00:00")) == at("2026-12-20T00:00")


def test_a_cutoff_that_leaves_nothing_is_no_endless_search() -> None:
    """A window of Systems Manager may have one; nothing ever begins in it."""
    assert next_start(window("cron(0 2 ? * * *)", cutoff=4 * HOUR), (YEAR_END,), at("2026-12-01T00:00")) is None


def test_the_longest_freeze_is_told() -> None:
    """Its end is exclusive."""
    assert frozen((YEAR_END, LONGER), at("2026-12-31T00:00")) == LONGER
    assert frozen((YEAR_END,), YEAR_END.start) == YEAR_END
    assert frozen((YEAR_END,), YEAR_END.end) is None
