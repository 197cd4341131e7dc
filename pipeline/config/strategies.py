"""Strategies as they are written, and how they become those of `pipeline.model.strategies`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from pipeline.config.fields import AutoScalingGroup, Duration, Flag, MetricName, Percent, Section, lasting, shaped
from pipeline.model.strategies import BlueGreen, ChannelOnly, OnBusy, Patience, RefreshStrategy, StackUpdate, Strategy

_ALL = 100
_MAX_DEFAULT = 110
_UpToTwoDays = Annotated[Duration, lasting(timedelta(), timedelta(hours=48))]
_UpToADay = Annotated[Duration, lasting(timedelta(minutes=1), timedelta(hours=24))]
_Timeout = Annotated[Duration, lasting(timedelta(minutes=1), timedelta(days=14))]


def _to_all(otherwise: str) -> AfterValidator:
    def check(values: tuple[int, ...]) -> tuple[int, ...]:
        if any(not 1 <= value <= _ALL for value in values) or list(values) != sorted(set(values)):
            raise ValueError("must ascend from 1 to 100, each once")
        if values and values[-1] != _ALL:
            raise ValueError(f"end at {values[-1]}: {otherwise}; make the last one 100")
        return values

    return AfterValidator(check)


class GiveUp(Section):
    """When a refresh is given up, long before AWS would (an hour)."""

    failures: int = Field(
        default=2, ge=1, le=1000, description="After so many new instances that failed to launch or live; default: 2."
    )
    within: _UpToADay = Field(
        default=timedelta(minutes=10), description="When a new instance is not healthy so soon; default: 10m."
    )


class Refresh(Section):
    """An instance refresh; percentages are of the group's desired capacity."""

    min_healthy: Percent = Field(default=90, ge=0, le=100, description="0-100: what stays in service; default: 90.")
    max_healthy: Percent | None = Field(
        default=None,
        description="100-200: the most that may run at once, at most 100 above min_healthy; default: 110, or less "
        "where min_healthy asks for it. 100 and 100: one at a time, new before old.",
    )
    warmup: _UpToTwoDays | None = Field(default=None, description="After InService; default: the group's own.")
    checkpoints: Annotated[
        tuple[Percent, ...], _to_all("AWS would stop there, call it Successful and leave the rest on the old image")
    ] = Field(default=(), description="Percentages to pause at, ascending; the last must be 100.")
    checkpoint_delay: _UpToTwoDays = Field(default=timedelta(hours=1), description="The pause; default: 1h.")
    skip_matching: Flag = Field(default=True, description="Leave instances alone that match already; default: true.")
    auto_rollback: Flag = Field(
        default=True, description="Roll back what fails; false: it is cancelled and stays mixed; default: true."
    )
    soak: _UpToTwoDays = Field(default=timedelta(), description="Watch so long before it counts as done; default: 0s.")
    alarms: tuple[MetricName, ...] = Field(
        default=(), max_length=10, description="CloudWatch alarms that fail the refresh (10 at most)."
    )
    protected: OnBusy | None = Field(
        default=None, description="Instances protected from scale-in; default: Wait, with zone_by_zone: Ignore."
    )
    standby: OnBusy = Field(default=OnBusy.WAIT, description="Instances in standby; default: Wait.")
    timeout: _Timeout = Field(
        default=timedelta(hours=4), description="How long to wait for the refresh to end; default: 4h."
    )
    patience: GiveUp = Field(
        default_factory=GiveUp, alias="give_up", description="When to give up; default: 2 failures, 10m."
    )
    root_volume: Flag = Field(
        default=False,
        alias="replace_root_volume",
        description="Swap root volumes in place instead of replacing instances; default: false.",
    )
    zone_by_zone: Flag = Field(
        default=False, description="Finish one availability zone before the next is touched; default: false."
    )

    @field_validator("max_healthy")
    @classmethod
    def _max(cls, value: int, info: ValidationInfo) -> int:
        if not _ALL <= value <= 2 * _ALL:
            raise ValueError("must be between 100 and 200")
        low = info.data.get("min_healthy", value)
        if value - low > _ALL:
            raise ValueError(f"may be at most 100 above min_healthy, so at most {low + _ALL} here")
        return value

    @model_validator(mode="after")
    def _zones(self) -> Refresh:
        if self.zone_by_zone and self.root_volume:
            raise ValueError("zone_by_zone replaces instances and replace_root_volume keeps them: choose one")
        if self.zone_by_zone and self.protected not in (None, OnBusy.IGNORE):
            raise ValueError(
                "zone_by_zone works by protecting the instances of other zones, which Wait would wait for and Replace "
                "would replace; leave protected out, or say Ignore"
            )
        return self

    def settings(self) -> RefreshStrategy:
        """Say it in the model's words."""
        highest = min(_MAX_DEFAULT, self.min_healthy + _ALL) if self.max_healthy is None else self.max_healthy
        derived = {
            "max_healthy": highest,
            "protected": self.protected or (OnBusy.IGNORE if self.zone_by_zone else OnBusy.WAIT),
            "patience": Patience(**dict(self.patience)),
        }
        return RefreshStrategy(**{**dict(self), **derived})


class Linear(Section):
    """Shifts of one size."""

    step: Percent = Field(ge=1, le=100, description="Percent of the traffic at each shift.")


class BlueGreenSection(Section):
    """A second group beside the first, to which the load balancer's traffic is shifted by weights."""

    route: Annotated[
        str,
        *shaped(
            r"arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:\d{12}:"
            r"listener(/(app|net)(/[\w-]+){3}|-rule/app(/[\w-]+){4})",
            "the ARN of a load balancer's listener, or of a listener rule",
        ),
    ] = Field(alias="rule", description="The listener rule's ARN, or a listener's: its default action is then meant.")
    shifts: Annotated[tuple[Percent, ...], _to_all("the old group would keep the rest")] = Field(
        default=(), min_length=1, description="Percent of the traffic, ascending to 100; default: 10, 50, 100."
    )
    linear: Linear | None = Field(default=None, description="Instead of shifts: as many of one size as are needed.")
    all_at_once: Flag = Field(default=False, description="Instead of shifts: a single one; default: false.")
    soak: _UpToTwoDays = Field(default=timedelta(minutes=5), description="Watch after each shift; default: 5m.")
    keep_blue: _UpToTwoDays = Field(
        default=timedelta(hours=1), description="Keep the old group so long for a quick way back; default: 1h."
    )
    healthy_within: _UpToADay = Field(
        default=timedelta(minutes=15), description="Green's targets must be healthy so soon; default: 15m."
    )
    partner: AutoScalingGroup | None = Field(
        default=None,
        description="A second standing group to take turns with; default: a green group is made for each rollout.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> BlueGreenSection:
        if sum(map(bool, (self.shifts, self.linear, self.all_at_once))) > 1:
            raise ValueError("say one of shifts, linear and all_at_once")
        return self

    def settings(self) -> BlueGreen:
        """Say it in the model's words."""
        shifts = (_ALL,) if self.all_at_once else self.shifts or (10, 50, _ALL)
        if self.linear:
            shifts = (*range(self.linear.step, _ALL, self.linear.step), _ALL)
        given = {key: value for key, value in self if key not in ("linear", "all_at_once")}
        return BlueGreen(**{**given, "shifts": shifts})


class StackSection(Section):
    """A change set for the CloudFormation stack that owns the group."""

    parameter: Annotated[str, *shaped(r"[A-Za-z0-9]{1,255}", "a template parameter's name")] = Field(
        description="The stack's parameter that takes the image."
    )
    stack: Annotated[
        str,
        *shaped(
            r"[A-Za-z][A-Za-z0-9-]{0,127}|arn:aws[a-z-]*:cloudformation:[a-z0-9-]+:\d{12}:stack/[A-Za-z0-9/-]+",
            "a stack's name or ARN",
        ),
    ] = Field(default="", description="The stack; default: the one that the group's own tag names.")
    timeout: _Timeout = Field(default=timedelta(hours=4), description="How long to wait for the stack; default: 4h.")

    def settings(self) -> StackUpdate:
        """Say it in the model's words."""
        return StackUpdate(**dict(self))


class StrategySection(Section):
    """How a fleet is replaced: exactly one of these; by an instance refresh when nothing is said."""

    instance_refresh: Refresh | None = Field(default=None, description="AWS's own replacement, batch by batch.")
    blue_green: BlueGreenSection | None = Field(default=None, description="A second group, and traffic shifted to it.")
    stack: StackSection | None = Field(default=None, description="The stack that owns the group is given the image.")
    channel_only: Flag = Field(
        default=False, description="Move the channel and nothing else; the group's owner follows it. Default: false."
    )

    @model_validator(mode="after")
    def _one(self) -> StrategySection:
        if sum(map(bool, (self.instance_refresh, self.blue_green, self.stack, self.channel_only))) > 1:
            raise ValueError("say exactly one of instance_refresh, blue_green, stack, channel_only")
        return self

    def settings(self) -> Strategy:
        """Say it in the model's words."""
        if self.channel_only:
            return ChannelOnly()
        return (self.blue_green or self.stack or self.instance_refresh or Refresh()).settings()
