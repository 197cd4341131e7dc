"""Traffic as observed: where a load balancer forwards to, and how the targets do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from pipeline.model.ids import GroupName, InstanceId, TargetGroupArn


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The forward action of a listener rule, or of a listener's default: weights by target group, in AWS's order.

    ``stickiness`` is how long a client stays with the target group it met first; nought: it does not.
    """

    arn: str
    weights: Mapping[TargetGroupArn, int]
    stickiness: timedelta = timedelta()

    def percent(self, target_group: TargetGroupArn, *, of: tuple[TargetGroupArn, ...]) -> int:
        """Tell the group's share among some of the groups, in percent; 0 where none of them has a weight."""
        total = sum(self.weights.get(arn, 0) for arn in of)
        return round(100 * self.weights.get(target_group, 0) / total) if total else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetGroup:
    """A target group. ``stickiness`` is how long a client stays with one target."""

    arn: TargetGroupArn
    deregistration_delay: timedelta
    stickiness: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetHealth:
    """A registered target; ``state`` and ``reason`` are ELB's words (healthy, unhealthy, initial, draining …)."""

    instance: InstanceId
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two groups that share a route: blue has the traffic, green is to have it."""

    route: str
    blue: GroupName
    blue_targets: TargetGroupArn
    green: GroupName
    green_targets: TargetGroupArn

    @property
    def turned(self) -> Pair:
        """The same pair seen from green's side: the way back."""
        return Pair(
            route=self.route,
            blue=self.green,
            blue_targets=self.green_targets,
            green=self.blue,
            green_targets=self.blue_targets,
        )
