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
    Refused,
    RolledBack,
    RunResult,
    Skipped,
)
from pipeline.model.rollouts import AwaitRefresh
from pipeline.model.steps import Plan
from pipeline.planning.recovery import plan_recovery
from pipeline.runs.room import Room


def apply(room: Room, plan: Plan) -> RunResult:
    """Execute the plan; a fleet whose rollout fails is observed anew and put back by a plan of its own."""

    def recover(fleet: str, rolled: bool) -> Plan:
        return plan_recovery(room.fleet(fleet, copyable=False), rolled=rolled)

    return execute(room.bench(plan.radius), plan, recover)


def exit_code(plan: Plan, result: RunResult, *, rolling_back: bool = False) -> ExitCode:
    """Choose the exit code: 0 done, 1 failed, 3 refused, 4 rolled back, 5 some targets done and others not, 6 halted.

    What stopped the run in the middle of a step brings its own code, but what was rolled before it stays rolled.
    For a roll-back that was asked for, a fleet on its old image is what was wanted.
    """
    if isinstance(result.stopped, Interrupted):
        return ExitCode.INTERRUPTED
    codes = [_of_outcome(step.outcome, rolling_back=rolling_back) for step in result.results]
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
    return ExitCode.FAILED if lane.left else _of_outcome(lane.outcome, rolling_back=False)


def _good(outcome: Outcome | None) -> bool:
    return isinstance(outcome, (Done, Skipped))


def _of_outcome(outcome: Outcome | None, *, rolling_back: bool) -> ExitCode:
    match outcome:
        case None | Done() | Skipped():
            return ExitCode.DONE
        case RolledBack():
            return ExitCode.DONE if rolling_back else ExitCode.ROLLED_BACK
        case Refused():
            return ExitCode.REFUSED
        case Failed():
            return ExitCode.FAILED
        case Halted():
            return ExitCode.HELD
        case _:
            assert_never(outcome)
