"""One fleet, from its first step to its last: what is halted, broken off or fails on the way is put back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Protocol

from pipeline.errors import Defect, HeldError, RebakeError, Unavailable
from pipeline.execute.outages import Patience, patiently
from pipeline.execute.performing import take, tell
from pipeline.execute.stopping import halt_of
from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import PACE, Waiting
from pipeline.model.ids import ImageId
from pipeline.model.leases import fleet_lease
from pipeline.model.outcomes import (
    Done,
    Failed,
    Halted,
    LaneResult,
    Outcome,
    Refused,
    RolledBack,
    Skipped,
    StepResult,
)
from pipeline.model.rollouts import AwaitRefresh, CheckGate, PutBack, RetireGroup, StartRefresh, UpdateStack
from pipeline.model.steps import Lane, Plan, PlannedStep
from pipeline.model.strategies import OnHalt, RefreshStrategy
from pipeline.ports.progress import EventKind

_STALE = timedelta(minutes=1)
"""How old a lane's plan may be when it begins."""
_ROUNDS = 2
"""How often a way back is planned: once more where what stands turned out otherwise."""


class Planner(Protocol):
    """Observes a fleet anew and plans: the executor decides nothing."""

    def renewal(self, lane: Lane, image: ImageId) -> tuple[PlannedStep, ...]:
        """Plan the lane again, whose image is known by now; errors as for `plan_roll`.

        Raises:
            RefusedError: the image is not to be rolled any more.
        """
        ...

    def strayed(self, lane: Lane, image: ImageId) -> str | None:
        """Say why a fleet that came to the image in this run is not there any more; None: it is."""
        ...

    def recovery(self, fleet: str, how: OnHalt, *, away: ImageId | None, begun: bool, failed: bool) -> Plan:
        """Plan what puts a fleet back; see `plan_recovery`."""
        ...


@dataclass(slots=True, kw_only=True)
class Progressing:
    """A lane under way since ``planned``: the step that is being taken, what was taken, whether it is put back now."""

    lane: Lane
    planned: datetime
    current: PlannedStep | None = None
    results: list[StepResult] = field(default_factory=list)
    returning: bool = False

    @property
    def begun(self) -> bool:
        """Whether a refresh was asked for: not one whose start a guard has refused."""
        steps = [self.current.step] if self.current else []
        steps += [
            one.planned.step
            for one in self.results
            if not (isinstance(one.planned.step, StartRefresh) and isinstance(one.outcome, Refused))
        ]
        return any(isinstance(step, (StartRefresh, AwaitRefresh)) and step.undo for step in steps)


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
    if not isinstance(outcome, (Done, Skipped)):
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
    strategy = settings.strategy
    by_hand = isinstance(strategy, RefreshStrategy) and not strategy.auto_rollback
    return OnHalt.CANCEL if by_hand else OnHalt.ROLL_BACK


def break_off(bench: Workbench, progress: Progressing, planner: Planner) -> Waiting[LaneResult]:
    """Put back a fleet whose lane was interrupted; what AWS finishes by itself is not waited for."""
    fleet = progress.lane.fleet
    step = progress.current.step if progress.current is not None else None
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
    if any(isinstance(planned.step, RetireGroup) for planned in progress.lane.steps[-1:]):
        return failure  # the rollout was over: what is left to remove is no reason to undo it
    if isinstance(failure, Halted) and (stack := _updating(progress)):
        return Halted(reason=f"{failure.reason}; {stack}")
    progress.returning = True
    away, failed = _image(bench, progress.lane), not isinstance(failure, Halted)
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
            outcome = (yield from _steps(bench, progress, steps, haltable=False)) if steps else outcome
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
    """Ask the gates that a lane begins with, which may take hours; then go by a plan of now."""
    lane = progress.lane
    asked = list(takewhile(lambda planned: isinstance(planned.step, CheckGate), lane.steps))
    outcome = yield from _steps(bench, progress, asked, haltable=True)
    if not isinstance(outcome, (Done, Skipped)):
        return outcome
    steps = lane.steps[len(asked) :]
    before = yield from hold(bench, fleet_lease(lane.fleet), urgent=lane.urgent)
    stale = bench.tools.clock.now() - progress.planned >= _STALE or (before is not None and before >= progress.planned)
    if lane.image is not None and stale:
        image = bench.made.image(lane.image)
        anew = yield from patiently(bench, lane.fleet, lambda: planner.renewal(lane, image))
        begun = list(takewhile(lambda planned: isinstance(planned.step, CheckGate), anew))
        steps = anew[len(begun) :]
    # Going back is what one does while the cord is pulled.
    return (yield from _steps(bench, progress, steps, haltable=not lane.urgent))


def _steps(
    bench: Workbench, progress: Progressing, steps: Sequence[PlannedStep], *, haltable: bool
) -> Waiting[Outcome]:
    outcome: Outcome = Skipped(reason="nothing to do")
    for planned in steps:
        progress.current = planned
        result = yield from _through(bench, progress.lane.fleet, planned, haltable=haltable)
        if isinstance(result, Halted):
            return result
        progress.results.append(result)
        progress.current = None
        outcome = result.outcome
        if not isinstance(outcome, (Done, Skipped)):
            return outcome
    return outcome


def _through(bench: Workbench, fleet: str, planned: PlannedStep, *, haltable: bool) -> Waiting[StepResult | Halted]:
    """Take a step; one that an outage ended is taken again, for every step goes on from what stands."""
    patience = Patience()
    while True:
        taking = take(bench, planned)
        try:
            return (yield from (_haltable(bench, fleet, taking) if haltable else taking))
        except Unavailable as error:
            yield patience.after(bench, fleet, error)


def _haltable(bench: Workbench, fleet: str, taking: Waiting[StepResult]) -> Waiting[StepResult | Halted]:
    """Take a step, looking at the lease and at the andon cord before it and after each of its waits."""
    try:
        while (why := halt_of(bench, fleet)) is None:
            bench.keeper.require(fleet_lease(fleet))
            yield next(taking)
    except StopIteration as end:
        result: StepResult = end.value
        return result
    finally:
        taking.close()
    bench.say(fleet, why, kind=EventKind.WARNING)
    return Halted(reason=f"{fleet} is {why}")
