"""What stands: families, channels, fleets, and what each fleet's instances run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from pipeline.errors import NotPossible, RebakeError
from pipeline.model.fleets import ChannelEntry, Refresh
from pipeline.model.ids import ImageId, TargetGroupArn
from pipeline.model.images import Image
from pipeline.model.names import Role, andon_path
from pipeline.model.signals import Signal
from pipeline.model.views import FleetView, Side, TrafficView
from pipeline.planning.halts import halted
from pipeline.planning.patch_groups import astray
from pipeline.runs.room import Room, require_known


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetStatus:
    """A fleet at one moment; ``fault`` says why it could not be observed, ``passing`` that it may be soon.

    ``beside`` says of each other group of a blue-green fleet what it is, and its share of the traffic; ``share`` is the
    fleet's own group's and ``shifted`` the green one's, both in percent. None: no such group stands beside it.
    ``astray`` counts instances by what is wrong with their patch group. Ages are in whole days.
    """

    name: str
    group: str = ""
    desired: int = 0
    healthy: int = 0
    version: str = ""
    image: str = ""
    age_days: int | None = None
    on_channel: bool | None = None
    by_image: Mapping[str, int] = field(default_factory=dict)
    refresh: Refresh | None = None
    beside: Mapping[str, str] = field(default_factory=dict)
    patch_group: str | None = None
    astray: Mapping[str, int] = field(default_factory=dict)
    share: int | None = None
    shifted: int | None = None
    halted: str = ""
    fault: str = ""
    passing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyStatus:
    """A family at one moment: what its channel points to, its newest image, its fleets."""

    name: str
    channel: ImageId | None
    newest: Image | None
    fleets: tuple[FleetStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyHistory:
    """A family's past: images (newest first), versions of its channel, refreshes by fleet."""

    name: str
    images: tuple[Image, ...]
    channel: tuple[ChannelEntry, ...]
    refreshes: Mapping[str, tuple[Refresh, ...]]


def status(room: Room, only: str | None = None) -> tuple[FamilyStatus, ...]:
    """Report every family, or the one that is named or whose fleet is named.

    Source images are not resolved and nothing is rendered: a status is asked for often and in a hurry.
    """
    cords = room.tools.signals.under(andon_path(room.settings.channel_prefix))
    return tuple(_family(room, name, only, cords) for name in _chosen(room, only))


def history(room: Room, only: str | None = None) -> tuple[FamilyHistory, ...]:
    """Report what was baked, promoted and rolled; AWS keeps refreshes for six weeks."""
    return tuple(_history(room, name) for name in _chosen(room, only))


def _chosen(room: Room, only: str | None) -> tuple[str, ...]:
    if only is None:
        return tuple(sorted(room.settings.families))
    if only in room.settings.fleets:
        return (room.settings.fleets[only].family,)
    require_known("family or fleet", only, (*room.settings.families, *room.settings.fleets))
    return (only,)


def _refreshes(room: Room, fleet: str) -> tuple[Refresh, ...]:
    try:
        return room.fleet(fleet, copyable=False).refreshes
    except NotPossible:
        return ()  # a group that is gone has no history, and must not hide the others'


def _history(room: Room, name: str) -> FamilyHistory:
    known = room.images_of(name)
    return FamilyHistory(
        name=name,
        images=known.baked,
        channel=known.history,
        refreshes={fleet: _refreshes(room, fleet) for fleet in room.fleets_of(name)},
    )


def _family(room: Room, name: str, only: str | None, cords: Mapping[str, Signal]) -> FamilyStatus:
    known = room.images_of(name)
    fleets = [fleet for fleet in room.fleets_of(name) if only in {None, name, fleet}]
    return FamilyStatus(
        name=name,
        channel=known.channel,
        newest=known.baked[0] if known.baked else None,
        fleets=tuple(_fleet(room, fleet, known.channel, cords) for fleet in fleets),
    )


def _fleet(room: Room, name: str, channel: ImageId | None, cords: Mapping[str, Signal]) -> FleetStatus:
    try:
        view = room.fleet(name, copyable=False)
    except RebakeError as error:
        return FleetStatus(name=name, fault=error.message, passing=error.passing)
    found = describe_fleet(view, channel=channel, now=room.tools.clock.now())
    return replace(found, halted=halted(view.settings, cords) or "")


def describe_fleet(view: FleetView, *, channel: ImageId | None, now: datetime) -> FleetStatus:
    """Condense an observed fleet; pure."""
    group, version, traffic = view.group, view.version, view.traffic
    green = traffic.side(Role.GREEN) if traffic else None
    image = version.image if version else ""
    known = view.images.get(ImageId(image))
    return FleetStatus(
        name=view.settings.name,
        group=group.name,
        desired=group.desired,
        healthy=group.healthy,
        version=f"{version.id}:{version.number}" if version else group.launch_configuration,
        image=image,
        age_days=(now - known.created).days if known else None,
        on_channel=None if channel is None else all(member.image == channel for member in group.standing),
        by_image=dict(Counter(str(member.image or "unknown") for member in group.standing)),
        refresh=view.active or next(iter(view.refreshes), None),
        patch_group=view.settings.patch_group,
        astray=astray(view),
        beside={side.group.name: _beside(traffic, side) for side in traffic.others} if traffic else {},
        share=_share(traffic, traffic.targets) if traffic and traffic.others else None,
        shifted=_share(traffic, green.targets) if traffic and green else None,
    )


def _beside(traffic: TrafficView, side: Side) -> str:
    image = side.version.image if side.version else "an unknown image"
    share = _share(traffic, side.targets)
    return f"{side.group.role or 'at rest'} on {image}, {side.group.healthy} healthy, {share} % of the traffic"


def _share(traffic: TrafficView, targets: TargetGroupArn | None) -> int:
    return traffic.route.percent(targets, of=tuple(traffic.route.weights)) if targets else 0
