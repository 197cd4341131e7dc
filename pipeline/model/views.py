"""Snapshots: what was observed at one moment, and all that a planner may know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.model.baselines import Resolution
from pipeline.model.fleets import ChannelEntry, Group, Member, Refresh, TemplateVersion
from pipeline.model.good import Ledger
from pipeline.model.ids import BakeKey, GroupName, ImageId, RefreshId, TargetGroupArn
from pipeline.model.images import Image
from pipeline.model.names import Role
from pipeline.model.settings import Family, FleetSettings
from pipeline.model.traffic import Pair, Route


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
    """The same, and the recipe: its source image now, and the key that a bake would have now.

    ``patches`` is what its baseline of rules comes to now; None: its baseline is one word.
    """

    recipe: str
    source: Image
    key: BakeKey
    patches: Resolution | None = None

    @property
    def current(self) -> Image | None:
        """The image that was baked from exactly this recipe and source image; of several the best proven."""
        images = [image for image in self.baked if image.bake_key == self.key and image.usable]
        return max(images, key=lambda image: _RANK.index(image.stage or ""), default=None)


_RANK = ("", "revoked", "rejected", "candidate", "tested")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A group beside the fleet's own in a blue-green rollout, with its target group.

    ``version`` is the launch template version saved on it; None when that is gone. ``targets`` None: it was deleted.
    """

    group: Group
    targets: TargetGroupArn | None
    version: TemplateVersion | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficView:
    """A blue-green fleet's route, its own target group, and the other groups of it.

    ``elsewhere`` lists the listeners and rules besides the route that forward to its target group, ``obstacles`` what
    of its group cannot be copied.
    """

    route: Route
    targets: TargetGroupArn
    others: tuple[Side, ...] = ()
    elsewhere: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()

    def side(self, *roles: Role | None) -> Side | None:
        """The other group in one of these roles."""
        return next((side for side in self.others if side.group.role in roles), None)

    def pair(self, own: GroupName, other: Side) -> Pair:
        """Put the fleet's own group, as blue, and another one into a pair."""
        return Pair(
            route=self.route.arn,
            blue=own,
            blue_targets=self.targets,
            green=other.group.name,
            green_targets=other.targets or TargetGroupArn(""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetView:
    """A fleet: its group, the launch template version saved on it, and its refreshes (newest first).

    ``version`` is None for a group without a launch template; ``versions`` are the template's, newest first.
    ``images`` holds what is known of the images in use; an image that was deregistered is missing there.
    ``goals`` says which image each refresh goes or went to, where that is known. ``traffic`` is observed only of
    blue-green fleets, ``good`` only where good images are kept.
    """

    settings: FleetSettings
    group: Group
    version: TemplateVersion | None
    versions: tuple[TemplateVersion, ...] = ()
    refreshes: tuple[Refresh, ...] = ()
    goals: Mapping[RefreshId, ImageId] = field(default_factory=dict)
    images: Mapping[ImageId, Image] = field(default_factory=dict)
    traffic: TrafficView | None = None
    good: Ledger = ()

    @property
    def name(self) -> str:
        """The fleet's name."""
        return self.settings.name

    @property
    def groups(self) -> tuple[Group, ...]:
        """Its own group, and those beside it that take part in a blue-green rollout."""
        others = self.traffic.others if self.traffic else ()
        return (self.group, *(side.group for side in others if side.group.role))

    @property
    def members(self) -> tuple[Member, ...]:
        """The instances of these groups that are not on their way out, with those of warm pools."""
        return tuple(one for group in self.groups for one in (*group.standing, *group.warm))

    @property
    def next_images(self) -> frozenset[ImageId | None]:
        """What the next instances of these groups will boot, as far as these may have any; None: that is not known."""
        others = self.traffic.others if self.traffic else ()
        saved = [self.version, *(one.version for one in others if one.group.role in {Role.GREEN, Role.BLUE})]
        images = frozenset(None if version is None else ImageId(version.image) for version in saved)
        return images | {None} if any(group.override_templates for group in self.groups) else images

    @property
    def active(self) -> Refresh | None:
        """The refresh (or roll-back of one) under way."""
        return next((refresh for refresh in self.refreshes if not refresh.status.ended), None)

    def goal(self, refresh: Refresh | None) -> ImageId | None:
        """The image that a refresh goes or went to."""
        return None if refresh is None else self.goals.get(refresh.id)
