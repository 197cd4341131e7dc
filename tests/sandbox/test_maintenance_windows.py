"""Maintenance windows and change calendars of the sandbox, by the calls that AWS has."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from world import World

EVENTS = """BEGIN:VCALENDAR
PRODID:-//AWS//Change Calendar 1.0//EN
VERSION:2.0
X-CALENDAR-TYPE:{}
BEGIN:VEVENT
DTSTART:20261110T000000Z
DTEND;TZID=Europe/Berlin:20261112T000000
END:VEVENT
END:VCALENDAR
"""


def made(world: World, **changes: Any) -> str:
    """Make a window."""
    wanted: dict[str, Any] = {
        "Name": "nightly",
        "Schedule": "cron(0 2 ? * TUE#2 *)",
        "ScheduleTimezone": "America/New_York",
        "Duration": 4,
        "Cutoff": 1,
        "AllowUnassociatedTargets": True,
    }
    return world.ssm.create_maintenance_window(**wanted | changes)["WindowId"]


def test_a_window_says_when_it_opens_next(world: World) -> None:
    """As it stands, after a change, and not at all when it is disabled."""
    window = made(world)
    found = world.ssm.get_maintenance_window(WindowId=window)
    assert (found["NextExecutionTime"], found["Enabled"]) == ("2026-11-10T07:00:00Z", True)
    world.ssm.update_maintenance_window(WindowId=window, ScheduleOffset=2, Duration=6)
    found = world.ssm.get_maintenance_window(WindowId=window)
    assert (found["NextExecutionTime"], found["Duration"], found["Cutoff"]) == ("2026-11-12T07:00:00Z", 6, 1)
    world.ssm.update_maintenance_window(WindowId=window, Enabled=False)
    disabled = world.ssm.get_maintenance_window(WindowId=window)
    assert ("NextExecutionTime" in disabled, disabled["Enabled"]) == (False, False)


def test_a_rate_counts_from_the_windows_making_or_start(world: World) -> None:
    """And nothing runs before the start or after the end."""
    window = world.ssm.get_maintenance_window(WindowId=made(world, Schedule="rate(7 days)"))
    assert window["NextExecutionTime"] == "2026-11-09T00:00:00Z"
    begun = made(world, Schedule="rate(7 days)", StartDate="2026-12-01T02:00:00Z")
    assert world.ssm.get_maintenance_window(WindowId=begun)["NextExecutionTime"] == "2026-12-01T02:00:00Z"
    over = made(world, EndDate="2026-11-05T00:00:00")
    assert "NextExecutionTime" not in world.ssm.get_maintenance_window(WindowId=over)


@pytest.mark.parametrize(
    ("operation", "arguments", "code"),
    [
        ("get_maintenance_window", {"WindowId": "mw-0123456789abcdef0"}, "DoesNotExistException"),
        ("update_maintenance_window", {"WindowId": "mw-0123456789abcdef0"}, "DoesNotExistException"),
        ("get_calendar_state", {"CalendarNames": ["nobody"]}, "InvalidDocument"),
    ],
)
def test_what_is_not_there_is_refused(world: World, operation: str, arguments: dict[str, Any], code: str) -> None:
    """With AWS's codes."""
    with pytest.raises(ClientError) as raised:
        getattr(world.ssm, operation)(**arguments)
    assert raised.value.response["Error"]["Code"] == code


def test_a_schedule_that_cannot_be_read_is_refused(world: World) -> None:
    """When the window is made."""
    with pytest.raises(ClientError, match="is no schedule"):
        made(world, Schedule="cron(0 2 * * *)")


def calendar(world: World, name: str, kind: str, content: str = EVENTS) -> None:
    """Make a change calendar."""
    world.ssm.create_document(
        Name=name, DocumentType="ChangeCalendar", DocumentFormat="TEXT", Content=content.format(kind)
    )


def state(world: World, *names: str, at: str) -> tuple[str, str]:
    """Ask about a moment: the state, and until when."""
    answer = world.ssm.get_calendar_state(CalendarNames=list(names), AtTime=at)
    return answer["State"], answer.get("NextTransitionTime", "")


def test_events_turn_a_calendar_around(world: World) -> None:
    """One that is open by default is closed in them, and the other way round; their end is exclusive."""
    calendar(world, "changes", "DEFAULT_OPEN")
    calendar(world, "nights", "DEFAULT_CLOSED")
    arn = "arn:aws:ssm:us-east-1:123456789012:document/changes"
    assert state(world, arn, at="2026-11-09T00:00:00Z") == ("OPEN", "2026-11-10T00:00:00Z")
    assert state(world, "changes", at="2026-11-10T00:00:00Z") == ("CLOSED", "2026-11-11T23:00:00Z")
    assert state(world, "changes", at="2026-11-11T23:00:00Z") == ("OPEN", "")
    assert state(world, "nights", at="2026-11-10T00:00:00Z") == ("OPEN", "2026-11-11T23:00:00Z")
    assert world.ssm.get_calendar_state(CalendarNames=["changes"])["State"] == "OPEN"


def test_several_calendars_are_open_only_together(world: World) -> None:
    """These two never are: no transition is in sight."""
    calendar(world, "changes", "DEFAULT_OPEN")
    calendar(world, "nights", "DEFAULT_CLOSED")
    assert state(world, "changes", "nights", at="2026-11-10T00:00:00Z") == ("CLOSED", "")


def test_calendars_are_changed_and_deleted(world: World) -> None:
    """And what the sandbox cannot read is refused before it is kept."""
    calendar(world, "changes", "DEFAULT_OPEN")
    world.ssm.update_document(Name="changes", Content=EVENTS.format("DEFAULT_CLOSED"), DocumentFormat="TEXT")
    assert state(world, "changes", at="2026-11-09T00:00:00Z")[0] == "CLOSED"
    for content in ("{}", EVENTS.replace("DTEND", "RRULE:FREQ=DAILY\nDTEND"), EVENTS.replace("DTSTART", "DTSTAMP")):
        with pytest.raises(ClientError, match="InvalidDocumentContent"):
            calendar(world, "other", "DEFAULT_OPEN", content)
    world.ssm.delete_document(Name="changes")
    with pytest.raises(ClientError, match="InvalidDocument"):
        state(world, "changes", at="2026-11-09T00:00:00Z")


def test_other_documents_are_as_before(world: World) -> None:
    """A command document is made and deleted."""
    content = '{"schemaVersion": "2.2", "description": "x", "mainSteps": []}'
    world.ssm.create_document(Name="Mine", DocumentType="Command", DocumentFormat="JSON", Content=content)
    world.ssm.delete_document(Name="Mine")
