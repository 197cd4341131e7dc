"""A plan for each verb: observe what it needs, ask the planner."""

from __future__ import annotations

from pipeline.errors import ExitCode, NotFound, RebakeError
from pipeline.model.ids import ImageId
from pipeline.model.images import Image
from pipeline.model.steps import Note, Plan
from pipeline.model.views import FleetView
from pipeline.planning.bake import find_baked, newest_proven, plan_bake, plan_promote, plan_smoke, require_proven
from pipeline.planning.release import merge, plan_release
from pipeline.planning.roll import plan_roll
from pipeline.planning.rollback import plan_rollback
from pipeline.runs.room import Room


def for_bake(room: Room, family: str, *, force: bool = False) -> Plan:
    """Plan a bake."""
    return plan_bake(room.family(family), force=force)


def for_smoke(room: Room, family: str, *, image: ImageId | None = None) -> Plan:
    """Plan a smoke test of an image (also one tested before); without one, of the newest candidate.

    Raises:
        NotFound: the family has no image.
    """
    view = room.family(family)
    if image is not None:
        chosen: Image | None = find_baked(view, image)
    else:
        chosen = view.current or (view.baked[0] if view.baked else None)
    if chosen is None:
        raise NotFound(f"Family {family} has no image to test.", hint=f"Bake one with: rebake bake {family}")
    fleets = room.fleets_of(family)
    return Plan(steps=(plan_smoke(view, chosen.id, like=room.fleet(fleets[0]) if fleets else None),))


def for_promote(room: Room, family: str, *, image: ImageId | None = None) -> Plan:
    """Plan to move the family's channel to an image; without one, to the newest that is tested."""
    view = room.family(family)
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
    """Plan everything between the recipes as they are and every fleet running their images; no names: all families."""
    chosen = families or tuple(sorted(room.settings.families))
    return merge(_release(room, family, force=force) for family in chosen)


def _release(room: Room, family: str, *, force: bool) -> Plan:
    views: list[FleetView] = []
    absent: list[Note] = []
    view = room.family(family)
    for name in room.fleets_of(family):
        try:
            views.append(room.fleet(name))
        except RebakeError as error:
            if error.exit_code is not ExitCode.FAILED:
                raise
            absent.append(Note(target=name, text=f"{error.message} {error.hint}".strip(), blocked=error.exit_code))
    return merge((plan_release(view, views, force=force), Plan(notes=tuple(absent))))


def _promoted(room: Room, family: str) -> ImageId:
    view = room.family(family)
    if view.channel is None:
        raise NotFound(
            f"Channel {view.parameter} does not exist: nothing was promoted yet.",
            hint=f"Promote an image with: rebake promote {family}",
        )
    return view.channel
