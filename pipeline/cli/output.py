"""Plans and results as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import assert_never

from pipeline.execute.executor import tell
from pipeline.model.outcomes import Done, Failed, Outcome, Refused, RolledBack, RunResult, Skipped
from pipeline.model.rollouts import AwaitRefresh, CreateTemplateVersion, RollBackRefresh, StartRefresh
from pipeline.model.steps import BuildImage, MoveChannel, Plan, SmokeTestImage, Step, TagImage

_GAP = 2


def table(rows: Iterable[Sequence[str]]) -> str:
    """Align columns by their widest cell; the last column is left as it is."""
    listed = [[str(cell) for cell in row] for row in rows]
    if not listed:
        return ""
    widths = [max(len(row[column]) for row in listed) for column in range(len(listed[0]) - 1)]
    lines = []
    for row in listed:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True)]
        lines.append((" " * _GAP).join([*cells, row[-1]]).rstrip())
    return "\n".join(lines)


def plan_text(plan: Plan) -> str:
    """Write a plan: a line a step, grouped by target, then the notes, then the count."""
    rows: list[tuple[str, str, str]] = []
    last = ""
    for planned in plan.steps:
        rows.append(("" if planned.target == last else planned.target, word(planned.step), planned.why))
        last = planned.target
    rows += [(note.target, "blocked" if note.blocked is not None else "-", note.text) for note in plan.notes]
    return "\n".join(part for part in (table(rows), "", _count(plan)) if part or rows)


def result_text(result: RunResult) -> str:
    """Write how a run's steps ended."""
    return table(
        (
            step.planned.target,
            word(step.planned.step),
            f"{outcome_text(step.outcome)} ({step.took.total_seconds():.0f} s)",
        )
        for step in result.results
    )


def word(step: Step) -> str:  # noqa: PLR0911 - one line per kind of step is the point
    """Name a step by the word that the reader uses for it."""
    match step:
        case BuildImage():
            return "bake"
        case SmokeTestImage():
            return "smoke test"
        case TagImage():
            return "mark"
        case MoveChannel():
            return "promote"
        case CreateTemplateVersion():
            return "template"
        case StartRefresh():
            return "roll"
        case AwaitRefresh():
            return "wait"
        case RollBackRefresh():
            return "roll back"
        case _:
            assert_never(step)


def outcome_text(outcome: Outcome) -> str:
    """Write an outcome with its hint."""
    match outcome:
        case Done() | Skipped():
            return tell(outcome)
        case RolledBack():
            return f"ROLLED BACK: {tell(outcome)}"
        case Failed(hint=hint) | Refused(hint=hint):
            return f"{type(outcome).__name__.upper()}: {tell(outcome)}" + (f" -> {hint}" if hint else "")
        case _:
            assert_never(outcome)


def _count(plan: Plan) -> str:
    if plan.empty:
        return (
            "Plan: nothing to do." if not plan.blocked else f"Plan: nothing can be done; {len(plan.blocked)} blocked."
        )
    kinds = (
        (BuildImage, "bake"),
        (SmokeTestImage, "smoke test"),
        (MoveChannel, "promotion"),
        (CreateTemplateVersion, "launch template version"),
        (StartRefresh, "instance refresh"),
        (RollBackRefresh, "roll-back"),
    )
    counts = [(sum(isinstance(planned.step, kind) for planned in plan.steps), name) for kind, name in kinds]
    parts = [f"{number} {name}{_plural(name, number)}" for number, name in counts if number]
    return f"Plan: {', '.join(parts) or f'{len(plan.steps)} steps'}" + (
        f"; {len(plan.blocked)} blocked." if plan.blocked else "."
    )


def _plural(name: str, number: int) -> str:
    if number == 1:
        return ""
    return "es" if name.endswith("sh") else "s"
