"""Words that people leave for running rollouts: the andon cord, approvals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A word (``halt``, ``approve``, ``reject``), who left it, why, and when."""

    word: str
    by: str
    reason: str
    at: datetime


class Signals(Protocol):
    """SSM parameters, one a signal."""

    def under(self, path: str) -> Mapping[str, Signal]:
        """Read all signals below a path, in one call, by the last part of their names."""
        ...

    def leave(self, name: str, signal: Signal) -> None:
        """Leave a signal; one that stands there is replaced."""
        ...

    def take(self, name: str) -> bool:
        """Take a signal away; False when none stood there."""
        ...
