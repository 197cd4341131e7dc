"""Carries an approved plan out and says how it ended."""

from __future__ import annotations

from typing import assert_never

from pipeline.errors import ExitCode, Interrupted
from pipeline.execute.executor import execute
from pipeline.model.outcomes import Done, Failed, Outcome, Refused, RolledBack, RunResult, Skipped
from pipeline.model.rollouts import AwaitRefresh
from pipeline.model.steps import Plan
from pipeline.runs.room import Room


def apply(room: Room, plan: Plan) -> RunResult:
    """Execute the plan's steps in their order, up to the first that does not succeed."""
    return execute(room.bench(), plan)


def exit_code(plan: Plan, result: RunResult, *, rolling_back: bool = False) -> ExitCode:
    """Choose the exit code: 0 done, 1 failed, 3 refused, 4 rolled back, 5 some fleets done and others not.

    What stopped the run in the middle of a step brings its own code, but what was rolled before it stays rolled.
    For a roll-back that was asked for, a fleet on its old image is what was wanted.
    """
    if isinstance(result.stopped, Interrupted):
        return ExitCode.INTERRUPTED
    stopped = result.stopped
    code = stopped.exit_code if stopped else _of_outcome(result.last, rolling_back=rolling_back)
    rolled = {step.planned.target for step in result.results if _rolled(step.planned.step, step.outcome)}
    if code is not ExitCode.DONE:
        return ExitCode.PARTIAL if rolled else code
    if not plan.blocked:
        return ExitCode.DONE
    if result.results:
        return ExitCode.PARTIAL
    return plan.blocked[0].blocked or ExitCode.FAILED


def _rolled(step: object, outcome: Outcome) -> bool:
    return isinstance(step, AwaitRefresh) and isinstance(outcome, (Done, Skipped))


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
        case _:
            assert_never(outcome)
