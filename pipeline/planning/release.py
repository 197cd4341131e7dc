"""A release: bake, smoke test, promote, roll; each only where it is needed."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.errors import ExitCode, RebakeError
from pipeline.model.fleets import RefreshStatus
from pipeline.model.images import Stage
from pipeline.model.refs import Baked, ImageRef
from pipeline.model.steps import Note, Plan, PlannedStep
from pipeline.model.views import FamilyView, FleetView
from pipeline.planning.bake import plan_bake, promotion_step, smoke_step
from pipeline.planning.roll import plan_roll, stale_members


def plan_release(view: FamilyView, fleets: Iterable[FleetView], *, force: bool = False) -> Plan:
    """Plan everything between the recipe as it is now and every fleet of the family running its image.

    What people have undone is not done again unattended: an image that the channel was moved away from, or that a
    fleet has left, is noted with the command that rolls it all the same. A fleet that cannot be rolled stops
    nothing but itself here, so that a plan shows all of them.
    """
    ordered = sorted(fleets, key=lambda fleet: fleet.settings.name)
    bake = plan_bake(view, force=force)
    current = None if force else view.current
    if current is not None and current.stage is Stage.REJECTED:
        return bake
    image: ImageRef = Baked(family=view.family.name) if current is None else current.id
    steps: list[PlannedStep] = list(bake.steps)
    if current is None or current.stage is not Stage.TESTED:
        steps.append(smoke_step(view, image, like=ordered[0] if ordered else None))
    if view.channel != image and image in view.promoted:
        return Plan(steps=tuple(steps), notes=(*bake.notes, _moved_back(view, image)))
    if view.channel != image or steps:
        steps.append(promotion_step(view, image))
    rolls = merge(_roll(fleet, image) for fleet in ordered)
    return Plan(steps=(*steps, *rolls.steps), notes=(*bake.notes, *rolls.notes))


def merge(plans: Iterable[Plan]) -> Plan:
    """Put plans one after the other."""
    listed = list(plans)
    return Plan(
        steps=tuple(step for plan in listed for step in plan.steps),
        notes=tuple(note for plan in listed for note in plan.notes),
    )


def blocked(target: str, error: RebakeError) -> Plan:
    """Note that a target needs a change which cannot be made, in the error's words."""
    note = Note(target=target, text=f"{error.message} {error.hint}".strip(), blocked=error.exit_code)
    return Plan(notes=(note,))


def _roll(fleet: FleetView, image: ImageRef) -> Plan:
    try:
        return _left(fleet, image) or plan_roll(fleet, image)
    except RebakeError as error:
        return blocked(fleet.settings.name, error)


def _moved_back(view: FamilyView, image: ImageRef) -> Note:
    name = view.family.name
    text = (
        f"channel {view.family.channel} was moved from {image} to {view.channel} and is left there; "
        f"to go forward again: rebake promote {name} --image {image}"
    )
    return Note(target=name, text=text, blocked=ExitCode.REFUSED)


def _left(fleet: FleetView, image: ImageRef) -> Plan | None:
    """Note a fleet that had the image, or was on its way to it, and was brought away from it."""
    if isinstance(image, Baked) or fleet.active is not None:
        return None
    if fleet.version is None or (fleet.version.image == image and not stale_members(fleet, image)):
        return None
    last = next((refresh for refresh in fleet.refreshes if fleet.goal(refresh) == image), None)
    if last is None or last.status is RefreshStatus.CANCELLED:
        return None  # never tried here, or broken off by somebody who may have had any reason
    if last.status is RefreshStatus.SUCCESSFUL and fleet.version.image == image:
        return None  # it got through; stragglers are rolled
    name = fleet.settings.name
    how = f"left {image} again" if last.status is RefreshStatus.SUCCESSFUL else f"ended as {last.status} on {image}"
    text = f"the fleet {how} and is not rolled unattended; to roll it all the same: rebake roll {name} --image {image}"
    return Plan(notes=(Note(target=name, text=text, blocked=ExitCode.REFUSED),))
