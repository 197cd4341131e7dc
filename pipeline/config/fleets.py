"""Fleets as they are written, and how they become `pipeline.model.settings.FleetSettings`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator, model_validator

from pipeline.config.fields import AnyShare, AutoScalingGroup, Duration, Name, Section, lasting, some
from pipeline.config.gates import Gate, gates
from pipeline.config.strategies import StrategySection
from pipeline.model.ids import GroupName
from pipeline.model.settings import FleetSettings, GroupByName, GroupByTags, GroupSelector
from pipeline.model.strategies import OnHalt


class GroupSection(Section):
    """The Auto Scaling group, by name or by tags."""

    name: AutoScalingGroup | None = None
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
    strategy: StrategySection = Field(
        default_factory=StrategySection, description="How it is replaced; default: by an instance refresh."
    )
    patch_group: Name | None = Field(default=None, description="Fleets that are patched together, such as dev or prod.")
    gates: Annotated[tuple[Gate, ...], *some] = Field(
        default=(), description="Conditions for the rollout to go on; default: none."
    )
    floor: AnyShare = Field(
        default="50%",
        validate_default=True,
        description="Of desired capacity, as a number or a percentage: what must stay healthy; default: 50%.",
    )
    on_halt: OnHalt = Field(
        default=OnHalt.ROLL_BACK,
        description="What becomes of its rollout when the andon cord is pulled; default: roll-back.",
    )
    keep_good: Annotated[Duration, lasting(timedelta(), timedelta(days=90))] = Field(
        default="7d",
        validate_default=True,
        description="How long a newer image must be good before the last good one may be deregistered; default: 7d.",
    )

    @field_validator("gates")
    @classmethod
    def _asked(cls, gates: tuple[Gate, ...], info: ValidationInfo) -> tuple[Gate, ...]:
        strategy = info.data.get("strategy")
        if gates and strategy and (strategy.stack or strategy.channel_only):
            words = "nobody asks gates where somebody else replaces the instances"
            raise ValueError(f"{words}: remove them, or use instance_refresh or blue_green")
        return gates

    def settings(self, name: str) -> FleetSettings:
        """Say it in the model's words."""
        return FleetSettings(
            name=name,
            family=self.family,
            group=self.group.selector(),
            strategy=self.strategy.settings(),
            patch_group=self.patch_group,
            gates=gates(self.gates),
            floor=self.floor,
            on_halt=self.on_halt,
            keep_good=self.keep_good,
        )
