"""One fleet, from its first step to its last: what is halted or fails on the way is put back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.errors import HeldError, RebakeError, Unavailable
from pipeline.execute.performing import take, tell
from pipeline.execute.stopping import break_off, halt_of
from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import Waiting
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
from pipeline.model.rollouts import AwaitRefresh, RetireGroup
from pipeline.model.steps import Lane, Plan, PlannedStep, Step
from pipeline.model.strategies import OnHalt
from pipeline.ports.progress import EventKind

Recover = Callable[[str, bool], Plan]
"""Observes a fleet anew and plans how it is put back; True: its refresh had got through before the failure."""


@dataclass(slots=True, kw_only=True)
class Progressing:
    """A lane under way: the step that is being taken, and what was taken."""

    lane: Lane
    current: PlannedStep | None = None
    results: list[StepResult] = field(default_factory=list)

    @property
    def rolled(self) -> bool:
        """Whether a refresh has got through."""
        return any(
            isinstance(one.planned.step, AwaitRefresh) and isinstance(one.outcome, (Done, Skipped))
            for one in self.results
        )


def run_lane(bench: Workbench, progress: Progressing, recover: Recover) -> Waiting[LaneResult]:
    """Take a fleet's steps; an unhappy end is followed by whatever puts the fleet back."""
    lane = progress.lane
    try:
        outcome = yield from _steps(bench, progress, lane.steps, haltable=True)
    except RebakeError as error:
        # What somebody else holds is his to end; without AWS nothing can be put back now.
        if not isinstance(error, (Unavailable, HeldError)):
            yield from _put_back(bench, progress, recover, Refused(reason=error.message))
        return LaneResult(fleet=lane.fleet, results=tuple(progress.results), stopped=error)
    left = isinstance(outcome, Halted) and bench.settings.fleets[lane.fleet].on_halt is OnHalt.LEAVE
    if not isinstance(outcome, (Done, Skipped)) and not left:
        outcome = yield from _put_back(bench, progress, recover, outcome)
    return LaneResult(fleet=lane.fleet, results=tuple(progress.results), outcome=outcome)


def put_fleet_back(bench: Workbench, progress: Progressing, recover: Recover) -> Waiting[Outcome]:
    """Put a fleet back whose lane was broken off from outside."""
    return _put_back(bench, progress, recover, Halted(reason="it is as it was"))


def _steps(
    bench: Workbench, progress: Progressing, steps: tuple[PlannedStep, ...], *, haltable: bool
) -> Waiting[Outcome]:
    outcome: Outcome = Skipped(reason="nothing to do")
    for planned in steps:
        progress.current = planned
        taking = take(bench, planned)
        result = yield from (_haltable(bench, progress.lane.fleet, planned.step, taking) if haltable else taking)
        if isinstance(result, Halted):
            return result
        progress.results.append(result)
        outcome = result.outcome
        if not isinstance(outcome, (Done, Skipped)):
            break
    progress.current = None
    return outcome


def _haltable(bench: Workbench, fleet: str, step: Step, taking: Waiting[StepResult]) -> Waiting[StepResult | Halted]:
    """Take a step, looking at the andon cord before it and after each of its waits."""
    try:
        while True:
            if (why := halt_of(bench, fleet)) is not None:
                break
            yield next(taking)
    except StopIteration as end:
        result: StepResult = end.value
        return result
    taking.close()
    became = yield from break_off(bench, step, bench.settings.fleets[fleet].on_halt)
    bench.say(fleet, f"{why}; {became}", kind=EventKind.WARNING)
    return Halted(reason=f"{fleet} is {why}; {became}")


def _put_back(bench: Workbench, progress: Progressing, recover: Recover, failure: Outcome) -> Waiting[Outcome]:
    """Observe again, plan the way back, take it; the failure is told as what it was."""
    fleet = progress.lane.fleet
    if any(isinstance(planned.step, RetireGroup) for planned in progress.lane.steps[-1:]):
        return failure  # the rollout was over: what is left to remove is no reason to undo it
    try:
        plan = recover(fleet, progress.rolled)
        outcome = yield from _steps(bench, progress, plan.steps, haltable=False)
    except RebakeError as error:
        outcome = Failed(reason=f"{error.message} {error.hint}".strip())
    if not isinstance(outcome, (Done, Skipped)):
        text = f"{tell(failure)}; it could not be put back: {tell(outcome)}"
        return Failed(reason=text, hint=f"Put it back with: rebake repair {fleet}")
    if plan.empty or isinstance(failure, Halted):
        return failure
    return RolledBack(reason=tell(failure))
