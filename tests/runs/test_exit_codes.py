from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import nouns
import pytest

from pipeline.errors import ExitCode, HeldError, Interrupted, RebakeError
from pipeline.model.ids import GroupName
from pipeline.model.leftovers import Kind, Remove
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
    StepResult,
)
from pipeline.model.rollouts import AwaitRefresh
from pipeline.model.steps import BuildImage, Note, Plan, PlannedStep
from pipeline.runs.apply import exit_code

BAKE = BuildImage(family="web", bake_key=nouns.KEY, source_image=nouns.SOURCE)
KEY, IMAGE = Remove(what=Kind.KEY_PAIR, id="rebake-web"), Remove(what=Kind.IMAGE, id="ami-0a")


def wait(fleet: str) -> AwaitRefresh:
    """Make a wait for a fleet's refresh."""
    return AwaitRefresh(fleet=fleet, group=GroupName(fleet), strategy=nouns.REFRESH)


def result(*steps: tuple[BuildImage | AwaitRefresh | Remove, Outcome]) -> RunResult:
    """Make the result of a run."""
    return RunResult(
        results=tuple(
            StepResult(
                planned=PlannedStep(target=getattr(step, "fleet", "web"), step=step, why=""),
                outcome=outcome,
                took=timedelta(),
            )
            for step, outcome in steps
        )
    )


def fleets(*outcomes: Outcome | None) -> RunResult:
    """Make the result of a wave; None: that fleet was not begun."""
    lanes = (LaneResult(fleet=f"f-{index}", outcome=one, left="" if one else "x") for index, one in enumerate(outcomes))
    return RunResult(lanes=tuple(lanes))


FAILED, REFUSED, ROLLED_BACK = Failed(reason="x"), Refused(reason="x"), RolledBack(reason="x")


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (result(), ExitCode.DONE),
        (result((BAKE, Done())), ExitCode.DONE),
        (result((BAKE, Skipped(reason="x"))), ExitCode.DONE),
        (result((BAKE, FAILED)), ExitCode.FAILED),
        (result((BAKE, Done()), (wait("a"), ROLLED_BACK)), ExitCode.ROLLED_BACK),
        (result((BAKE, REFUSED)), ExitCode.REFUSED),
        (result((wait("a"), Done()), (wait("b"), ROLLED_BACK)), ExitCode.PARTIAL),
        (result((wait("a"), Done()), (wait("b"), FAILED)), ExitCode.PARTIAL),
        (result((KEY, Done()), (IMAGE, Done())), ExitCode.DONE),
        (result((KEY, FAILED), (IMAGE, Done())), ExitCode.PARTIAL),
        (result((KEY, FAILED), (IMAGE, FAILED)), ExitCode.FAILED),
        (fleets(Done(), Skipped(reason="x")), ExitCode.DONE),
        (fleets(ROLLED_BACK, None), ExitCode.ROLLED_BACK),
        (fleets(Done(), ROLLED_BACK, None), ExitCode.PARTIAL),
        (fleets(REFUSED), ExitCode.REFUSED),
        (fleets(Halted(reason="x")), ExitCode.HELD),
        (RunResult(lanes=(LaneResult(fleet="f", stopped=HeldError("held")),)), ExitCode.HELD),
    ],
)
def test_a_run_ends_with_the_documented_code(ended: RunResult, code: ExitCode) -> None:
    """The first that went wrong decides, unless another fleet was rolled, or another leftover removed."""
    assert exit_code(Plan(), ended) is code


@pytest.mark.parametrize(
    ("stopped", "code"), [(HeldError("held"), ExitCode.PARTIAL), (Interrupted("stopped"), ExitCode.INTERRUPTED)]
)
def test_what_was_rolled_before_a_stop_is_not_called_unchanged(stopped: RebakeError, code: ExitCode) -> None:
    """A fleet that was rolled makes it partial, whatever stopped the next one; an interruption keeps its code."""
    assert exit_code(Plan(), replace(result((wait("a"), Done())), stopped=stopped)) is code
    assert exit_code(Plan(), replace(result(), stopped=stopped)) is stopped.exit_code


@pytest.mark.parametrize(
    ("ended", "code"), [(result(), ExitCode.REFUSED), (result((wait("a"), Done())), ExitCode.PARTIAL)]
)
def test_a_blocked_target_is_never_success(ended: RunResult, code: ExitCode) -> None:
    """A target that needed a change and got none shows in the code."""
    plan = Plan(notes=(Note(target="b", text="rejected", blocked=ExitCode.REFUSED),))
    assert exit_code(plan, ended) is code
