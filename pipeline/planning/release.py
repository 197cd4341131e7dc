"""A release: bake, smoke test, promote, roll; each only where it is needed."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.errors import RebakeError
from pipeline.model.images import Stage
from pipeline.model.steps import Baked, ImageRef, Note, Plan, PlannedStep
from pipeline.model.views import FamilyView, FleetView
from pipeline.planning.bake import plan_bake, plan_smoke, promotion_step
from pipeline.planning.roll import plan_roll


def plan_release(view: FamilyView, fleets: Iterable[FleetView], *, force: bool = False) -> Plan:
    """Plan everything between the recipe as it is now and every fleet of the family running its image.

    A fleet that cannot be rolled stops nothing but itself here: it is noted, so that a plan shows all of them.
    """
    ordered = sorted(fleets, key=lambda fleet: fleet.settings.name)
    bake = plan_bake(view, force=force)
    current = None if force else view.current
    if current is not None and current.stage is Stage.REJECTED:
        return bake
    image: ImageRef = Baked(family=view.family.name) if current is None else current.id
    steps: list[PlannedStep] = list(bake.steps)
    notes: list[Note] = list(bake.notes)
    if current is None or current.stage is not Stage.TESTED:
        steps.append(plan_smoke(view, image, like=ordered[0] if ordered else None))
    if current is None or current.stage is not Stage.TESTED or view.channel != image:
        steps.append(promotion_step(view, image))
    for fleet in ordered:
        try:
            plan = plan_roll(fleet, image)
        except RebakeError as error:
            notes.append(
                Note(target=fleet.settings.name, text=f"{error.message} {error.hint}".strip(), blocked=error.exit_code)
            )
            continue
        steps.extend(plan.steps)
        notes.extend(plan.notes)
    return Plan(steps=tuple(steps), notes=tuple(notes))


def merge(plans: Iterable[Plan]) -> Plan:
    """Put plans of several families one after the other."""
    listed = list(plans)
    return Plan(
        steps=tuple(step for plan in listed for step in plan.steps),
        notes=tuple(note for plan in listed for note in plan.notes),
    )
