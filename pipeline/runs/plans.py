"""A plan for each verb: observe what it needs, ask the planner."""

from __future__ import annotations

from graphlib import TopologicalSorter

from pipeline.errors import NotFound, NotPossible, RefusedError, UsageError
from pipeline.model.ids import ImageId
from pipeline.model.settings import Settings, SourceChannel
from pipeline.model.steps import Plan
from pipeline.model.views import FleetView
from pipeline.planning.bake import newest_proven, plan_bake, plan_promote, plan_smoke, require_proven
from pipeline.planning.release import blocked, merge, plan_release
from pipeline.planning.roll import plan_roll
from pipeline.planning.rollback import plan_rollback
from pipeline.runs.room import Room

_OWN = (NotPossible, RefusedError, UsageError)
"""Errors of one family or fleet; all others (credentials, an outage) concern every one of them."""


def for_bake(room: Room, family: str, *, force: bool = False) -> Plan:
    """Plan a bake."""
    return plan_bake(room.family(family), force=force)


def for_smoke(room: Room, family: str, *, image: ImageId | None = None) -> Plan:
    """Plan a smoke test of an image; without one, of the newest candidate."""
    fleets = room.fleets_of(family)
    return plan_smoke(room.images_of(family), image=image, like=room.fleet(fleets[0]) if fleets else None)


def for_promote(room: Room, family: str, *, image: ImageId | None = None) -> Plan:
    """Plan to move the family's channel to an image; without one, to the newest that is tested."""
    view = room.images_of(family)
    return plan_promote(view, image or newest_proven(view).id)


def for_roll(room: Room, fleet: str, *, image: ImageId | None = None) -> Plan:
    """Plan to roll a fleet to an image; without one, to what its family's channel points to.

    Raises:
        NotFound: the channel does not exist, or the image does not.
    """
    view = room.fleet(fleet)
    family = view.settings.family
    target = image or _promoted(room, family)
    found = room.tools.images.get([target]).get(target)
    if found is None:
        raise NotFound(
            f"{target} does not exist, or this account may not see it.", hint=f"See: rebake history {family}"
        )
    require_proven(found, family=family)
    return plan_roll(view, target)


def for_rollback(room: Room, fleet: str, *, to: int | None = None, reject: bool = False) -> Plan:
    """Plan the way back for a fleet."""
    return plan_rollback(room.fleet(fleet), to=to, reject=reject)


def for_release(room: Room, families: tuple[str, ...] = (), *, force: bool = False) -> Plan:
    """Plan everything between the recipes as they are and every fleet running their images; no names: all families.

    Families come after those they are baked from. Of several, one that cannot be planned is noted and stops no other;
    one alone raises what is wrong with it.
    """
    if len(families) == 1:
        return _release(room, families[0], force=force)
    chosen = [name for name in _in_order(room.settings) if not families or name in families]
    for unknown in set(families) - set(chosen):
        room.images_of(unknown)  # raises with the nearest name
    return merge(_release_or_note(room, family, force=force) for family in chosen)


def _in_order(settings: Settings) -> tuple[str, ...]:
    graph = {
        name: [family.source.family] if isinstance(family.source, SourceChannel) else []
        for name, family in sorted(settings.families.items())
    }
    return tuple(TopologicalSorter(graph).static_order())


def _release_or_note(room: Room, family: str, *, force: bool) -> Plan:
    try:
        return _release(room, family, force=force)
    except _OWN as error:
        return blocked(family, error)


def _release(room: Room, family: str, *, force: bool) -> Plan:
    view = room.family(family)
    fleets: list[FleetView] = []
    absent: list[Plan] = []
    for name in room.fleets_of(family):
        try:
            fleets.append(room.fleet(name))
        except _OWN as error:
            absent.append(blocked(name, error))
    return merge((plan_release(view, fleets, force=force), *absent))


def _promoted(room: Room, family: str) -> ImageId:
    view = room.images_of(family)
    if view.channel is None:
        raise NotFound(
            f"Channel {view.parameter} does not exist: nothing was promoted yet.",
            hint=f"Promote an image with: rebake promote {family}",
        )
    return view.channel
