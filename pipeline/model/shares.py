"""A number, or a share of a whole."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """``value`` things, or with ``percent`` so many of a hundred."""

    value: int
    percent: bool = False

    def most(self, total: int) -> int:
        """Count it out of a total, rounded down: what may be used up."""
        return total * self.value // 100 if self.percent else self.value

    def least(self, total: int) -> int:
        """Count it out of a total, rounded up: what must be kept. Never more than the total."""
        return ceil(total * self.value / 100) if self.percent else min(self.value, total)

    def __str__(self) -> str:
        return f"{self.value} %" if self.percent else str(self.value)
