"""Change calendars: documents of Systems Manager in iCalendar's format, and whether they are open at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.sandbox.registry import Parameters, Request, operation, refusal

_TYPE = "ChangeCalendar"
_EVENT = re.compile(r"^BEGIN:VEVENT$(.*?)^END:VEVENT$", re.MULTILINE | re.DOTALL)
_BOUND = r"^{}(?:;TZID=([\w/+-]+))?:(\d{{8}}T\d{{6}})(Z?)$"


@dataclass(frozen=True, slots=True)
class Calendar:
    """A calendar whose events turn its usual state around."""

    usually_open: bool
    events: tuple[tuple[datetime, datetime], ...]

    def open(self, at: datetime) -> bool:
        """Tell whether it is open."""
        return self.usually_open != any(start <= at < end for start, end in self.events)


@operation("ssm", "CreateDocument", "UpdateDocument")
def write_document(request: Request, parameters: Parameters) -> object:
    """Keep a change calendar; other documents are moto's."""
    key = _key(request, parameters["Name"])
    if parameters.get("DocumentType") != _TYPE and key not in request.state.calendars:
        return request.native()
    _read(parameters["Content"])  # refuses what could not be read later
    request.state.calendars[key] = parameters["Content"]
    known = {"Name": parameters["Name"], "DocumentType": _TYPE, "DocumentFormat": "TEXT", "Status": "Active"}
    return {"DocumentDescription": known | {"CreatedDate": request.now, "DocumentVersion": "1"}}


@operation("ssm", "DeleteDocument")
def delete_document(request: Request, parameters: Parameters) -> object:
    """Forget a change calendar; other documents are moto's."""
    if request.state.calendars.pop(_key(request, parameters["Name"]), None) is None:
        return request.native()
    return {}


@operation("ssm", "GetCalendarState")
def get_calendar_state(request: Request, parameters: Parameters) -> object:
    """Tell whether all calendars are open at a time, and when that changes."""
    asked = parameters.get("AtTime")
    at = datetime.fromisoformat(asked).astimezone(UTC) if asked else request.now
    calendars = list(_named(request, parameters["CalendarNames"]))

    def state(moment: datetime) -> bool:
        return all(calendar.open(moment) for calendar in calendars)

    bounds = {bound for calendar in calendars for event in calendar.events for bound in event if bound > at}
    change = next((bound for bound in sorted(bounds) if state(bound) != state(at)), None)
    answer = {"State": "OPEN" if state(at) else "CLOSED", "AtTime": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
    return answer | ({"NextTransitionTime": f"{change:%Y-%m-%dT%H:%M:%SZ}"} if change else {})


def _named(request: Request, names: list[str]) -> Iterator[Calendar]:
    for name in names:
        content = request.state.calendars.get(_key(request, name))
        if content is None:
            raise refusal("InvalidDocument", f"The calendar {name} does not exist.")
        yield _read(content)


def _key(request: Request, name: str) -> tuple[str, str, str]:
    return request.account, request.region, name.rpartition("/")[2]


def _read(content: str) -> Calendar:
    """Read single events; one that recurs is refused: AWS knows them, this does not."""
    text = content.replace("\r\n", "\n")
    if "BEGIN:VCALENDAR" not in text or "\nRRULE" in text:
        raise refusal("InvalidDocumentContent", "The sandbox reads calendars of single events only.")
    usually_open = "X-CALENDAR-TYPE:DEFAULT_CLOSED" not in text
    events = [(_bound(event, "DTSTART"), _bound(event, "DTEND")) for event in _EVENT.findall(text)]
    return Calendar(usually_open, tuple(events))


def _bound(event: Any, name: str) -> datetime:
    found = re.search(_BOUND.format(name), event, re.MULTILINE)
    if found is None:
        raise refusal("InvalidDocumentContent", f"An event has no {name} that can be read.")
    zone = ZoneInfo(found[1]) if found[1] else UTC
    return datetime.strptime(found[2], "%Y%m%dT%H%M%S").replace(tzinfo=zone).astimezone(UTC)
