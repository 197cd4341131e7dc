"""Patch groups and limits as they are written, and how they become those of `pipeline.model.settings`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from pipeline.config.fields import AnyShare, Duration, Name, Section, SomeShare, lasting
from pipeline.model.settings import Limits, PatchGroup

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

    def settings(self, name: str) -> PatchGroup:
        """Say it in the model's words."""
        return PatchGroup(name=name, **dict(self))


class LimitsSection(Section):
    """What one run may touch at most, of all that this file names."""

    fleets: SomeShare = Field(default="100%", validate_default=True, description="Of all fleets; default: 100%.")
    instances: SomeShare = Field(
        default="100%", validate_default=True, description="Of their instances; default: 100%."
    )

    def settings(self) -> Limits:
        """Say it in the model's words."""
        return Limits(**dict(self))
