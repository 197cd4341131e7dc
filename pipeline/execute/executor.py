"""Takes a plan's steps in their order and stops at the first that does not succeed."""

from __future__ import annotations

from typing import assert_never

from pipeline.errors import Interrupted, RebakeError, StepFailed
from pipeline.execute.building import build_image
from pipeline.execute.marking import move_channel, tag_image
from pipeline.execute.refreshing import (
    await_refresh,
    create_template_version,
    put_back,
    roll_back_refresh,
    start_refresh,
)
from pipeline.execute.smoking import smoke_test_image
from pipeline.execute.tools import Workbench
from pipeline.model.outcomes import Done, Failed, Outcome, Refused, RolledBack, RunResult, Skipped, StepResult
from pipeline.model.rollouts import AwaitRefresh, CreateTemplateVersion, RollBackRefresh, StartRefresh
from pipeline.model.steps import BuildImage, MoveChannel, Plan, PlannedStep, SmokeTestImage, Step, TagImage
from pipeline.ports.progress import EventKind


def execute(bench: Workbench, plan: Plan) -> RunResult:
    """Execute a plan.

    A failed step is a value in the result, and so is what stopped the run without saying anything of the step itself
    (no credentials, held by another run, interrupted): what was done before it is never lost. An interruption puts
    back the refresh that this run had under way.
    """
    results: list[StepResult] = []
    for planned in plan.steps:
        try:
            results.append(_one(bench, planned))
        except RebakeError as error:
            return RunResult(results=tuple(results), stopped=error)
        except KeyboardInterrupt as signal:
            return RunResult(results=tuple(results), stopped=_interrupted(bench, planned.step, str(signal)))
        if not isinstance(results[-1].outcome, (Done, Skipped)):
            break
    return RunResult(results=tuple(results))


def _interrupted(bench: Workbench, step: Step, signal: str) -> Interrupted:
    if isinstance(step, (StartRefresh, AwaitRefresh)):
        return put_back(bench, step)
    return Interrupted(f"Stopped by {signal or 'SIGINT'}.", hint="Run the same command again to go on.")


def _one(bench: Workbench, planned: PlannedStep) -> StepResult:
    clock = bench.tools.clock
    name = type(planned.step).__name__
    began = clock.now()
    bench.say(planned.target, f"{name}: {planned.why}", kind=EventKind.STARTED)
    try:
        outcome = perform(bench, planned.step)
    except StepFailed as error:
        outcome = Failed(reason=error.message, hint=error.hint)
    took = clock.now() - began
    bench.say(
        planned.target,
        f"{name}: {tell(outcome)}",
        kind=EventKind.FINISHED if isinstance(outcome, (Done, Skipped)) else EventKind.WARNING,
        data={"seconds": round(took.total_seconds(), 1)},
    )
    return StepResult(planned=planned, outcome=outcome, took=took)


def perform(bench: Workbench, step: Step) -> Outcome:  # noqa: PLR0911 - one line per kind of step is the point
    """Execute one step; a step without a branch here does not type-check."""
    match step:
        case BuildImage():
            return build_image(bench, step)
        case SmokeTestImage():
            return smoke_test_image(bench, step)
        case TagImage():
            return tag_image(bench, step)
        case MoveChannel():
            return move_channel(bench, step)
        case CreateTemplateVersion():
            return create_template_version(bench, step)
        case StartRefresh():
            return start_refresh(bench, step)
        case AwaitRefresh():
            return await_refresh(bench, step)
        case RollBackRefresh():
            return roll_back_refresh(bench, step)
        case _:
            assert_never(step)


def tell(outcome: Outcome) -> str:
    """Put an outcome into one sentence."""
    match outcome:
        case Done(facts=facts):
            return "done" + "".join(f", {key} {value}" for key, value in facts.items())
        case Skipped(reason=reason):
            return f"nothing to do: {reason}"
        case Failed(reason=reason) | Refused(reason=reason) | RolledBack(reason=reason):
            return reason
        case _:
            assert_never(outcome)
