"""What every changing verb does: plan, ask, carry out, tell, and report. Imported when a verb runs, not for --help."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import typer

from pipeline.cli import report
from pipeline.cli.complaint import complaint, show_error
from pipeline.cli.door import open_room
from pipeline.cli.encode import dump
from pipeline.cli.journalling import begun, end
from pipeline.cli.options import Common
from pipeline.cli.output import plan_text, result_text, stands
from pipeline.config.fields import duration
from pipeline.errors import ExitCode, HeldError, RebakeError, RefusedError, UsageError
from pipeline.execute.performing import tell
from pipeline.model.outcomes import Done, RunResult, Skipped
from pipeline.model.steps import Plan
from pipeline.planning.approval import with_approval
from pipeline.ports.progress import Event
from pipeline.runs.apply import apply, exit_code
from pipeline.runs.diff import baked_changes
from pipeline.runs.room import Room

_LEAST = timedelta(minutes=1)
"""The shortest wait for a person's word, as for a gate in the configuration."""


def carry_out(common: Common, planner: Callable[[Room], Plan], *, approve_by: str | None = None) -> ExitCode:
    """Plan, and where it is approved, execute; answer the exit code.

    What was done is told and reported however the run ended; only an error before the first step is raised.
    ``approve_by`` is a duration: each fleet waits for a person's word so long.
    """
    if common.report is not None:
        report.require_writable(common.report)
    patience = None if approve_by is None else option_duration("--approve-by", approve_by)
    with open_room(common) as (room, recorder):
        try:
            plan = planner(room)
        except (RefusedError, HeldError):  # somebody wanted what must not be: that is worth a record
            with begun(common, room):
                raise
        if patience is not None:
            plan = with_approval(plan, patience)
        if not common.json:
            print(plan_text(plan), flush=True)
        result = RunResult()
        if not common.dry_run and (plan.blocked or not plan.empty):
            _approve(common, plan)
            with begun(common, room, targets=_targets(plan), plan=plan):
                result = apply(room, plan, patient=common.wait)
        code = exit_code(plan, result)
        end(room, code, _why(plan, result), fleets={lane.fleet: stands(lane) for lane in result.lanes})
    if common.report is not None:
        _report(common.report, room, plan, result, recorder.events)
    _tell(common, room, plan, result, code)
    return code


def _why(plan: Plan, result: RunResult) -> str:
    if (stopping := stopped_by(result)) is not None:
        return stopping.message
    unhappy = [step for step in result.results if not isinstance(step.outcome, (Done, Skipped))]
    return "; ".join(
        [
            *(f"{step.planned.target}: {tell(step.outcome)}" for step in unhappy),
            *(f"{lane.fleet}: {stands(lane)}" for lane in result.lanes if not lane.succeeded),
            *(f"{blocked.target}: {blocked.text}" for blocked in plan.blocked),
        ]
    )


def _targets(plan: Plan) -> list[str]:
    return [*(planned.target for planned in plan.every), *(note.target for note in plan.blocked)]


def _tell(common: Common, room: Room, plan: Plan, result: RunResult, code: ExitCode) -> None:
    if common.json:
        body: dict[str, Any] = {
            "run": room.run,
            "plan": plan,
            "results": result.results,
            "fleets": result.lanes,
            "exit_code": int(code),
        }
        stopped: Mapping[str, Any] = complaint(stopping) if (stopping := stopped_by(result)) else {}
        print(dump({**stopped, **body}))
    elif result.every or result.lanes:
        print(result_text(result))
    if (stopping := stopped_by(result)) is not None:
        show_error(stopping, as_json=False)


def stopped_by(result: RunResult) -> RebakeError | None:
    """Find what stopped a run, or the first fleet of it, in the middle of a step."""
    return result.stopped or next((lane.stopped for lane in result.lanes if lane.stopped), None)


def _report(path: Path, room: Room, plan: Plan, result: RunResult, events: Sequence[Event]) -> None:
    try:
        changes = baked_changes(room, result)
        content = report.record(run=room.run, plan=plan, result=result, events=events, packages=changes)
        report.write(path, content)
    except (
        RebakeError
    ) as error:  # the disk is full, evidence cannot be read: the run is finished, its own words and code stand
        show_error(error, as_json=False)


def option_duration(option: str, text: str) -> timedelta:
    """Read an option's duration.

    Raises:
        UsageError: it is none.
    """
    try:
        found, fault = duration(text), f"{text!r} is less than 1m"
    except ValueError as error:
        found, fault = timedelta(), str(error)
    if found < _LEAST:
        raise UsageError(f"{option}: {fault}.", hint=f"say how long, as in {option} 2h")
    return found


def _approve(common: Common, plan: Plan) -> None:
    if not plan.empty:
        ask(common, plan_text(plan) if common.json else "")  # stdout is for the one document


def ask(common: Common, shown: str) -> None:
    """Ask for a yes, unless it was given; what is ``shown`` is told before, on stderr.

    Raises:
        UsageError: nobody is there to be asked.
    """
    if common.yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            "Nobody is there to approve the plan.", hint="approve it with --yes, or look at it with --dry-run"
        )
    if shown:
        print(shown, file=sys.stderr)
    typer.confirm("Carry this plan out?", abort=True, err=True)
