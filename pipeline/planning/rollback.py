"""How a fleet comes back to the image it had before."""

from __future__ import annotations

from pipeline.errors import NotPossible
from pipeline.model.fleets import TemplateVersion
from pipeline.model.ids import ImageId
from pipeline.model.images import Stage
from pipeline.model.names import Role
from pipeline.model.rollouts import PutBack
from pipeline.model.steps import Note, Plan, PlannedStep, TagImage
from pipeline.model.strategies import BlueGreen, RefreshStrategy
from pipeline.model.views import FleetView
from pipeline.planning.blue_green import way_back
from pipeline.planning.fleets import planned, require_rollable
from pipeline.planning.good import recorded
from pipeline.planning.sides import end_of_return, give_back, put_back, resting_partner, return_to_blue
from pipeline.planning.unroll import (
    back_from,
    came_back_from,
    destination,
    left_behind,
    previous,
    require_bootable,
)


def plan_rollback(view: FleetView, *, to: int | None = None, reject: bool = False) -> Plan:
    """Plan the way back.

    Where the last thing that happened to the fleet was a way back, that is ended and nothing else is done.
    During a refresh it is AWS's own roll-back. After one that did not get through, it is a refresh to the version
    saved on the group, which AWS rewrites only on success. After one that did, it is a refresh to the version that
    the saved one was made from. In a blue-green rollout it is blue's weight back in one call, also while blue is only
    kept; later it is a group on the earlier version. ``to`` names another version. ``reject`` also rejects the image
    that is left, as soon as the way back has begun, so that no later release rolls it again.

    Raises:
        NotPossible: there is no way back; the message says why.
    """
    match view.settings.strategy:
        case RefreshStrategy() as strategy:
            return _refreshed_back(view, strategy, to=to, reject=reject)
        case BlueGreen() as strategy:
            return _shifted_back(view, strategy, to=to, reject=reject)
        case _:
            raise NotPossible(
                f"Whoever owns group {view.group.name} brings it back, too.",
                hint=f"promote or roll an earlier image: rebake promote {view.settings.family} --image ami-…",
            )


def _refreshed_back(view: FleetView, strategy: RefreshStrategy, *, to: int | None, reject: bool) -> Plan:
    saved = require_rollable(view)
    if to is None and (left := came_back_from(view, saved)) is not None:
        return recorded(view, _settled(view, put_back(view), saved, left, reject=reject), ImageId(saved.image))
    target = destination(view, saved, to=to)
    steps = back_from(view, strategy, to=to)
    if all(isinstance(one.step, PutBack) for one in steps):
        text = f"the fleet is on version {target.number} already"
        return Plan(steps=steps, notes=(Note(target=view.name, text=text),))
    plan = _marked(view, steps, left_behind(view, saved, target), reject=reject)
    return recorded(view, plan, ImageId(target.image))


def _shifted_back(view: FleetView, strategy: BlueGreen, *, to: int | None, reject: bool) -> Plan:
    traffic = view.traffic
    green, kept = (traffic.side(Role.GREEN), traffic.side(Role.BLUE)) if traffic else (None, None)
    returning = green is not None and green.group.left is not None
    if green is not None and not returning and to is None:
        left = ImageId(green.version.image) if green.version else None
        return _marked(view, give_back(view, strategy, failed=True), left, reject=reject)
    saved = require_rollable(view)
    if to in {None, saved.number} and (left := view.group.left) not in {None, saved.image}:
        plan = _settled(view, end_of_return(view, strategy), saved, left, reject=reject)
        return recorded(view, plan, ImageId(saved.image))
    if kept is not None and traffic is not None and to is None and kept.group.standing:
        plan = _marked(view, return_to_blue(view, traffic, kept, strategy), ImageId(saved.image), reject=reject)
        return recorded(view, plan, ImageId(kept.version.image)) if kept.version else plan
    partner = resting_partner(view, strategy)
    if to is not None and partner and partner.version and partner.version.id != saved.id:
        raise NotPossible(
            f"Version {to} of {saved.id} says nothing of {partner.group.name}, which boots from {partner.version.id}.",
            hint=f"it comes back on its own version {partner.version.number} without --to",
        )
    known = green if returning else partner
    target = known.version if known and known.version and to is None else previous(view, saved, to)
    require_bootable(view, target)
    why = f"{saved.image} -> version {target.number} ({target.image})"
    left = ImageId(saved.image)
    plan = _marked(view, way_back(view, strategy, target, left, why=why).steps, left, reject=reject)
    return recorded(view, plan, ImageId(target.image))


def _settled(
    view: FleetView, steps: tuple[PlannedStep, ...], saved: TemplateVersion, left: ImageId, *, reject: bool
) -> Plan:
    """Plan what a way back that has arrived still owes: run again, it goes no further."""
    text = f"the fleet was brought back from {left} to version {saved.number} already; further back goes"
    note = Note(target=view.name, text=f"{text} only a version by its number: rebake rollback {view.name} --to VERSION")
    known = view.images.get(left)
    if reject and known is not None and not known.barred:
        mark = TagImage(family=view.settings.family, image=left, stage=Stage.REJECTED)
        steps = (*planned(view, (mark, f"{left} must not be rolled again")), *steps)
    return Plan(steps=steps, notes=(note,))


def _marked(view: FleetView, back: tuple[PlannedStep, ...], left: ImageId | None, *, reject: bool) -> Plan:
    if left is None or left not in view.images or not back or view.images[left].barred:
        return Plan(steps=back)
    if not reject:
        text = f"{left} is not rejected: roll it again by hand if it was not to blame, or reject it with --reject"
        return Plan(steps=back, notes=(Note(target=view.name, text=text),))
    step = TagImage(family=view.settings.family, image=left, stage=Stage.REJECTED)
    # Marked after the way back has begun: a mark that fails must not keep the fleet on the image.
    return Plan(steps=(back[0], *planned(view, (step, f"{left} must not be rolled again")), *back[1:]))
