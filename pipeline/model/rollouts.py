"""The steps that replace a fleet: launch template versions, instance refreshes, blue-green, and what stops them.

A blue-green step finds its pair by the fleet's name, as CreateGreen has made or found it; a way back, which makes
nothing, states the pair itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pipeline.model.gates import Gate
from pipeline.model.ids import GroupName, ImageId, RefreshId, TemplateId
from pipeline.model.names import Role
from pipeline.model.refs import ImageRef, VersionRef
from pipeline.model.strategies import BlueGreen, RefreshStrategy
from pipeline.model.traffic import Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTemplateVersion:
    """Make a launch template version from a pinned source version, with another image."""

    fleet: str
    family: str
    template: TemplateId
    source_version: int
    image: ImageRef


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldZones:
    """Protect the members outside one zone from being replaced, and nobody inside it."""

    fleet: str
    group: GroupName
    zone: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRefresh:
    """Cancel a refresh that goes elsewhere, and wait until AWS has let go of it; what it replaced stays."""

    fleet: str
    group: GroupName
    refresh: RefreshId


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRefresh:
    """Start an instance refresh towards a numbered version, or adopt one that already goes there.

    ``saved`` is the version that stands on the group when it starts. ``undo`` False: it is a way back, which nothing
    bars and nobody undoes. ``image`` is given to overrides that name one themselves.
    """

    fleet: str
    group: GroupName
    template: TemplateId
    saved: VersionRef
    version: VersionRef
    strategy: RefreshStrategy
    auto_rollback: bool
    undo: bool = True
    image: ImageRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitRefresh:
    """Watch the group's refresh to its end, or until a gate refuses or too many new instances fail.

    ``refresh`` names one that runs already; None: the one just started. ``undo`` as in StartRefresh: a way back is
    watched to its end, come what may.
    """

    fleet: str
    group: GroupName
    strategy: RefreshStrategy
    refresh: RefreshId | None = None
    undo: bool = True
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBackRefresh:
    """Ask AWS to roll the running refresh back; where AWS cannot, it is cancelled."""

    fleet: str
    group: GroupName
    refresh: RefreshId


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateGreen:
    """Bring up a green group of blue's size and shape, in a target group of its own at weight 0; or adopt it.

    ``blue`` is pinned to its size meanwhile. ``origin`` is the group that the fleet began with. ``partner`` is the
    standing group that takes the part of green; None: one is made. ``left`` is the image that the fleet is brought away
    from, where green is a way back: noted on it, so that the same command run again does not take it for a rollout.
    """

    fleet: str
    blue: GroupName
    origin: GroupName
    template: TemplateId
    version: VersionRef
    strategy: BlueGreen
    partner: GroupName | None = None
    left: ImageId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitTargetsHealthy:
    """Wait until green has at least blue's size in targets that the load balancer finds healthy."""

    fleet: str
    within: timedelta
    pair: Pair | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftTraffic:
    """Give green so many percent of what the two groups of the pair have together.

    ``after`` is what it must have now; None: whatever it has. Somebody else's shift is not overridden. ``leave``: it
    is a way back, on which clients that stick to the group that is left must come along, too.
    """

    fleet: str
    percent: int
    pair: Pair | None = None
    after: int | None = None
    leave: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """Wait and watch: a gate that refuses ends it at once, and at its end every gate must pass.

    Green must keep ``percent`` of the traffic meanwhile: somebody who takes it away has his reasons.
    """

    fleet: str
    percent: int
    duration: timedelta
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """Wait until nobody can hold on to blue any more: stickiness of the route and of its targets, deregistration."""

    fleet: str
    pair: Pair | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckGate:
    """Let the fleet's rollout go on only when every gate passes; one that stays unknown too long refuses."""

    fleet: str
    gates: tuple[Gate, ...]
    patience: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class NameLive:
    """Write down that green is the fleet's group now, until when blue is kept, and what it was brought away from."""

    fleet: str
    keep: timedelta
    pair: Pair | None = None
    left: ImageId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireGroup:
    """Remove the pair's blue group, which has no traffic: delete one that was made, empty one that stands.

    Not before its rollback window is over, unless ``at_once``. ``role`` is what it must still be: another run may have
    brought it back. ``left`` is the image that the fleet is brought away from: noted on the group that stays, so that
    no release rolls it again unattended.
    """

    fleet: str
    role: Role
    pair: Pair | None = None
    standing: bool = False
    at_once: bool = False
    left: ImageId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBack:
    """Undo on a group what its own tag says was changed, and take the tag away.

    ``returning``: the instances follow by a refresh. Until they are back the tag keeps the version that they go to.
    """

    fleet: str
    group: GroupName
    returning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateStack:
    """Give the image to a parameter of the stack that owns the group, by change set, and wait for the stack."""

    fleet: str
    stack: str
    parameter: str
    image: ImageRef
    timeout: timedelta
