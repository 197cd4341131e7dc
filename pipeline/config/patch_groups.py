"""Patch groups and limits as they are written, and how they become those of `pipeline.model.settings`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from pipeline.config.fields import AnyShare, Duration, Name, Section, SomeShare, lasting
from pipeline.config.windows import Calendar, WindowOrId, WindowSection
from pipeline.model.settings import Limits, PatchGroup
from pipeline.model.windows import Freeze, OnOverrun, Timing

_UpToAYear = Annotated[Duration, lasting(timedelta(), timedelta(days=365))]


class PatchGroupSection(Section):
    """Fleets that are patched together, as one wave."""

    wave: int = Field(ge=1, le=1000, description="Its place in the order of patch groups, each its own.")
    concurrency: SomeShare = Field(
        default="1", validate_default=True, description="Fleets at once, as a number or a percentage; default: 1."
    )
    max_errors: AnyShare = Field(
        default="0", validate_default=True, description="Fleets that may fail before no further is begun; default: 0."
    )
    canary: Name | None = Field(default=None, description="The fleet that goes first and alone; default: none does.")
    min_image_age: _UpToAYear = Field(default=timedelta(), description="Of the image, since its bake; default: 0s.")
    soak_before: _UpToAYear = Field(
        default=timedelta(), description="Since the patch group before was done; default: 0s."
    )
    baseline: Name | None = Field(
        default=None, description="The one of `baselines` that SSM is to measure its instances by."
    )

    window: WindowOrId | None = Field(
        default=None,
        description="When its fleets may be rolled, or ssm:mw-… for one of Systems Manager; default: always.",
    )
    calendars: tuple[Calendar, ...] = Field(
        default=(), max_length=10, description="Change calendars that must all be open, by name or ARN; default: none."
    )
    freezes: tuple[Name, ...] = Field(default=(), description="Freezes that hold for it, by name; default: none.")
    on_overrun: OnOverrun = Field(
        default=OnOverrun.FINISH,
        description="What becomes of a fleet that is half way when the window is over; default: finish.",
    )

    def settings(self, name: str, freezes: Mapping[str, Freeze]) -> PatchGroup:
        """Say it in the model's words; names of freezes that there are not were told before."""
        own = dict(self)
        window = own.pop("window")
        timing = Timing(
            window=window.settings() if isinstance(window, WindowSection) else window,
            calendars=own.pop("calendars"),
            freezes=tuple(freezes[one] for one in own.pop("freezes") if one in freezes),
            on_overrun=own.pop("on_overrun"),
        )
        return PatchGroup(name=name, timing=timing, **own)


class LimitsSection(Section):
    """What one run may touch at most, of all that this file names."""

    fleets: SomeShare = Field(default="100%", validate_default=True, description="Of all fleets; default: 100%.")
    instances: SomeShare = Field(
        default="100%", validate_default=True, description="Of their instances; default: 100%."
    )

    def settings(self) -> Limits:
        """Say it in the model's words."""
        return Limits(**dict(self))
