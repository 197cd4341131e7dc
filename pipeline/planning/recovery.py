"""What puts a fleet back when its rollout has failed, was halted, or was killed on another machine."""

from __future__ import annotations

from pipeline.model.ids import ImageId
from pipeline.model.images import Stage
from pipeline.model.steps import Note, Plan
from pipeline.model.strategies import BlueGreen, RefreshStrategy
from pipeline.model.views import FleetView
from pipeline.planning.rollback import way_back_of
from pipeline.planning.sides import give_back, put_back, settled


def plan_recovery(view: FleetView, *, rolled: bool = False, failed: bool = True) -> Plan:
    """Plan what is left to put back of a rollout that will not go on.

    ``failed``: its image was to blame, or may have been. ``rolled``: the fleet's refresh got through before the rollout
    failed, so that the way back is another refresh. A refresh that is still under way is AWS's to finish: whoever
    started it may be watching it.
    """
    match view.settings.strategy:
        case RefreshStrategy() as strategy:
            return _after_refresh(view, strategy, rolled=rolled)
        case BlueGreen() as strategy:
            return Plan(steps=give_back(view, strategy, failed=failed))
        case _:
            return Plan()


def plan_repair(view: FleetView) -> Plan:
    """Plan what a killed run has left on a fleet: groups without traffic, sizes, processes, protection, weights."""
    if view.active is not None:
        text = f"refresh {view.active.id} is {view.active.status}: wait for it, or undo it with rebake rollback"
        return Plan(notes=(Note(target=view.name, text=f"{text} {view.name}"),))
    plan = plan_recovery(view, failed=False)
    if isinstance(view.settings.strategy, BlueGreen) and plan.empty:
        plan = Plan(steps=settled(view, view.settings.strategy))
    return plan if not plan.empty else Plan(notes=(Note(target=view.name, text="nothing to put back"),))


def _after_refresh(view: FleetView, strategy: RefreshStrategy, *, rolled: bool) -> Plan:
    undo = view.group.undo
    steps = put_back(view)
    before = undo.version if undo else None
    target = next((version for version in view.versions if version.number == before), None)
    if view.active is None and (rolled or (target is not None and _mixed(view, target.image))):
        steps = (*steps, *way_back_of(view, strategy, to=before))
    return Plan(steps=steps)


def _mixed(view: FleetView, image: str) -> bool:
    """Tell whether some members left the image that stood before a roll, zone by zone, was broken off."""
    known = view.images.get(ImageId(image))
    usable = known is not None and known.stage is not Stage.REJECTED
    return usable and any(member.image != image for member in view.group.standing)
