"""One step: which function carries it out, and what is told of it."""

from __future__ import annotations

from typing import assert_never

from pipeline.errors import StepFailed
from pipeline.execute.awaiting import await_refresh
from pipeline.execute.baselines import write_baseline
from pipeline.execute.building import build_image
from pipeline.execute.greens import create_green, name_live, retire_group
from pipeline.execute.guarding import guard
from pipeline.execute.judging import check_gate
from pipeline.execute.keepgood import keep_good
from pipeline.execute.marking import move_channel, tag_image
from pipeline.execute.refreshing import cancel_refresh, create_template_version, roll_back_refresh, start_refresh
from pipeline.execute.restoring import hold_zones, put_back
from pipeline.execute.shifting import await_targets_healthy, drain, shift_traffic, soak
from pipeline.execute.smoking import smoke_test_image
from pipeline.execute.stacks import update_stack
from pipeline.execute.sweeping import remove
from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import Waiting
from pipeline.model.good import KeepGood
from pipeline.model.leftovers import Remove
from pipeline.model.outcomes import Done, Failed, Halted, Outcome, Paused, Refused, RolledBack, Skipped, StepResult
from pipeline.model.rollouts import (
    AwaitRefresh,
    AwaitTargetsHealthy,
    CancelRefresh,
    CheckGate,
    CreateGreen,
    CreateTemplateVersion,
    Drain,
    HoldZones,
    NameLive,
    PutBack,
    RetireGroup,
    RollBackRefresh,
    ShiftTraffic,
    Soak,
    StartRefresh,
    UpdateStack,
)
from pipeline.model.steps import BuildImage, MoveChannel, PlannedStep, SmokeTestImage, Step, TagImage, WriteBaseline
from pipeline.ports.progress import EventKind


def take(bench: Workbench, planned: PlannedStep) -> Waiting[StepResult]:
    """Carry a step out and tell how it went; a step that failed is a value."""
    clock = bench.tools.clock
    name = type(planned.step).__name__
    began = clock.now()
    bench.say(planned.target, f"{name}: {planned.why}", kind=EventKind.STARTED)
    try:
        outcome = guard(bench, planned.step) or (yield from perform(bench, planned.step))
    except StepFailed as error:
        outcome = Failed(reason=error.message, hint=error.hint)
    took = clock.now() - began
    told = {"step": name, "outcome": type(outcome).__name__, "hint": getattr(outcome, "hint", "")}
    bench.say(
        planned.target,
        f"{name}: {tell(outcome)}",
        kind=EventKind.FINISHED if isinstance(outcome, (Done, Skipped)) else EventKind.WARNING,
        data={**told, "seconds": round(took.total_seconds(), 1)},
    )
    return StepResult(planned=planned, outcome=outcome, took=took)


def perform(bench: Workbench, step: Step) -> Waiting[Outcome]:  # noqa: C901, PLR0911, PLR0912 - a line a kind of step
    """Execute one step; a step without a branch here does not type-check."""
    match step:
        case BuildImage() | SmokeTestImage() | TagImage() | MoveChannel() | KeepGood() | WriteBaseline():
            return _of_images(bench, step)
        case CreateTemplateVersion():
            return create_template_version(bench, step)
        case HoldZones():
            return hold_zones(bench, step)
        case CancelRefresh():
            return (yield from cancel_refresh(bench, step))
        case StartRefresh():
            return (yield from start_refresh(bench, step))
        case AwaitRefresh():
            return (yield from await_refresh(bench, step))
        case RollBackRefresh():
            return roll_back_refresh(bench, step)
        case CreateGreen():
            return create_green(bench, step)
        case AwaitTargetsHealthy():
            return (yield from await_targets_healthy(bench, step))
        case ShiftTraffic():
            return shift_traffic(bench, step)
        case Soak():
            return (yield from soak(bench, step))
        case Drain():
            return (yield from drain(bench, step))
        case CheckGate():
            return (yield from check_gate(bench, step))
        case NameLive():
            return name_live(bench, step)
        case RetireGroup():
            return (yield from retire_group(bench, step))
        case PutBack():
            return put_back(bench, step)
        case UpdateStack():
            return (yield from update_stack(bench, step))
        case Remove():
            return (yield from remove(bench, step))
        case _:
            assert_never(step)


def _of_images(
    bench: Workbench, step: BuildImage | SmokeTestImage | TagImage | MoveChannel | KeepGood | WriteBaseline
) -> Outcome:
    match step:
        case BuildImage():
            return build_image(bench, step)
        case SmokeTestImage():
            return smoke_test_image(bench, step)
        case TagImage():
            return tag_image(bench, step)
        case MoveChannel():
            return move_channel(bench, step)
        case KeepGood():
            return keep_good(bench, step)
        case WriteBaseline():
            return write_baseline(bench, step)
        case _:
            assert_never(step)


def tell(outcome: Outcome) -> str:
    """Put an outcome into one sentence."""
    match outcome:
        case Done(facts=facts):
            return "done" + "".join(f", {key} {value}" for key, value in facts.items())
        case Skipped(reason=reason):
            return f"nothing to do: {reason}"
        case (
            Failed(reason=why) | Refused(reason=why) | RolledBack(reason=why) | Halted(reason=why) | Paused(reason=why)
        ):
            return why
        case _:
            assert_never(outcome)
