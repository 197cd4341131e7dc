"""Telling the reader what happens, and keeping evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pipeline.model.ids import ImageId
from pipeline.model.outcomes import SmokeReport
from pipeline.model.packages import Package, Survey


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


class Evidence(Protocol):
    """What a run proves about an image, kept beside it."""

    def keep_packages(self, image: ImageId, *, before: tuple[Package, ...], after: tuple[Package, ...]) -> None:
        """Keep the package lists from before and after patching."""
        ...

    def packages(self, image: ImageId) -> tuple[tuple[Package, ...], tuple[Package, ...]] | None:
        """Fetch the lists (before, after); None when none were kept."""
        ...

    def keep_survey(self, survey: Survey) -> None:
        """Keep the newest survey of an image."""
        ...

    def survey(self, image: ImageId) -> Survey | None:
        """Fetch it; None when none was kept."""
        ...

    def keep_smoke(self, report: SmokeReport) -> str:
        """Keep a smoke report's JUnit XML and answer where it is."""
        ...
