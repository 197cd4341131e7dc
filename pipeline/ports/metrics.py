"""What CloudWatch knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from pipeline.model.gates import AlarmState
from pipeline.model.ids import TargetGroupArn


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A metric to read: one value for each ``period``."""

    namespace: str
    name: str
    statistic: str
    period: timedelta
    dimensions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Requests that a target group answered, and how many of them with 5xx, since a moment."""

    requests: int
    errors: int


class Metrics(Protocol):
    """Alarms and metrics."""

    def alarms(self, names: Sequence[str]) -> Mapping[str, AlarmState]:
        """Read the states of alarms, metric and composite ones."""
        ...

    def values(self, series: Sequence[Series], *, since: datetime, until: datetime) -> tuple[tuple[float, ...], ...]:
        """Read the values of each series in that time, oldest first; a series without data is empty."""
        ...

    def served(
        self, target_groups: Sequence[TargetGroupArn], *, since: datetime, until: datetime
    ) -> Mapping[TargetGroupArn, Served]:
        """Count what target groups of application load balancers served; others are missing in the answer."""
        ...
