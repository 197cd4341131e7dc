"""The last word before capacity goes: independent of the strategy, and of what the planner thought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

from pipeline.model.fleets import Group
from pipeline.model.shares import Share
from pipeline.model.strategies import RefreshStrategy
from pipeline.model.traffic import TargetHealth
from pipeline.planning.fleets import blocking

_LOWER = "restore the fleet first, or lower its floor in rebake.yaml and run again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """What a group should have, and what of it serves; in units where it is weighted, in instances otherwise."""

    name: str
    wanted: int
    healthy: int


def strength(group: Group, targets: Sequence[Sequence[TargetHealth]], *, used: bool = False) -> Strength:
    """Count who serves: in service and healthy, and healthy in every target group of the group.

    ELB's own fail-open is no health: a target group without any healthy target counts as none. One that no listener
    uses has no say, unless it is to be ``used``.
    """
    serving = {member.id for member in group.members if member.healthy and member.lifecycle == "InService"}
    for health in targets:
        if used or not health or any(target.state != "unused" for target in health):
            serving &= {target.instance for target in health if target.state == "healthy"}
    units = sum(member.weight for member in group.members if member.id in serving)
    return Strength(name=group.name, wanted=group.desired, healthy=units)


def refuse_suspended(group: Group) -> str | None:
    """Say which suspended processes would leave a group without new instances; None: none would."""
    blocked = ", ".join(blocking(group))
    return f"{group.name} has suspended {blocked}: nobody would take the old ones' place" if blocked else None


def refuse_refresh(now: Strength, strategy: RefreshStrategy, least: Share) -> str | None:
    """Say why a refresh may not begin; None: it may.

    It takes down what the minimum allows at once, and the rest must reach the floor.
    """
    batch = floor(now.wanted * (100 - strategy.min_healthy) / 100)
    return _below(now, now.healthy - batch, least.least(now.wanted), f"a refresh would take {batch} down")


def refuse_shift(origin: Strength, destination: Strength, percent: int, least: Share) -> str | None:
    """Say why a destination may not get so many percent of the traffic; None: it may.

    It needs that share of the floor, and one at least; or, on a way back, to be no weaker than where the traffic is.
    """
    needed = max(1, ceil(least.least(origin.wanted) * percent / 100)) if percent and origin.wanted else 0
    if destination.healthy >= needed or destination.healthy >= max(origin.healthy, 1):
        return None
    return (
        f"{destination.name} has {destination.healthy} healthy targets and needs {needed} for {percent} % of the "
        f"traffic of {origin.name}"
    )


def refuse_removal(left: Strength, least: Share) -> str | None:
    """Say why a group may not be removed from beside another one, which is left; None: it may."""
    return _below(left, left.healthy, least.least(left.wanted), "a group beside it would be removed")


def _below(now: Strength, remaining: int, needed: int, what: str) -> str | None:
    if remaining >= needed:
        return None
    return f"{now.name} has {now.healthy} of {now.wanted} healthy, {what}, and {needed} must stay: {_LOWER}"
