"""Maintenance windows and change calendars as Systems Manager answers them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aws.account import Account
from botocore.stub import Stubber

from pipeline.aws.session import Clients
from pipeline.aws.windows import SsmWindows
from pipeline.errors import NotFound, NotPossible
from pipeline.model.windows import CalendarState, Window, WindowId
from pipeline.planning.expressions import parse_schedule
from pipeline.sandbox.clock import ManualClock

NAME = WindowId("mw-0123456789abcdef0")
ANSWER: dict[str, Any] = {
    "WindowId": NAME,
    "Name": "second-tuesday",
    "StartDate": "2026-01-01T00:00:00-05:00",
    "EndDate": "2027-12-31T00:00Z",
    "Schedule": "cron(0 2 ? * TUE#2 *)",
    "ScheduleTimezone": "Europe/London",
    "ScheduleOffset": 3,
    "NextExecutionTime": "2026-12-11T02:00Z",
    "Duration": 4,
    "Cutoff": 1,
    "AllowUnassociatedTargets": True,
    "Enabled": True,
}


def read(stub: Callable[[str], Stubber], clients: Clients, **changes: Any) -> Window:
    """Read a window of which Systems Manager answers this."""
    answer = {key: value for key, value in (ANSWER | changes).items() if value is not None}
    stub("ssm").add_response("get_maintenance_window", answer, {"WindowId": NAME})
    return SsmWindows(clients, ManualClock()).window(NAME)


def test_a_window_comes_out_complete(stub: Callable[[str], Stubber], clients: Clients) -> None:
    """Hours become durations, and times UTC, with or without seconds and offset."""
    assert read(stub, clients) == Window(
        id=NAME,
        schedule=parse_schedule("cron(0 2 ? * TUE#2 *)"),
        timezone="Europe/London",
        offset=3,
        duration=timedelta(hours=4),
        cutoff=timedelta(hours=1),
        start=datetime(2026, 1, 1, 5, tzinfo=UTC),
        end=datetime(2027, 12, 31, tzinfo=UTC),
        seen=ManualClock().now(),
        announced=datetime(2026, 12, 11, 2, tzinfo=UTC),
    )


def test_a_window_with_nothing_optional(stub: Callable[[str], Stubber], clients: Clients) -> None:
    """Its time zone is UTC then; a disabled one says so and announces nothing."""
    none = dict.fromkeys(("StartDate", "EndDate", "ScheduleTimezone", "ScheduleOffset", "NextExecutionTime"))
    found = read(stub, clients, **none, Enabled=False)
    assert (found.timezone, found.offset, found.start, found.end) == ("UTC", 0, None, None)
    assert (found.enabled, found.announced) == (False, None)
    assert read(stub, clients, StartDate="2026-01-01T00:00:00").start == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("wrong", [{"Schedule": "cron(0 2 * * *)"}, {"ScheduleTimezone": "Mars/Base"}])
def test_what_cannot_be_read_is_never_open(
    stub: Callable[[str], Stubber], clients: Clients, wrong: dict[str, str]
) -> None:
    """It is an error that names the window, and no guess."""
    with pytest.raises(NotPossible, match=f"Maintenance window {NAME} cannot be read"):
        read(stub, clients, **wrong)


def test_a_window_that_is_not_there(account: Account) -> None:
    """Is an error with the next step."""
    with pytest.raises(NotFound, match=f"There is no maintenance window {NAME} here") as raised:
        account.windows.window(NAME)
    assert "describe-maintenance-windows" in raised.value.hint


def test_calendars_are_asked_together(stub: Callable[[str], Stubber], clients: Clients) -> None:
    """About a moment, in UTC; without a transition in sight there is none."""
    windows = SsmWindows(clients, ManualClock())
    asked = {"CalendarNames": ["changes", "audit"], "AtTime": "2026-12-18T01:30:00Z"}
    closed = {"State": "CLOSED", "NextTransitionTime": "2027-01-04T00:00:00Z"}
    stub("ssm").add_response("get_calendar_state", closed, asked)
    stub("ssm").add_response("get_calendar_state", {"State": "OPEN"}, asked)
    at = datetime.fromisoformat("2026-12-18T02:30:00+01:00")
    assert windows.calendars(("changes", "audit"), at) == CalendarState(
        open=False, until=datetime(2027, 1, 4, tzinfo=UTC)
    )
    assert windows.calendars(("changes", "audit"), at) == CalendarState(open=True)


def test_a_calendar_that_is_not_there(account: Account) -> None:
    """Is an error with the next step, and no open calendar."""
    with pytest.raises(NotPossible, match="changes does not exist") as raised:
        account.windows.calendars(("changes",), ManualClock().now())
    assert "list-documents" in raised.value.hint
