"""Schedules as Systems Manager writes them: what is read, and what is refused."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import islice

import pytest

from pipeline.model.schedules import Cron, Once, Rate
from pipeline.planning.expressions import parse_schedule

START = date(2027, 1, 1)


def moments(text: str, count: int = 3, after: date = START) -> list[str]:
    """List the first moments of a cron expression."""
    cron = parse_schedule(text)
    assert isinstance(cron, Cron)
    return [f"{moment:%a %Y-%m-%d %H:%M:%S}" for moment in islice(cron.moments(after), count)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cron(0 10 * * ? *)", ["Fri 2027-01-01 10:00:00", "Sat 2027-01-02 10:00:00"]),
        ("cron(0 18 ? * MON-FRI *)", ["Fri 2027-01-01 18:00:00", "Mon 2027-01-04 18:00:00"]),
        ("cron(0/15 * * * ? *)", ["Fri 2027-01-01 00:00:00", "Fri 2027-01-01 00:15:00"]),
        ("cron(0 2 ? * THU#3 *)", ["Thu 2027-01-21 02:00:00", "Thu 2027-02-18 02:00:00"]),
        ("cron(30 23 ? * TUE#3 *)", ["Tue 2027-01-19 23:30:00", "Tue 2027-02-16 23:30:00"]),
        ("cron(0 2 L * ? *)", ["Sun 2027-01-31 02:00:00", "Sun 2027-02-28 02:00:00"]),
        ("cron(15 10 ? * 6L *)", ["Fri 2027-01-29 10:15:00", "Fri 2027-02-26 10:15:00"]),
        ("cron(24 30 09 ? * * *)", ["Fri 2027-01-01 09:30:24", "Sat 2027-01-02 09:30:24"]),
        ("cron(0 30 23 ? * TUE#3 *)", ["Tue 2027-01-19 23:30:00", "Tue 2027-02-16 23:30:00"]),
    ],
)
def test_the_documented_examples(text: str, expected: list[str]) -> None:
    """Each comes when AWS's user guide says that it does."""
    assert moments(text, 2) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cron(0 2 ? * L *)", ["Sat 2027-01-02 02:00:00", "Sat 2027-01-09 02:00:00"]),
        ("cron(0 2 ? * SAT-SUN *)", ["Sat 2027-01-02 02:00:00", "Sun 2027-01-03 02:00:00"]),
        ("cron(0 22-1 1 * ? *)", ["Fri 2027-01-01 00:00:00", "Fri 2027-01-01 01:00:00", "Fri 2027-01-01 22:00:00"]),
        ("cron(0 2 2W * ? *)", ["Fri 2027-01-01 02:00:00", "Tue 2027-02-02 02:00:00"]),
        ("cron(0 2 1W 5 ? *)", ["Mon 2027-05-03 02:00:00", "Mon 2028-05-01 02:00:00"]),
        ("cron(0 2 31W * ? *)", ["Fri 2027-01-29 02:00:00", "Wed 2027-03-31 02:00:00"]),
        ("cron(0 2 3W * ? *)", ["Mon 2027-01-04 02:00:00", "Wed 2027-02-03 02:00:00"]),
        ("cron(0 2 LW * ? *)", ["Fri 2027-01-29 02:00:00", "Fri 2027-02-26 02:00:00"]),
        ("cron(0 2 1,L * ? *)", ["Fri 2027-01-01 02:00:00", "Sun 2027-01-31 02:00:00"]),
        ("cron(0 2 ? * MON#5 *)", ["Mon 2027-03-29 02:00:00", "Mon 2027-05-31 02:00:00"]),
        ("cron(0 2 ? * 2#1,FRIL *)", ["Mon 2027-01-04 02:00:00", "Fri 2027-01-29 02:00:00"]),
        ("cron(0 2 29 2 ? *)", ["Tue 2028-02-29 02:00:00", "Sun 2032-02-29 02:00:00"]),
        ("cron(0 2 29 feb ? 2040-2100/4)", ["Wed 2040-02-29 02:00:00", "Mon 2044-02-29 02:00:00"]),
        (
            "cron(0 2 1 1/6 ? 2028,2030)",
            ["Sat 2028-01-01 02:00:00", "Sat 2028-07-01 02:00:00", "Tue 2030-01-01 02:00:00"],
        ),
        ("cron(50/5 1-9/4 1 1 ? *)", ["Fri 2027-01-01 01:50:00", "Fri 2027-01-01 01:55:00", "Fri 2027-01-01 05:50:00"]),
    ],
)
def test_what_the_examples_leave_open(text: str, expected: list[str]) -> None:
    """Working days, last days, ranges over the end of a week or a day, leap days, years, steps."""
    assert moments(text, len(expected)) == expected


def test_rates_and_single_moments() -> None:
    """As they are written, and as they are shown again."""
    assert parse_schedule("rate(7 days)") == Rate(text="rate(7 days)", every=timedelta(days=7))
    assert parse_schedule("rate(1 hour)") == Rate(text="rate(1 hour)", every=timedelta(hours=1))
    once = parse_schedule(" at(2027-07-07T15:55:00) ")
    assert once == Once(text="at(2027-07-07T15:55:00)", at=datetime(2027, 7, 7, 15, 55))  # noqa: DTZ001 - a wall clock's
    assert [str(parse_schedule(text)) for text in ("rate(30 minutes)", "cron(0 2 ? * * *)")] == [
        "rate(30 minutes)",
        "cron(0 2 ? * * *)",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 2 * * *", "it is neither cron(…) nor rate(…) nor at(…)"),
        ("cron(0 2 * * *)", "it has 5 fields"),
        ("cron(0 2 1 * MON *)", "must be ?"),
        ("cron(0 2 * * * *)", "must be ?"),
        ("cron(60 2 ? * * *)", "its minute '60' is not between 0 and 59"),
        ("cron(0 24 ? * * *)", "its hour '24' is not between 0 and 23"),
        ("cron(0 2 32 * ? *)", "its day of the month '32' is not between 1 and 31"),
        ("cron(0 2 0W * ? *)", "its day of the month '0' is not between"),
        ("cron(0 2 1 MAI ? *)", "its month 'MAI' is not between 1 and 12 or JAN-DEC"),
        ("cron(0 2 ? * 0 *)", "its day of the week '0' is not between 1 and 7 or SUN-SAT"),
        ("cron(0 2 ? * TUE#6 *)", "'TUE#6' is not the first to fifth of a month"),
        ("cron(0 2 ? * TUE#x *)", "'TUE#X' is not the first to fifth of a month"),
        ("cron(0 2 ? * * 1969)", "its year '1969' is not between 1970 and 2199"),
        ("cron(0 2 ? * * 2030-2027)", "its year '2030-2027' ends before it begins"),
        ("cron(0/0 2 ? * * *)", "its minute '0/0' steps by '0', which is no number"),
        ("cron(0 2,, ? * * *)", "its hour '' is not between"),
        ("cron(0 2 30 2 ? *)", "it never comes"),
        ("rate(1 days)", "it is written rate(1 day)"),
        ("rate(5 hour)", "it is written rate(5 hours)"),
        ("rate(0 days)", "it is not such as rate(7 days)"),
        ("rate(2 weeks)", "it is not such as rate(7 days)"),
        ("rate(400 days)", "it comes less than once a year"),
        ("at(2027-02-30T02:00:00)", "day is out of range for month"),
        ("at(tomorrow)", "it is not such as at(2027-01-09T02:00:00)"),
    ],
)
def test_faults_are_told_in_words(text: str, said: str) -> None:
    """What is written, and what is wrong with it."""
    with pytest.raises(ValueError, match="is no schedule of Systems Manager's") as raised:
        parse_schedule(text)
    assert said in str(raised.value)
