"""Time, so that an eight-hour roll is a test of milliseconds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Wall-clock time in UTC, and waiting."""

    def now(self) -> datetime:
        """Tell the time, aware and in UTC."""
        ...

    def sleep(self, duration: timedelta) -> None:
        """Wait; returns at once for a duration of zero or less."""
        ...
