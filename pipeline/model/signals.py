"""Words that people leave for running rollouts: the andon cord, approvals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A word (``halt``, ``approve``, ``reject``), who left it, why, and when."""

    word: str
    by: str
    reason: str
    at: datetime
