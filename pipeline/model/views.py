"""Snapshots: what was observed at one moment, and all that a planner may know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.model.fleets import Group, Refresh, TemplateVersion
from pipeline.model.ids import BakeKey, ImageId
from pipeline.model.images import Image
from pipeline.model.settings import Family, FleetSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyView:
    """An image family: its source image now, the key a bake would have now, and what was baked before.

    ``baked`` are our own images of the family, newest first. ``channel`` is what its channel points to.
    """

    family: Family
    recipe: str
    source: Image
    key: BakeKey
    baked: tuple[Image, ...]
    parameter: str
    channel: ImageId | None

    @property
    def current(self) -> Image | None:
        """The image that was baked from exactly this recipe and source image; of several the best proven."""
        images = [image for image in self.baked if image.bake_key == self.key and image.state != "failed"]
        ranked = sorted(images, key=lambda image: _RANK.index(image.stage or ""), reverse=True)
        return ranked[0] if ranked else None


_RANK = ("", "rejected", "candidate", "tested")


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetView:
    """A fleet: its group, the launch template version saved on it, and its refreshes (newest first).

    ``version`` is None for a group without a launch template. ``images`` holds what is known of the images
    in use; an image that was deregistered is missing there. ``versions`` are the template's, newest first.
    ``desired_image`` is what the refresh under way goes to, where that is known.
    """

    settings: FleetSettings
    group: Group
    version: TemplateVersion | None
    versions: tuple[TemplateVersion, ...] = ()
    refreshes: tuple[Refresh, ...] = ()
    desired_image: ImageId | None = None
    images: Mapping[ImageId, Image] = field(default_factory=dict)

    @property
    def active(self) -> Refresh | None:
        """The refresh (or roll-back of one) under way."""
        return next((refresh for refresh in self.refreshes if not refresh.status.ended), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that was observed for one plan."""

    at: datetime
    families: Mapping[str, FamilyView] = field(default_factory=dict)
    fleets: Mapping[str, FleetView] = field(default_factory=dict)
