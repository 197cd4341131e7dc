"""Maintenance windows and change calendars that stand in Systems Manager."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from pipeline.model.windows import CalendarState, Window, WindowId


class Windows(Protocol):
    """Reads them; nothing here changes one."""

    def window(self, name: WindowId) -> Window:
        """Read a maintenance window.

        Raises:
            NotFound: there is none of this id.
            NotPossible: its schedule is one that cannot be read.
        """
        ...

    def calendars(self, names: Sequence[str], at: datetime) -> CalendarState:
        """Ask change calendars about a moment: open only if all of them are.

        Raises:
            NotPossible: one of them does not exist, or is no change calendar.
        """
        ...
