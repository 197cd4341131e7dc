"""How a fleet comes to an image, by whatever strategy is configured for it."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from pipeline.errors import NotPossible
from pipeline.model.refs import ImageRef
from pipeline.model.rollouts import UpdateStack
from pipeline.model.steps import Note, Plan
from pipeline.model.strategies import BlueGreen, ChannelOnly, RefreshStrategy, StackUpdate
from pipeline.model.views import FleetView
from pipeline.planning.blue_green import plan_blue_green
from pipeline.planning.fleets import describe_members, planned
from pipeline.planning.good import recorded
from pipeline.planning.ownership import owner_notes, owning_stack
from pipeline.planning.refresh import plan_refresh


def plan_roll(view: FleetView, image: ImageRef, *, supersede: bool = False) -> Plan:
    """Plan to bring the fleet to the image; a fleet that is there needs nothing.

    Raises:
        NotPossible: it cannot be done safely; the message says why.
        HeldError: an instance refresh is under way that goes elsewhere.
    """
    match view.settings.strategy:
        case RefreshStrategy() as strategy:
            plan = recorded(view, plan_refresh(view, image, strategy, supersede=supersede), image)
        case BlueGreen() as strategy:
            plan = recorded(view, plan_blue_green(view, image, strategy), image)
        case StackUpdate() as strategy:
            return recorded(view, _through_stack(view, image, strategy), image)
        case ChannelOnly():
            return _left_to_owner(view, image)
        case _ as never:
            assert_never(never)
    return plan if plan.empty else replace(plan, notes=(*plan.notes, *owner_notes(view)))


def _through_stack(view: FleetView, image: ImageRef, strategy: StackUpdate) -> Plan:
    stack = strategy.stack or owning_stack(view.group.tags)
    if stack is None:
        raise NotPossible(
            f"Group {view.group.name} carries no tag of a CloudFormation stack.",
            hint="name the stack: strategy: {stack: {stack: …, parameter: …}}",
        )
    if _there(view, image):
        return Plan(notes=(_all_there(view, image),))
    step = UpdateStack(
        fleet=view.name, stack=stack, parameter=strategy.parameter, image=image, timeout=strategy.timeout
    )
    return Plan(steps=planned(view, (step, f"{describe_members(view)} -> change set on stack {stack}")))


def _left_to_owner(view: FleetView, image: ImageRef) -> Plan:
    if _there(view, image):
        return Plan(notes=(_all_there(view, image),))
    text = f"{describe_members(view)}; only the channel is moved, and the group's owner follows it"
    return Plan(notes=(Note(target=view.name, text=text),))


def _there(view: FleetView, image: ImageRef) -> bool:
    return all(member.image == image for member in view.group.standing) and (
        view.version is None or view.version.image == image
    )


def _all_there(view: FleetView, image: ImageRef) -> Note:
    return Note(target=view.name, text=f"all {len(view.group.standing)} instances are on {image}")
