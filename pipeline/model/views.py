"""Snapshots: what was observed at one moment, and all that a planner may know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.model.fleets import ChannelEntry, Group, Refresh, TemplateVersion
from pipeline.model.ids import BakeKey, ImageId, RefreshId
from pipeline.model.images import Image
from pipeline.model.settings import Family, FleetSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyImages:
    """What was baked of a family, and the versions of its channel's parameter; both newest first."""

    family: Family
    baked: tuple[Image, ...]
    parameter: str
    history: tuple[ChannelEntry, ...] = ()

    @property
    def channel(self) -> ImageId | None:
        """What the channel points to; None: nothing was promoted yet."""
        return self.history[0].image if self.history else None

    @property
    def promoted(self) -> frozenset[ImageId]:
        """All that the channel ever pointed to."""
        return frozenset(entry.image for entry in self.history)


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyView(FamilyImages):
    """The same, and the recipe: its source image now, and the key that a bake would have now."""

    recipe: str
    source: Image
    key: BakeKey

    @property
    def current(self) -> Image | None:
        """The image that was baked from exactly this recipe and source image; of several the best proven."""
        images = [image for image in self.baked if image.bake_key == self.key and image.usable]
        return max(images, key=lambda image: _RANK.index(image.stage or ""), default=None)


_RANK = ("", "rejected", "candidate", "tested")


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetView:
    """A fleet: its group, the launch template version saved on it, and its refreshes (newest first).

    ``version`` is None for a group without a launch template; ``versions`` are the template's, newest first.
    ``images`` holds what is known of the images in use; an image that was deregistered is missing there.
    ``goals`` says which image each refresh goes or went to, where that is known.
    """

    settings: FleetSettings
    group: Group
    version: TemplateVersion | None
    versions: tuple[TemplateVersion, ...] = ()
    refreshes: tuple[Refresh, ...] = ()
    goals: Mapping[RefreshId, ImageId] = field(default_factory=dict)
    images: Mapping[ImageId, Image] = field(default_factory=dict)

    @property
    def active(self) -> Refresh | None:
        """The refresh (or roll-back of one) under way."""
        return next((refresh for refresh in self.refreshes if not refresh.status.ended), None)

    def goal(self, refresh: Refresh | None) -> ImageId | None:
        """The image that a refresh goes or went to."""
        return None if refresh is None else self.goals.get(refresh.id)
