"""AWS out of reach: waited out, for a rollout of hours must not end with an outage of minutes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from pipeline.errors import CredentialsError, Unavailable
from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import PACE, Waiting
from pipeline.ports.progress import EventKind

_Answer = TypeVar("_Answer")
_OUTAGE = timedelta(minutes=30)
"""How long AWS may be out of reach before a fleet's rollout ends."""


def patiently(bench: Workbench, fleet: str, ask: Callable[[], _Answer]) -> Waiting[_Answer]:
    """Ask until AWS can be reached."""
    patience = Patience()
    while True:
        try:
            return ask()
        except Unavailable as error:
            yield patience.after(bench, fleet, error)


@dataclass(slots=True)
class Patience:
    """How long AWS has been out of reach."""

    since: datetime | None = None
    last: datetime | None = None

    def after(self, bench: Workbench, fleet: str, error: Unavailable) -> timedelta:
        """Answer the pause before the next attempt, or raise the error: it will not pass, or has lasted too long."""
        now = bench.tools.clock.now()
        if self.last is None or self.since is None or now - self.last > 4 * PACE:
            self.since = now  # between the last error and this one there was an answer
        self.last = now
        if not error.transient or now - self.since >= _OUTAGE:
            raise error
        text = error.whole if isinstance(error, CredentialsError) else error.message
        bench.say(fleet, f"It is tried again: {text}", kind=EventKind.WARNING)
        return PACE
