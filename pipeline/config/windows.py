"""Maintenance windows and freezes as they are written, and how they become those of `pipeline.model.windows`."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema
from pydantic import model_validator as validator
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_wrap_validator_function

from pipeline.config.fields import Duration, Section, lasting, shaped
from pipeline.model.schedules import Cron, Rate, Schedule
from pipeline.model.windows import Freeze, Window, WindowId
from pipeline.planning.expressions import parse_schedule

_WINDOW_ID = r"ssm:(mw-[0-9a-f]{17})"
_CALENDAR = r"[A-Za-z0-9_.-]{3,128}|arn:aws[a-z-]*:ssm:[a-z0-9-]+:\d{12}:document/[A-Za-z0-9_.-]{3,128}"
_SECONDS = r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)"
_MINUTES = r"\d{4}-\d\d-\d\d(T\d\d:\d\d)?"
_DAY = timedelta(days=1)


def _schedule(value: object) -> Schedule:
    if not isinstance(value, str):
        raise ValueError("must be a schedule such as cron(0 2 ? * TUE#2 *)")  # noqa: TRY004 - pydantic's own word
    return parse_schedule(value)


def _timezone(text: str) -> str:
    if text not in available_timezones():
        raise ValueError(f"{text!r} is not a time zone of IANA's such as Europe/London")
    return text


def _moment(value: object) -> datetime:
    if not isinstance(value, str) or not re.fullmatch(_SECONDS, value, re.ASCII):
        raise ValueError(f"{value!r} is not a time with its offset such as 2027-01-09T02:00:00Z")
    return datetime.fromisoformat(value).astimezone(UTC)


def _day(value: object) -> date:
    """Read a day, or a minute of one; which it is tells the type."""
    if not isinstance(value, str) or not re.fullmatch(_MINUTES, value, re.ASCII):
        raise ValueError(f"{value!r} is not a day such as 2026-12-18, or a minute of one such as 2026-12-18T18:00")
    return datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)


_Schedule = Annotated[Any, BeforeValidator(_schedule), WithJsonSchema({"type": "string"})]
_Timezone = Annotated[str, AfterValidator(_timezone)]
_Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "pattern": f"^{_SECONDS}$"})]
_Day = Annotated[Any, BeforeValidator(_day), WithJsonSchema({"type": "string", "pattern": f"^{_MINUTES}$"})]
Calendar = Annotated[str, *shaped(_CALENDAR, "a change calendar's name or ARN")]


class WindowSection(Section):
    """A maintenance window, in Systems Manager's terms."""

    schedule: _Schedule = Field(description="When it opens: cron(…) of six or seven fields, rate(…), or at(…).")
    timezone: _Timezone = Field(default="UTC", description="In which the schedule is read; default: UTC.")
    offset: int = Field(default=0, ge=0, le=6, description="Days after each moment of a cron(…); default: 0.")
    duration: Annotated[Duration, lasting(timedelta(minutes=15), timedelta(hours=24))] = Field(
        description="How long it stays open."
    )
    cutoff: Annotated[Duration, lasting(timedelta(), timedelta(hours=23))] = Field(
        default=timedelta(), description="So long before its end nothing is begun any more; default: 0s."
    )
    start: _Moment | None = Field(default=None, description="It does not open before; a rate(…) counts from here.")
    end: _Moment | None = Field(default=None, description="It does not open from here on.")

    @validator(mode="after")
    def _consistent(self) -> WindowSection:
        if self.cutoff >= self.duration:
            raise ValueError("its cutoff leaves no time in which anything may begin; make it less than the duration")
        if isinstance(self.schedule, Rate) and self.start is None:
            raise ValueError("a rate(…) needs a start to count from, such as 2027-01-09T02:00:00Z")
        if self.offset and not isinstance(self.schedule, Cron):
            raise ValueError("an offset goes with a cron(…) only")
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError("it ends before it starts")
        return self

    def settings(self) -> Window:
        """Say it in the model's words."""
        return Window(**dict(self))


class _OrItsId:
    """Accepts the id of a window of Systems Manager where one is described, and says so in the schema."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def read(value: Any, described: Any) -> Any:
            if not isinstance(value, str):
                return described(value)
            if not (match := re.fullmatch(_WINDOW_ID, value)):
                raise ValueError(f"{value!r} is not a maintenance window such as ssm:mw-0123456789abcdef0")
            return WindowId(match[1])

        return no_info_wrap_validator_function(read, handler(source))

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "pattern": f"^{_WINDOW_ID}$"}, handler(core)]}


WindowOrId = Annotated[WindowSection, _OrItsId]


class FreezeSection(Section):
    """A time in which nothing is rolled, whatever window is open."""

    start: _Day = Field(alias="from", description="Its first day, or minute.")
    end: _Day = Field(alias="to", description="Its last day, whole, or the minute at which it is over.")
    timezone: _Timezone = Field(default="UTC", description="In which both are read; default: UTC.")
    reason: Annotated[str, *shaped(r"[^\n]{1,200}", "a reason")] = Field(description="Shown to whoever is held up.")

    @validator(mode="after")
    def _forward(self) -> FreezeSection:
        if self._instant(self.start) >= self._instant(self.end, last=True):
            raise ValueError("it ends before it begins")
        return self

    def settings(self, name: str) -> Freeze:
        """Say it in the model's words."""
        start, end = self._instant(self.start), self._instant(self.end, last=True)
        return Freeze(name=name, start=start, end=end, reason=self.reason)

    def _instant(self, day: date, *, last: bool = False) -> datetime:
        zone = ZoneInfo(self.timezone)
        if isinstance(day, datetime):
            return day.replace(tzinfo=zone).astimezone(UTC)
        return datetime.combine(day + _DAY if last else day, time(), zone).astimezone(UTC)
