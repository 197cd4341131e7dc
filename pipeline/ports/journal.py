"""What is kept of runs, for whoever asks later: who, when, from where, which plan, how each step ended, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from pipeline.model.ids import RunId

SCHEMA = 1
BEGUN, ENDED = "begun", "ended"
"""The kinds of the first and the last record; those between are of the kinds of events."""


class Journal(Protocol):
    """The journal of one run. Nothing here ever raises: a run does not fail for want of its journal."""

    @property
    def begun(self) -> bool:
        """Whether it was ever begun: from then on something may have been changed."""
        ...

    def begin(self, run: RunId, text: str, data: Mapping[str, Any]) -> None:
        """Begin it; from here on it keeps the run's events, too."""
        ...

    def end(self, text: str, data: Mapping[str, Any]) -> None:
        """End it; ``text`` says why it ended so. Nothing where it was not begun."""
        ...


class Journals(Protocol):
    """A place where journals lie: a record a line of JSON, numbered from 1 within its run."""

    def keep(self, run: RunId, number: int, line: str) -> None:
        """Keep a record; one of this number that stands there stays as it is.

        Raises:
            RebakeError: it cannot be kept.
        """
        ...

    def runs(self) -> tuple[RunId, ...]:
        """List the runs, newest first."""
        ...

    def lines(self, run: RunId, *, ends: bool = False) -> tuple[str, ...]:
        """Fetch the records of a run in order, with ``ends`` the first and the last only; none: it is not here."""
        ...
