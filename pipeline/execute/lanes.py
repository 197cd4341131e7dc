"""One fleet, from its first step to its last: what is halted, broken off or fails on the way is put back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import dropwhile, takewhile

from pipeline.errors import Defect, HeldError, RebakeError, Unavailable
from pipeline.execute.outages import Patience, patiently
from pipeline.execute.performing import tell
from pipeline.execute.progressing import Planner, Progressing
from pipeline.execute.stopping import called_off
from pipeline.execute.taking import Stopped, Watch, take_steps, watched
from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import PACE, Waiting
from pipeline.execute.windows import await_window, goes_on, overrun
from pipeline.model.gates import ApprovalGate
from pipeline.model.ids import ImageId
from pipeline.model.leases import fleet_lease
from pipeline.model.outcomes import (
    Done,
    Failed,
    Halted,
    LaneResult,
    Outcome,
    Paused,
    Refused,
    RolledBack,
    Skipped,
)
from pipeline.model.rollouts import AwaitRefresh, CheckGate, PutBack, StartRefresh, UpdateStack
from pipeline.model.steps import Lane, Plan, PlannedStep
from pipeline.model.strategies import OnHalt, RefreshStrategy

_STALE = timedelta(minutes=1)
"""How old a lane's plan may be when it begins."""
_ROUNDS = 2
"""How often a way back is planned: once more where what stands turned out otherwise."""


def run_lane(bench: Workbench, progress: Progressing, planner: Planner) -> Waiting[LaneResult]:
    """Take a fleet's steps; an unhappy end is followed by whatever puts the fleet back."""
    fleet = progress.lane.fleet
    stopped: RebakeError | None = None
    outcome: Outcome
    try:
        outcome = yield from _forward(bench, progress, planner)
    except RebakeError as error:
        stopped, outcome = error, Failed(reason=error.message, hint=error.hint)
    except Exception as error:  # noqa: BLE001 - a fault of ours must not leave a fleet half way
        stopped, outcome = Defect(error), Failed(reason=str(error))
    if not isinstance(outcome, (Done, Skipped)) and not (isinstance(outcome, Paused) and goes_on(bench, progress)):
        stopped = _taken(bench) or stopped
        # What another run has under way is its to end; and before we hold the fleet there is nothing of ours on it.
        if bench.keeper.holds(fleet_lease(fleet)) and not isinstance(stopped, HeldError):
            outcome = yield from put_back(bench, progress, planner, outcome, _way(bench, fleet, outcome))
    return LaneResult(fleet=fleet, results=tuple(progress.results), outcome=outcome, stopped=stopped)


def _taken(bench: Workbench) -> HeldError | None:
    """Tell whether what went wrong is that somebody else has the fleet now."""
    try:
        bench.keeper.check()
    except HeldError as error:
        return error
    except Unavailable:
        return None
    return None


def hold(bench: Workbench, name: str, *, urgent: bool = False) -> Waiting[datetime | None]:
    """Take a lease; an outage is waited out, and by a patient run whoever has it. Otherwise as `Keeper.take`."""
    target, outage, said = name.partition("-")[2], Patience(), False
    while True:
        try:
            return bench.keeper.take(name, urgent=urgent)
        except HeldError as error:
            if not bench.keeper.patient:
                raise
            if not said:
                bench.say(target, f"{error.message} It is waited for.")
            said = True
            pause = PACE
        except Unavailable as error:
            pause = outage.after(bench, target, error)
        yield pause


def _way(bench: Workbench, fleet: str, outcome: Outcome) -> OnHalt:
    """Choose how a fleet is put back, as it is configured."""
    settings = bench.settings.fleets[fleet]
    if isinstance(outcome, Halted):
        return settings.on_halt
    if isinstance(outcome, Paused):
        return OnHalt.ROLL_BACK
    strategy = settings.strategy
    by_hand = isinstance(strategy, RefreshStrategy) and not strategy.auto_rollback
    return OnHalt.CANCEL if by_hand else OnHalt.ROLL_BACK


def break_off(bench: Workbench, progress: Progressing, planner: Planner) -> Waiting[LaneResult]:
    """Put back a fleet whose lane was interrupted; what AWS finishes by itself is not waited for."""
    fleet = progress.lane.fleet
    step = progress.current.step if progress.current is not None else None
    if progress.paused and progress.current is None:
        paused = Paused(reason="it stays half way, with nothing under way in AWS")
        return LaneResult(fleet=fleet, results=tuple(progress.results), outcome=paused)
    if stack := _updating(progress):
        left = stack
    elif isinstance(step, (StartRefresh, AwaitRefresh)) and (progress.returning or not step.undo):
        left = f"the way back of {fleet} goes on in AWS"
    elif isinstance(step, AwaitRefresh) and bench.made.refresh(fleet, step.refresh) not in bench.made.started:
        left = f"the refresh of {fleet} goes on in AWS: another run had started it"
    else:
        broken = Halted(reason="the run was interrupted")
        outcome = yield from put_back(bench, progress, planner, broken, OnHalt.ROLL_BACK, hurry=True)
        return LaneResult(fleet=fleet, results=tuple(progress.results), outcome=outcome)
    return LaneResult(fleet=fleet, results=tuple(progress.results), outcome=Halted(reason=left))


def _updating(progress: Progressing) -> str:
    step = progress.current.step if progress.current is not None else None
    if not isinstance(step, UpdateStack):
        return ""
    return f"the update of stack {step.stack} goes on in CloudFormation, if it has begun"


def put_back(
    bench: Workbench, progress: Progressing, planner: Planner, failure: Outcome, how: OnHalt, *, hurry: bool = False
) -> Waiting[Outcome]:
    """Observe again, plan the way back, take it; the failure is told as what it was."""
    fleet = progress.lane.fleet
    if progress.over:
        return failure  # what is left to remove or to write down is no reason to undo it
    if isinstance(failure, (Halted, Refused)) and (stack := _updating(progress)):
        text = f"{failure.reason}; {stack}"
        return Halted(reason=text) if isinstance(failure, Halted) else Failed(reason=text, hint=failure.hint)
    progress.returning = True
    away, failed = _image(bench, progress.lane), not isinstance(failure, (Halted, Paused))
    plan, steps = Plan(), list[PlannedStep]()
    outcome: Outcome = Skipped(reason="nothing to put back")
    for _ in range(_ROUNDS):
        try:
            plan = yield from patiently(
                bench,
                fleet,
                lambda: planner.recovery(fleet, how, away=away, begun=progress.begun, failed=failed),
            )
            steps = [one for one in plan.steps if not (hurry and isinstance(one.step, AwaitRefresh))]
            outcome = (yield from take_steps(bench, progress, steps, None)) if steps else outcome
        except RebakeError as error:
            outcome = Failed(reason=error.whole)
        if isinstance(outcome, (Done, Skipped)):
            break
    else:
        text = f"{tell(failure)}; it could not be put back: {tell(outcome)}"
        return Failed(reason=text, hint=f"put it back with: rebake repair {fleet}")
    if isinstance(failure, Halted):
        return Halted(reason=f"{failure.reason}; {_became(plan, how, hurry=hurry)}")
    if isinstance(failure, Refused) and all(isinstance(one.step, PutBack) for one in steps):
        return failure  # nobody was replaced
    return RolledBack(reason=tell(failure)) if steps and how is OnHalt.ROLL_BACK else failure


def _became(plan: Plan, how: OnHalt, *, hurry: bool) -> str:
    if plan.empty:
        return "it is left as it stands" if how is OnHalt.LEAVE else "nothing was to be put back"
    if hurry and any(isinstance(planned.step, AwaitRefresh) for planned in plan.steps):
        return "AWS is bringing it back to the image it had"
    return "what was under way is stopped" if how is OnHalt.CANCEL else "it is put back"


def _image(bench: Workbench, lane: Lane) -> ImageId | None:
    try:
        return None if lane.image is None else bench.made.image(lane.image)
    except RebakeError:
        return None


def _forward(bench: Workbench, progress: Progressing, planner: Planner) -> Waiting[Outcome]:
    """Ask people, wait for the fleet's window, and go on; what its end has paused goes on in the next one."""
    lane = progress.lane
    people = list(takewhile(_asks_people, lane.steps))
    # Going back is what one does while the cord is pulled.
    watch = None if lane.urgent else partial(_stopped, bench, progress, planner)
    outcome = yield from take_steps(bench, progress, people, watch)
    while isinstance(outcome, (Done, Skipped)):
        outcome = yield from _window(bench, progress, planner)
        if not isinstance(outcome, Skipped):
            return outcome
        outcome = yield from _within_window(bench, progress, planner, lane.steps[len(people) :], watch)
        if not isinstance(outcome, Paused) or not goes_on(bench, progress):
            return outcome
        outcome = yield from _pause(bench, progress, planner, outcome)
    return outcome


def _window(bench: Workbench, progress: Progressing, planner: Planner) -> Waiting[Outcome]:
    """Wait until the fleet may be rolled, which the cord may end; Skipped: it may."""
    lane = progress.lane

    def stopped(_before: bool) -> Stopped | None:
        return None if lane.urgent else called_off(bench, lane.fleet, _image(bench, lane))

    return (yield from watched(bench, lane.fleet, await_window(bench, progress, planner), stopped))


def _within_window(
    bench: Workbench, progress: Progressing, planner: Planner, steps: Sequence[PlannedStep], watch: Watch | None
) -> Waiting[Outcome]:
    """Ask the gates that a lane begins with, which may take hours; then take hold of it and go by a plan of now."""
    lane = progress.lane
    asked = list(takewhile(_asks, steps))
    outcome = yield from take_steps(bench, progress, asked, watch)
    if not isinstance(outcome, (Done, Skipped)):
        return outcome
    rest = steps[len(asked) :]
    before = yield from hold(bench, fleet_lease(lane.fleet), urgent=lane.urgent)
    stale = bench.tools.clock.now() - progress.planned >= _STALE or (before is not None and before >= progress.planned)
    if lane.image is not None and (progress.paused or stale):
        image = bench.made.image(lane.image)
        anew = yield from patiently(bench, lane.fleet, lambda: planner.renewal(lane, image))
        rest, progress.paused = tuple(dropwhile(_asks, anew)), False
    return (yield from take_steps(bench, progress, rest, watch))


def _pause(bench: Workbench, progress: Progressing, planner: Planner, why: Paused) -> Waiting[Outcome]:
    """Stop what AWS has under way, once the instances in transition are through; what was replaced stays."""
    if not progress.started:
        progress.current = None
        return Skipped(reason="nothing is under way")
    if progress.begun:
        outcome = yield from put_back(bench, progress, planner, why, OnHalt.CANCEL)
        if not isinstance(outcome, Paused):
            return outcome
        progress.returning, progress.current = False, None
    progress.paused = True
    return Skipped(reason=why.reason)


def _stopped(
    bench: Workbench, progress: Progressing, planner: Planner, planned: PlannedStep, before: bool
) -> Stopped | None:
    lane = progress.lane
    why = called_off(bench, lane.fleet, _image(bench, lane))
    return why or overrun(bench, progress, planner, planned.step, before=before)


def _asks(planned: PlannedStep) -> bool:
    return isinstance(planned.step, CheckGate)


def _asks_people(planned: PlannedStep) -> bool:
    step = planned.step
    return isinstance(step, CheckGate) and all(isinstance(gate, ApprovalGate) for gate in step.gates)
