"""Carries an approved plan out and says how it ended."""

from __future__ import annotations

from typing import assert_never

from pipeline.errors import ExitCode, Interrupted
from pipeline.execute.executor import execute
from pipeline.model.leftovers import Remove
from pipeline.model.outcomes import (
    Done,
    Failed,
    Halted,
    LaneResult,
    Outcome,
    Paused,
    Refused,
    RolledBack,
    RunResult,
    Skipped,
)
from pipeline.model.rollouts import AwaitRefresh
from pipeline.model.steps import Plan
from pipeline.runs.replanner import Replanner
from pipeline.runs.room import Room


def apply(room: Room, plan: Plan, *, patient: bool = False) -> RunResult:
    """Execute the plan; a fleet whose turn comes later, or whose rollout fails, is observed and planned anew.

    Family by family and fleet by fleet nobody else works on them meanwhile; ``patient``: whoever does is waited for.
    """
    bench = room.bench(plan, patient=patient)
    with room.tools.leases.guarded(bench.keeper.check):
        try:
            return execute(bench, plan, Replanner(room))
        finally:
            bench.keeper.release_all()


def exit_code(plan: Plan, result: RunResult) -> ExitCode:
    """Choose the exit code: 0 done, 1 failed, 3 refused, 4 rolled back, 5 some targets done and others not, 6 halted.

    A fleet whose window this run does not wait for is a 5, too. What stopped the run in the middle of a step brings its
    own code, but what was rolled before it stays rolled.
    """
    if isinstance(result.stopped, Interrupted):
        return ExitCode.INTERRUPTED
    codes = [_of_outcome(step.outcome) for step in result.results]
    code = next((code for code in codes if code is not ExitCode.DONE), ExitCode.DONE)
    code = result.stopped.exit_code if result.stopped else code
    if code is ExitCode.DONE:
        code = next((code for lane in result.lanes if (code := _of_lane(lane)) is not ExitCode.DONE), code)
    if code is not ExitCode.DONE:
        return ExitCode.PARTIAL if _some_done(result) else code
    if not plan.blocked:
        return ExitCode.DONE
    return ExitCode.PARTIAL if result.every else plan.blocked[0].blocked or ExitCode.FAILED


def _some_done(result: RunResult) -> bool:
    whole = [step.outcome for step in result.results if isinstance(step.planned.step, (AwaitRefresh, Remove))]
    return any(map(_good, whole)) or any(lane.succeeded for lane in result.lanes)


def _of_lane(lane: LaneResult) -> ExitCode:
    if lane.stopped is not None:
        return lane.stopped.exit_code
    return ExitCode.FAILED if lane.left else _of_outcome(lane.outcome)


def _good(outcome: Outcome | None) -> bool:
    return isinstance(outcome, (Done, Skipped))


def _of_outcome(outcome: Outcome | None) -> ExitCode:
    match outcome:
        case None | Done() | Skipped():
            return ExitCode.DONE
        case RolledBack():
            return ExitCode.ROLLED_BACK
        case Refused():
            return ExitCode.REFUSED
        case Failed():
            return ExitCode.FAILED
        case Halted():
            return ExitCode.HELD
        case Paused():
            return ExitCode.PARTIAL
        case _:
            assert_never(outcome)
