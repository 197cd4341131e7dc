"""What puts a fleet back when its rollout has failed, was halted, or was killed on another machine."""

from __future__ import annotations

from pipeline.model.fleets import Refresh
from pipeline.model.ids import ImageId
from pipeline.model.names import Role, template_origin
from pipeline.model.rollouts import CancelRefresh, RetireGroup
from pipeline.model.steps import Note, Plan, PlannedStep, Wave
from pipeline.model.strategies import BlueGreen, OnHalt, RefreshStrategy
from pipeline.model.views import FleetView
from pipeline.planning.blue_green import retirement
from pipeline.planning.fleets import planned
from pipeline.planning.sides import give_back, put_back, settled
from pipeline.planning.unroll import back_from, taken_over


def plan_recovery(
    view: FleetView, how: OnHalt = OnHalt.ROLL_BACK, *, away: ImageId | None = None, begun: bool, failed: bool = True
) -> Plan:
    """Plan what is left to put back of a rollout that will not go on.

    ``away`` is the image that the fleet was being brought to; ``failed``: it was to blame, or may have been.
    ``begun``: a refresh was asked for, so that instances may be on it. With CANCEL a refreshed fleet stays the mix that
    it is, and with LEAVE also a refresh that runs goes on; so does one that somebody else has begun in its place. What
    was changed on the group for the sake of a refresh is put back only when none runs: it would replace whom it must
    not.
    """
    match view.settings.strategy:
        case RefreshStrategy() as strategy:
            return Plan(steps=_after_refresh(view, strategy, how, away=away, begun=begun))
        case BlueGreen() as strategy if how is not OnHalt.LEAVE:
            return Plan(steps=give_back(view, strategy, failed=failed))
        case _:
            return Plan()


def plan_repair(view: FleetView) -> Plan:
    """Plan what a killed run has left on a fleet: groups without traffic, sizes, processes, protection, weights.

    The end of a blue group whose rollback window is not over yet comes last, as a wave of its own.
    """
    if view.active is not None and not _returning(view, view.active):
        text = f"refresh {view.active.id} is {view.active.status}: wait for it, or undo it with rebake rollback"
        return Plan(notes=(Note(target=view.name, text=f"{text} {view.name}"),))
    steps = plan_recovery(view, begun=False, failed=False).steps
    waves: tuple[Wave, ...] = ()
    if isinstance(view.settings.strategy, BlueGreen) and view.traffic and view.traffic.side(Role.GREEN) is None:
        owed = settled(view, view.settings.strategy)
        waves = retirement(view, tuple(one for one in owed if isinstance(one.step, RetireGroup)))
    notes = () if steps or waves else (Note(target=view.name, text="nothing to put back"),)
    return Plan(steps=steps, waves=waves, notes=notes)


def _returning(view: FleetView, active: Refresh) -> bool:
    """Tell whether a refresh is a way back, zone by zone, whose record is still on the group."""
    undo = view.group.undo
    return undo is not None and active.desired is not None and active.desired.number == undo.version


def _after_refresh(
    view: FleetView, strategy: RefreshStrategy, how: OnHalt, *, away: ImageId | None, begun: bool
) -> tuple[PlannedStep, ...]:
    active = view.active
    if how is OnHalt.LEAVE or taken_over(view, away):
        return () if active is not None else put_back(view)
    if how is OnHalt.CANCEL:
        return (*_cancelled(view), *put_back(view))
    return back_from(view, strategy, away=away) if begun or _by_zones(view) else put_back(view)


def _cancelled(view: FleetView) -> tuple[PlannedStep, ...]:
    active = view.active
    if active is None:
        return ()
    step = CancelRefresh(fleet=view.name, group=view.group.name, refresh=active.id)
    return planned(view, (step, f"refresh {active.id} is {active.status} at {active.percentage} %"))


def _by_zones(view: FleetView) -> bool:
    """Tell whether some members left the image that stood before a roll, zone by zone, was broken off."""
    undo, saved = view.group.undo, view.version
    before = next((one for one in view.versions if undo is not None and one.number == undo.version), None)
    if before is None or saved is None:
        return False
    origin = template_origin(saved.description)
    if saved.number != before.number and (origin is None or origin[2] != before.number):
        return False  # somebody else has brought the group to a version of his own since
    known = view.images.get(ImageId(before.image))
    usable = known is not None and not known.barred
    return usable and any(member.image != before.image for member in view.group.standing)
