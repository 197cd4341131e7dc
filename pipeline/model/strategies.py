"""How a fleet is replaced, as configured."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from pipeline.model.ids import GroupName


class OnBusy(StrEnum):
    """What a refresh does with instances that are protected from scale-in, or in standby (AWS's words)."""

    WAIT = "Wait"
    IGNORE = "Ignore"
    REPLACE = "Replace"
    """Refresh for protected, Terminate for standby instances."""


class OnHalt(StrEnum):
    """What becomes of a rollout under way when the andon cord is pulled."""

    ROLL_BACK = "roll-back"
    CANCEL = "cancel"
    """What was replaced stays."""
    LEAVE = "leave"
    """AWS goes on with a refresh that it has begun; nothing further is begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """When a refresh is given up long before AWS's hour.

    After ``failures`` new instances that failed (could not be launched, were terminated as unhealthy, failed status
    checks), or when one is not healthy ``within`` this time of its launch.
    """

    failures: int = 2
    within: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshStrategy:
    """An instance refresh; percentages are of desired capacity. Min and max are always both sent.

    ``root_volume`` swaps root volumes in place instead of replacing instances. ``zone_by_zone`` finishes one zone
    before the next is touched.
    """

    min_healthy: int = 90
    max_healthy: int = 110
    warmup: timedelta | None = None
    checkpoints: tuple[int, ...] = ()
    checkpoint_delay: timedelta = timedelta(hours=1)
    skip_matching: bool = True
    auto_rollback: bool = True
    soak: timedelta = timedelta()
    alarms: tuple[str, ...] = ()
    protected: OnBusy = OnBusy.WAIT
    standby: OnBusy = OnBusy.WAIT
    timeout: timedelta = timedelta(hours=4)
    patience: Patience = Patience()
    root_volume: bool = False
    zone_by_zone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BlueGreen:
    """A second group beside the first, and traffic shifted to it by weights.

    ``route`` is the ARN of a listener rule, or of a listener whose default action is meant. ``shifts`` are percent of
    the traffic, ascending to 100. ``partner`` names a second standing group to take turns with; without one, a green
    group is made for each rollout and the blue one is deleted ``keep_blue`` after the last shift.
    """

    route: str
    shifts: tuple[int, ...] = (10, 50, 100)
    soak: timedelta = timedelta(minutes=5)
    keep_blue: timedelta = timedelta(hours=1)
    healthy_within: timedelta = timedelta(minutes=15)
    partner: GroupName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StackUpdate:
    """A change set that gives the image to a parameter of the CloudFormation stack that owns the group.

    ``stack`` empty: the one that the group's own tag names.
    """

    parameter: str
    stack: str = ""
    timeout: timedelta = timedelta(hours=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOnly:
    """The channel is moved and nothing else: whoever owns the group follows it."""


Strategy = RefreshStrategy | BlueGreen | StackUpdate | ChannelOnly
