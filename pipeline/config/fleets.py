"""Fleets as they are written, and how they become `pipeline.model.settings.FleetSettings`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator, model_validator

from pipeline.config.fields import Duration, Flag, Name, Percent, Section, lasting, shaped
from pipeline.model.ids import GroupName
from pipeline.model.settings import FleetSettings, GroupByName, GroupByTags, GroupSelector
from pipeline.model.strategies import OnBusy, RefreshStrategy

_ALL = 100
_MAX_DEFAULT = 110
_UpToTwoDays = Annotated[Duration, lasting(timedelta(), timedelta(hours=48))]


class Refresh(Section):
    """An instance refresh; percentages are of the group's desired capacity."""

    min_healthy: Percent = Field(default=90, description="0-100: what stays in service; default: 90.")
    max_healthy: Percent | None = Field(
        default=None,
        description="100-200: the most that may run at once, at most 100 above min_healthy; default: 110, or less "
        "where min_healthy asks for it. 100 and 100: one at a time, new before old.",
    )
    warmup: _UpToTwoDays | None = Field(default=None, description="After InService; default: the group's own.")
    checkpoints: list[Percent] = Field(
        default_factory=list, description="Percentages to pause at, ascending; the last must be 100."
    )
    checkpoint_delay: _UpToTwoDays = Field(default=timedelta(hours=1), description="The pause; default: 1h.")
    skip_matching: Flag = Field(default=True, description="Leave instances alone that match already; default: true.")
    auto_rollback: Flag = Field(default=True, description="Let AWS roll back a failed refresh; default: true.")
    soak: _UpToTwoDays = Field(default=timedelta(), description="Watch so long before it counts as done; default: 0s.")
    alarms: list[Annotated[str, *shaped(r"[^\n]{1,255}", "an alarm's name")]] = Field(
        default_factory=list, max_length=10, description="CloudWatch alarms that fail the refresh (10 at most)."
    )
    protected: OnBusy = Field(default=OnBusy.WAIT, description="Instances protected from scale-in; default: Wait.")
    standby: OnBusy = Field(default=OnBusy.WAIT, description="Instances in standby; default: Wait.")
    timeout: Annotated[Duration, lasting(timedelta(minutes=1), timedelta(days=14))] = Field(
        default=timedelta(hours=4), description="How long to wait for the refresh to end; default: 4h."
    )

    @field_validator("min_healthy")
    @classmethod
    def _min(cls, value: int) -> int:
        if not 0 <= value <= _ALL:
            raise ValueError("must be between 0 and 100")
        return value

    @field_validator("max_healthy")
    @classmethod
    def _max(cls, value: int, info: ValidationInfo) -> int:
        if not _ALL <= value <= 2 * _ALL:
            raise ValueError("must be between 100 and 200")
        low = info.data.get("min_healthy", value)
        if value - low > _ALL:
            raise ValueError(f"may be at most 100 above min_healthy, so at most {low + _ALL} here")
        return value

    @field_validator("checkpoints")
    @classmethod
    def _ascending(cls, values: list[int]) -> list[int]:
        if any(not 1 <= value <= _ALL for value in values) or values != sorted(set(values)):
            raise ValueError("must ascend from 1 to 100, each once")
        if values and values[-1] != _ALL:
            raise ValueError(
                f"end at {values[-1]}: AWS would stop there, call it Successful and leave the rest on the old image; "
                "make the last one 100"
            )
        return values

    def settings(self) -> RefreshStrategy:
        """Say it in the model's words."""
        given = self.model_dump()
        highest = min(_MAX_DEFAULT, self.min_healthy + _ALL) if self.max_healthy is None else self.max_healthy
        return RefreshStrategy(
            **{
                **given,
                "max_healthy": highest,
                "checkpoints": tuple(self.checkpoints),
                "alarms": tuple(self.alarms),
            }
        )


class Strategy(Section):
    """How a fleet is replaced."""

    instance_refresh: Refresh = Field(default_factory=Refresh)


class GroupSection(Section):
    """The Auto Scaling group, by name or by tags."""

    name: Annotated[str, *shaped(r"[^:\s]([^:\n]{0,253}[^:\s])?", "an Auto Scaling group's name")] | None = None
    tag: dict[str, str] | None = None

    @model_validator(mode="after")
    def _one(self) -> GroupSection:
        if (self.name is None) == (not self.tag):
            raise ValueError("name the group, or give the tags it carries: {tag: {Service: web}}")
        return self

    def selector(self) -> GroupSelector:
        """Say it in the model's words."""
        return GroupByName(name=GroupName(self.name)) if self.name else GroupByTags(tags=self.tag or {})


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


_TAG_SCHEMA = {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}}
_GROUP_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "properties": {"tag": _TAG_SCHEMA}, "required": ["tag"], "additionalProperties": False},
    ]
}


class FleetSection(Section):
    """One Auto Scaling group and how it is replaced."""

    family: Name = Field(description="The image family that it runs.")
    group: Annotated[GroupSection, BeforeValidator(_named), WithJsonSchema(_GROUP_SCHEMA)] = Field(
        description="The Auto Scaling group: its name, or {tag: {…}} with the tags that it alone carries."
    )
    strategy: Strategy = Field(default_factory=Strategy)
    patch_group: Name | None = Field(default=None, description="Fleets that are patched together, such as dev or prod.")

    def settings(self, name: str) -> FleetSettings:
        """Say it in the model's words."""
        return FleetSettings(
            name=name,
            family=self.family,
            group=self.group.selector(),
            strategy=self.strategy.instance_refresh.settings(),
            patch_group=self.patch_group,
        )
