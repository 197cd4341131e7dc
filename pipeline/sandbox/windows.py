"""Maintenance windows of Systems Manager that say when they open next, and can be changed; moto keeps the rest."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.core.utils import camelcase_to_underscores

from pipeline.model.schedules import Rate
from pipeline.model.windows import Window
from pipeline.planning.expressions import parse_schedule
from pipeline.planning.openings import next_openings
from pipeline.sandbox.registry import Parameters, Request, operation, refusal

_CHANGEABLE = (
    *("Name", "Description", "StartDate", "EndDate", "Duration", "Cutoff", "Enabled"),
    *("Schedule", "ScheduleTimezone", "ScheduleOffset"),
)


@operation("ssm", "CreateMaintenanceWindow")
def create_maintenance_window(request: Request, parameters: Parameters) -> object:
    """Make a window, enabled, whose schedule can be read; a rate counts from now unless it has a start."""
    _parsed(parameters["Schedule"])
    made: dict[str, Any] = request.native()
    window = request.ssm.windows[made["WindowId"]]
    window.enabled, window.created = True, request.now
    return made


@operation("ssm", "UpdateMaintenanceWindow")
def update_maintenance_window(request: Request, parameters: Parameters) -> object:
    """Change what is given of a window, and leave the rest."""
    name = parameters["WindowId"]
    window = request.ssm.windows.get(name)
    if window is None:
        raise refusal("DoesNotExistException", f"Maintenance window {name} does not exist.")
    _parsed(parameters.get("Schedule") or window.schedule)
    for key in _CHANGEABLE:
        if key in parameters:
            setattr(window, camelcase_to_underscores(key), parameters[key])
    return _described(window, request.now)


@operation("ssm", "GetMaintenanceWindow")
def get_maintenance_window(request: Request, parameters: Parameters) -> object:
    """Describe a window."""
    request.native()  # refuses one that is not there
    return _described(request.ssm.windows[parameters["WindowId"]], request.now)


def _described(window: Any, now: datetime) -> dict[str, Any]:
    known = {key: value for key, value in window.to_json().items() if value is not None} | {"Enabled": window.enabled}
    if following := _following(window, now):
        known["NextExecutionTime"] = f"{following:%Y-%m-%dT%H:%M:%SZ}"
    return known


def _following(window: Any, now: datetime) -> datetime | None:
    schedule = _parsed(window.schedule)
    read = Window(
        schedule=schedule,
        timezone=window.schedule_timezone or "UTC",
        offset=window.schedule_offset or 0,
        duration=timedelta(hours=window.duration),
        start=_moment(window.start_date),
        end=_moment(window.end_date),
        enabled=window.enabled,
    )
    if isinstance(schedule, Rate) and read.start is None:
        read = replace(read, start=window.created)
    return next((one.opens for one in next_openings(read, now) if one.opens > now), None)


def _parsed(schedule: str) -> Any:
    try:
        return parse_schedule(schedule)
    except ValueError as error:
        raise refusal("ValidationException", str(error)) from None


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
