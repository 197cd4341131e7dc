"""A number, or a share of a whole; and how much of the whole one run may touch."""

from __future__ import annotations

from collections.abc import Mapping
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Radius:
    """How many fleets and instances one run may touch at most."""

    fleets: int
    instances: int

    def refuse(self, touched: Mapping[str, int], fleet: str, size: int) -> str | None:
        """Say why one more fleet of this size is too much; ``touched`` are the sizes of those before."""
        if fleet in touched:
            return None
        if len(touched) + 1 > self.fleets:
            return f"{fleet} would be fleet number {len(touched) + 1} of this run, and {self.fleets} are allowed"
        total = sum(touched.values()) + size
        if total > self.instances:
            return f"{fleet} would be touched with {total} instances in this run, and {self.instances} are allowed"
        return None
