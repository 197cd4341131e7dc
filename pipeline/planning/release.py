"""A release: bake, smoke test, promote, roll; each only where it is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.errors import ExitCode, RebakeError
from pipeline.model.fleets import RefreshStatus
from pipeline.model.ids import ImageId
from pipeline.model.images import Stage
from pipeline.model.refs import Baked, ImageRef
from pipeline.model.settings import Settings
from pipeline.model.steps import Note, Plan
from pipeline.model.views import FamilyView, FleetView
from pipeline.model.windows import Standing, WindowRule
from pipeline.planning.bake import plan_bake, promotion_step, smoke_step
from pipeline.planning.fleets import stale_members
from pipeline.planning.roll import plan_roll
from pipeline.planning.waves import FleetPlan, in_waves


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A family and its fleets as observed; ``absent`` are fleets that could not be, with the reason as their plan.

    ``because``: bake in any case, because of this; empty: where it is needed.
    """

    family: FamilyView
    fleets: tuple[FleetView, ...] = ()
    absent: tuple[FleetPlan, ...] = ()
    because: str = ""


def plan_release(
    settings: Settings,
    families: Sequence[Released],
    now: datetime,
    *,
    force: bool = False,
    supersede: bool = False,
    rule: WindowRule | None = None,
    standings: Mapping[str, Standing] | None = None,
) -> Plan:
    """Plan everything between the recipes as they are now and every fleet running their images.

    Images come first, in the order of the families; then the fleets of all of them, wave after wave, as `in_waves`.
    """
    images: list[Plan] = []
    fleets: list[FleetPlan] = []
    for released in families:
        like = released.fleets[0] if released.fleets else None
        plan, image = plan_image(released.family, like, force=force or bool(released.because), because=released.because)
        images.append(plan)
        fleets += released.absent
        if image is not None:
            fleets += [plan_fleet(view, released.family, image, supersede=supersede) for view in released.fleets]
    return merge((*images, in_waves(settings, fleets, now, rule=rule, standings=standings)))


def plan_image(
    view: FamilyView, like: FleetView | None, *, force: bool = False, because: str = ""
) -> tuple[Plan, ImageRef | None]:
    """Plan everything between the recipe as it is now and the channel pointing to its image; answer that image, too.

    No image: none may be rolled. It was rejected, or people have moved the channel away from it, and what people have
    undone is not done again unattended.
    """
    bake = plan_bake(view, force=force, because=because)
    current = None if force else view.current
    if current is not None and current.barred:
        return bake, None
    image: ImageRef = Baked(family=view.family.name) if current is None else current.id
    steps = list(bake.steps)
    if current is None or current.stage is not Stage.TESTED:
        steps.append(smoke_step(view, image, like=like))
    if view.channel != image and image in view.promoted:
        return Plan(steps=tuple(steps), notes=(*bake.notes, _moved_back(view, image))), None
    if view.channel != image or steps:
        steps.append(promotion_step(view, image))
    return Plan(steps=tuple(steps), notes=bake.notes), image


def plan_fleet(view: FleetView, family: FamilyView, image: ImageRef, *, supersede: bool = False) -> FleetPlan:
    """Plan to bring a fleet to a release's image.

    A fleet that was brought away from the image is noted with the command that rolls it all the same. One that
    cannot be rolled stops nothing but itself here, so that a plan shows all of them.
    """
    known = None if isinstance(image, Baked) else image
    baked = next((found.created for found in family.baked if found.id == known), None)
    try:
        plan = _left(view, image) or plan_roll(view, image, supersede=supersede)
    except RebakeError as error:
        plan = blocked(view.name, error)
    return FleetPlan(
        fleet=view.name, plan=plan, view=view, image=known, baked=baked, towards=image, channel=family.parameter
    )


def merge(plans: Iterable[Plan]) -> Plan:
    """Put plans one after the other."""
    listed = list(plans)
    return Plan(
        windows=next((plan.windows for plan in listed if plan.windows != WindowRule()), WindowRule()),
        steps=tuple(step for plan in listed for step in plan.steps),
        waves=tuple(wave for plan in listed for wave in plan.waves),
        notes=tuple(note for plan in listed for note in plan.notes),
    )


def blocked(target: str, error: RebakeError) -> Plan:
    """Note that a target needs a change which cannot be made, in the error's words."""
    note = Note(target=target, text=error.whole, blocked=error.exit_code)
    return Plan(notes=(note,))


def _moved_back(view: FamilyView, image: ImageRef) -> Note:
    name = view.family.name
    text = (
        f"channel {view.family.channel} was moved from {image} to {view.channel} and is left there; "
        f"to go forward again: rebake promote {name} --image {image}"
    )
    return Note(target=name, text=text, blocked=ExitCode.REFUSED)


def _left(fleet: FleetView, image: ImageRef) -> Plan | None:
    """Note a fleet that had the image, or was on its way to it, and was brought away from it."""
    active = fleet.active
    if isinstance(image, Baked) or (active is not None and (active.status.forward or fleet.goal(active) != image)):
        return None
    if fleet.version is None or (fleet.version.image == image and not stale_members(fleet, image)):
        return None
    how = _how_left(fleet, image)
    if how is None:
        return None
    name = fleet.name
    text = f"the fleet {how} and is not rolled unattended; to roll it all the same: rebake roll {name} --image {image}"
    return Plan(notes=(Note(target=name, text=text, blocked=ExitCode.REFUSED),))


def _how_left(fleet: FleetView, image: ImageId) -> str | None:
    if fleet.group.left == image:
        return f"left {image} again"
    last = next((refresh for refresh in fleet.refreshes if fleet.goal(refresh) == image), None)
    if last is None or last.status is RefreshStatus.CANCELLED:
        return None  # never tried here, or broken off by somebody who may have had any reason
    if not last.status.ended:
        return f"is being brought away from {image}"
    if last.status is RefreshStatus.SUCCESSFUL:
        # It got through: stragglers are rolled, and a fleet that is elsewhere now was brought back.
        return None if fleet.version is not None and fleet.version.image == image else f"left {image} again"
    return f"ended as {last.status} on {image}"
