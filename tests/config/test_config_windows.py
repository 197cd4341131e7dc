"""Maintenance windows, change calendars and freezes as they are written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.model.windows import Freeze, OnOverrun, Timing, Window, WindowId
from pipeline.planning.expressions import parse_schedule

FAMILY = (
    "version: 1\nfamilies: {web: {template: debian-12, source: {image: ami-12345678}, build: {instance_profile: p}}}\n"
)
FLEETS = "fleets: {a: {family: web, group: a, patch_group: prod}}\n"
NIGHT = "schedule: 'cron(0 2 ? * TUE#2 *)', duration: 4h"


def timing(write: Callable[[str], Path], group: str, more: str = "") -> Timing:
    """Load a file with one patch group of this."""
    settings = load(write(f"{FAMILY}{FLEETS}patch_groups: {{prod: {{wave: 1, {group}}}}}\n{more}"))
    return settings.timing("a")


def test_a_window_comes_out_complete(write: Callable[[str], Path]) -> None:
    """With its defaults, and with everything said."""
    schedule = parse_schedule("cron(0 2 ? * TUE#2 *)")
    assert timing(write, f"window: {{{NIGHT}}}") == Timing(
        window=Window(schedule=schedule, duration=timedelta(hours=4))
    )
    more = "timezone: Europe/London, cutoff: 90m, offset: 3, start: 2027-01-09T02:00+01:00, end: 2028-01-01T00:00:00Z"
    assert timing(write, f"window: {{{NIGHT}, {more}}}, on_overrun: pause") == Timing(
        window=Window(
            schedule=schedule,
            duration=timedelta(hours=4),
            cutoff=timedelta(minutes=90),
            timezone="Europe/London",
            offset=3,
            start=datetime(2027, 1, 9, 1, tzinfo=UTC),
            end=datetime(2028, 1, 1, tzinfo=UTC),
        ),
        on_overrun=OnOverrun.PAUSE,
    )


def test_a_window_of_systems_manager_is_named(write: Callable[[str], Path]) -> None:
    """By its id; calendars by name or ARN."""
    arn = "arn:aws:ssm:eu-west-1:123456789012:document/audit"
    assert timing(write, f"window: 'ssm:mw-0123456789abcdef0', calendars: [changes, '{arn}']") == Timing(
        window=WindowId("mw-0123456789abcdef0"), calendars=("changes", arn)
    )


def test_nothing_said_is_any_time(write: Callable[[str], Path]) -> None:
    """For a patch group, and for a fleet without one."""
    assert timing(write, "") == Timing()
    assert not timing(write, "").bounded
    assert load(write(FAMILY + "fleets: {a: {family: web, group: a}}")).timing("a") == Timing()


def test_freezes_are_days_or_minutes_of_their_zone(write: Callable[[str], Path]) -> None:
    """The last day counts whole; a minute is the first after the freeze."""
    days = "year-end: {from: 2026-12-18, to: 2027-01-03, timezone: Europe/Berlin, reason: no changes}"
    minutes = "audit: {from: 2027-02-01T08:00, to: 2027-02-01T18:30, reason: audit}"
    found = timing(write, "freezes: [year-end, audit]", f"freezes:\n  {days}\n  {minutes}\n")
    assert found.freezes == (
        Freeze(
            name="year-end",
            start=datetime(2026, 12, 17, 23, tzinfo=UTC),
            end=datetime(2027, 1, 3, 23, tzinfo=UTC),
            reason="no changes",
        ),
        Freeze(
            name="audit",
            start=datetime(2027, 2, 1, 8, tzinfo=UTC),
            end=datetime(2027, 2, 1, 18, 30, tzinfo=UTC),
            reason="audit",
        ),
    )


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ("window: mw-0123456789abcdef0", ".window: 'mw-0123456789abcdef0' is not a maintenance window such as ssm:mw-"),
        ("window: {duration: 4h}", ".window.schedule: is missing"),
        (f"window: {{{NIGHT.replace('TUE#2', 'TUE#7')}}}", ".window.schedule: 'cron(0 2 ? * TUE#7 *)' is no schedule"),
        ("window: {schedule: [], duration: 4h}", ".window.schedule: must be a schedule such as cron("),
        (f"window: {{{NIGHT}, timezone: London}}", ".window.timezone: 'London' is not a time zone of IANA's"),
        (f"window: {{{NIGHT}, offset: 7}}", ".window.offset: must be at most 6"),
        (f"window: {{{NIGHT}, cutoff: 4h}}", ".window: its cutoff leaves no time in which anything may begin"),
        (f"window: {{{NIGHT}, start: 2027-01-09}}", ".window.start: '2027-01-09' is not a time with its offset"),
        (
            f"window: {{{NIGHT}, start: 2027-01-09T02:00Z, end: 2027-01-09T01:00Z}}",
            ".window: it ends before it starts",
        ),
        ("window: {schedule: rate(7 days), duration: 4h}", ".window: a rate(…) needs a start to count from"),
        (
            "window: {schedule: 'at(2027-01-09T02:00:00)', duration: 4h, offset: 1}",
            ".window: an offset goes with a cron(…) only",
        ),
        ("window: {schedule: rate(7 days), duration: 5m}", ".window.duration: must be between 15m and 24h"),
        ("calendars: [a b]", ".calendars[0]: 'a b' is not a change calendar's name or ARN"),
        ("freezes: [easter]", ".freezes[0]: there is no freeze 'easter'"),
        ("on_overrun: stop", ".on_overrun: 'stop' is not 'finish', 'pause' or 'roll-back'"),
    ],
)
def test_faults_of_windows_are_told_in_words(faults: Callable[[str], list[str]], group: str, said: str) -> None:
    """Each once, with its line and place."""
    (told,) = faults(f"{FAMILY}{FLEETS}patch_groups:\n  prod: {{wave: 1, {group}}}\n")
    assert told.startswith("rebake.yaml:5: patch_groups.prod")
    assert said in told


@pytest.mark.parametrize(
    ("freeze", "said"),
    [
        ("{from: 2026-12-18, to: 2026-12-17, reason: x}", "freezes.f: it ends before it begins"),
        ("{from: 2026-12-18, to: 2026-12-19}", "freezes.f.reason: is missing"),
        ("{from: 18.12.2026, to: 2026-12-19, reason: x}", "freezes.f.from: '18.12.2026' is not a day such as"),
        ("{from: 2026-02-30, to: 2026-12-19, reason: x}", "freezes.f.from: "),
    ],
)
def test_faults_of_freezes_are_told_in_words(faults: Callable[[str], list[str]], freeze: str, said: str) -> None:
    """Each once."""
    (told,) = faults(f"{FAMILY}{FLEETS}patch_groups: {{prod: {{wave: 1, freezes: [f]}}}}\nfreezes:\n  f: {freeze}\n")
    assert said in told


def test_a_freeze_that_nobody_names_is_a_fault(faults: Callable[[str], list[str]]) -> None:
    """It would freeze nothing, and somebody believes that it does."""
    (told,) = faults(f"{FAMILY}{FLEETS}freezes:\n  f: {{from: 2026-12-18, to: 2026-12-19, reason: x}}\n")
    assert told.startswith("rebake.yaml:5: freezes.f: no patch group names it, so it would freeze nothing")
