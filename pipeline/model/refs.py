"""What a step of a plan calls something that an earlier step of the same plan makes."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.model.ids import ImageId


@dataclass(frozen=True, slots=True, kw_only=True)
class Baked:
    """The image that this plan bakes for the family."""

    family: str

    def __str__(self) -> str:
        return f"the new {self.family} image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """The launch template version that this plan creates for the fleet."""

    fleet: str

    def __str__(self) -> str:
        return "a new version"


ImageRef = ImageId | Baked
VersionRef = int | Created
