"""Telling the reader what happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class EventKind(StrEnum):
    """What an event tells of."""

    STARTED = "started"
    PROGRESS = "progress"
    LINE = "line"
    FINISHED = "finished"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened. ``data`` carries figures (percentage, instances by image) for charts."""

    at: datetime
    kind: EventKind
    target: str
    text: str
    data: Mapping[str, str | int | float] = field(default_factory=dict)


class Progress(Protocol):
    """Where events go: a terminal, a log, a report."""

    def emit(self, event: Event) -> None:
        """Show an event; never raises."""
        ...

    def close(self) -> None:
        """Finish the display."""
        ...
