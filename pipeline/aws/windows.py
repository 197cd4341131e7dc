"""Maintenance windows and change calendars, through Systems Manager."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline.aws.failures import translated
from pipeline.aws.session import Clients
from pipeline.errors import NotFound, NotPossible
from pipeline.model.windows import CalendarState, Window, WindowId
from pipeline.planning.expressions import parse_schedule
from pipeline.ports.clock import Clock

_FIX = "correct it in Systems Manager, or describe the window in rebake.yaml"


class SsmWindows:
    """The port `Windows` over GetMaintenanceWindow and GetCalendarState."""

    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock

    def window(self, name: WindowId) -> Window:
        """Read a maintenance window; see the port."""
        try:
            found = self._window(name)
        except NotFound as error:
            hint = "see: aws ssm describe-maintenance-windows"
            raise NotFound(f"There is no maintenance window {name} here.", hint=hint) from error
        try:
            return _window(name, found, self._clock.now())
        except (ValueError, ZoneInfoNotFoundError) as error:
            raise NotPossible(f"Maintenance window {name} cannot be read: {error}.", hint=_FIX) from error

    @translated("ssm")
    def _window(self, name: WindowId) -> Mapping[str, Any]:
        return self._clients.ssm.get_maintenance_window(WindowId=name)

    @translated("ssm")
    def calendars(self, names: Sequence[str], at: datetime) -> CalendarState:
        """Ask change calendars about a moment; see the port."""
        asked = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        answer = self._clients.ssm.get_calendar_state(CalendarNames=list(names), AtTime=asked)
        return CalendarState(open=answer["State"] == "OPEN", until=_moment(answer.get("NextTransitionTime")))


def _window(name: WindowId, found: Mapping[str, Any], now: datetime) -> Window:
    zone = found.get("ScheduleTimezone") or "UTC"
    ZoneInfo(zone)
    return Window(
        schedule=parse_schedule(found["Schedule"]),
        timezone=zone,
        offset=found.get("ScheduleOffset") or 0,
        duration=timedelta(hours=found["Duration"]),
        cutoff=timedelta(hours=found["Cutoff"]),
        start=_moment(found.get("StartDate")),
        end=_moment(found.get("EndDate")),
        id=name,
        enabled=found["Enabled"],
        seen=now,
        announced=_moment(found.get("NextExecutionTime")),
    )


def _moment(text: str | None) -> datetime | None:
    """Read an ISO 8601 time; AWS writes them with and without seconds, and one without an offset is in UTC."""
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
