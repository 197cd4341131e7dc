"""How a patch group's window, calendars and freezes stand together, and which steps are left off when it is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.model.ids import GroupName, ImageId, TemplateId
from pipeline.model.rollouts import (
    AwaitRefresh,
    AwaitTargetsHealthy,
    CheckGate,
    Drain,
    NameLive,
    ShiftTraffic,
    Soak,
    StartRefresh,
    UpdateStack,
)
from pipeline.model.steps import Step
from pipeline.model.strategies import RefreshStrategy
from pipeline.model.windows import CalendarState, Freeze, OnOverrun, Standing, Timing, Window, WindowId
from pipeline.planning.expressions import parse_schedule
from pipeline.planning.timing import leaves_off, standing, waiting_text

HOUR = timedelta(hours=1)
OPEN = CalendarState(open=True)
NIGHT = Window(schedule=parse_schedule("cron(0 2 ? * * *)"), duration=4 * HOUR, cutoff=HOUR, timezone="Europe/Berlin")


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """Make a time of December 2026, in UTC."""
    return datetime(2026, 12, day, hour, minute, tzinfo=UTC)


FREEZE = Freeze(name="year-end", start=at(18, 0), end=at(20, 3), reason="no changes")


def judged(now: datetime, *, calendar: CalendarState = OPEN, window: Window | None = NIGHT) -> Standing:
    """Judge a moment for a group with the night window and the freeze."""
    return standing(Timing(window=window, freezes=(FREEZE,)), window, calendar, now)


@pytest.mark.parametrize(
    ("now", "found", "text"),
    [
        (at(2, 0, 59), (False, False), "window closed; waits until Wed 2026-12-02 02:00 CET (Wed 01:00 UTC)"),
        (at(2, 1), (True, True), ""),
        (at(2, 3, 59), (True, True), ""),
        (
            at(2, 4),
            (True, False),
            (
                "past the window's cutoff at Wed 2026-12-02 05:00 CET (Wed 04:00 UTC); "
                "waits until Thu 2026-12-03 02:00 CET (Thu 01:00 UTC)"
            ),
        ),
        (at(2, 5), (False, False), "window closed; waits until Thu 2026-12-03 02:00 CET (Thu 01:00 UTC)"),
        (
            at(18, 2),
            (False, False),
            (
                "frozen (year-end) until Sun 2026-12-20 04:00 CET (Sun 03:00 UTC): no changes; "
                "waits until Sun 2026-12-20 04:00 CET (Sun 03:00 UTC)"
            ),
        ),
    ],
)
def test_how_a_moment_stands(now: datetime, found: tuple[bool, bool], text: str) -> None:
    """Open or not, whether anything may begin, and what is told of it, by the window's own clock and in UTC."""
    stands = judged(now)
    assert (stands.open, stands.begin) == found
    assert (waiting_text(stands) if text else stands.why) == text
    assert (stands.start == now) is stands.begin


def test_a_closed_calendar_closes_an_open_window() -> None:
    """Until it says; what then is the next opening is told, and nothing when it does not say."""
    closed = judged(at(2, 2), calendar=CalendarState(open=False, until=at(2, 12)))
    assert (closed.open, closed.begin, closed.start) == (False, False, at(3, 1))
    assert closed.why == "change calendar closed until Wed 2026-12-02 13:00 CET (Wed 12:00 UTC)"
    assert waiting_text(judged(at(2, 2), calendar=CalendarState(open=False))) == (
        "change calendar closed; no opening in sight"
    )


def test_without_a_window_it_is_open_but_for_freezes() -> None:
    """Times are told in UTC then, once."""
    assert judged(at(2, 12), window=None) == Standing(start=at(2, 12))
    assert waiting_text(judged(at(19, 0), window=None)) == (
        "frozen (year-end) until Sun 2026-12-20 03:00 UTC: no changes; waits until Sun 2026-12-20 03:00 UTC"
    )


def test_a_disabled_window_is_named() -> None:
    """It is Systems Manager's, and has no opening in sight."""
    off = replace(NIGHT, enabled=False, id=WindowId("mw-1"))
    assert waiting_text(judged(at(2, 2), window=off)) == "window mw-1 is disabled; no opening in sight"


START = StartRefresh(
    fleet="web",
    group=GroupName("web"),
    template=TemplateId("lt-1"),
    saved=1,
    version=2,
    strategy=RefreshStrategy(),
    auto_rollback=True,
)
AWAIT = AwaitRefresh(fleet="web", group=GroupName("web"), strategy=RefreshStrategy())
HEALTHY = AwaitTargetsHealthy(fleet="web", within=HOUR)
SHIFT = ShiftTraffic(fleet="web", percent=50, after=10)
SOAK, LAST = (Soak(fleet="web", percent=percent, duration=HOUR) for percent in (50, 100))
GATE = CheckGate(fleet="web", gates=(), patience=HOUR)
STACK = UpdateStack(fleet="web", stack="s", parameter="P", image=ImageId("ami-1"), timeout=HOUR)
ENDS = (Drain(fleet="web"), NameLive(fleet="web", keep=HOUR), STACK, GATE, LAST)
EVERY: tuple[Step, ...] = (START, AWAIT, HEALTHY, SHIFT, SOAK, *ENDS)


@pytest.mark.parametrize(
    ("how", "before", "left"),
    [
        (OnOverrun.FINISH, True, ()),
        (OnOverrun.FINISH, False, ()),
        (OnOverrun.PAUSE, True, (START, AWAIT, SHIFT)),
        (OnOverrun.PAUSE, False, (AWAIT,)),
        (OnOverrun.ROLL_BACK, True, (START, AWAIT, HEALTHY, SHIFT, SOAK)),
        (OnOverrun.ROLL_BACK, False, (START, AWAIT, HEALTHY, SHIFT, SOAK)),
    ],
)
def test_what_is_left_off_when_the_window_is_over(how: OnOverrun, left: tuple[Step, ...], *, before: bool) -> None:
    """To pause: the refresh, and the next shift or zone. To go back: all but what is through, and a stack's update."""
    assert tuple(step for step in EVERY if leaves_off(how, step, before=before)) == left
