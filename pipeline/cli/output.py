"""Plans and results as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipeline.execute.performing import tell
from pipeline.execute.waiting import describe
from pipeline.model.good import KeepGood
from pipeline.model.leftovers import Remove
from pipeline.model.outcomes import (
    Done,
    Failed,
    LaneResult,
    Outcome,
    Refused,
    RolledBack,
    RunResult,
    Skipped,
    StepResult,
)
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
from pipeline.model.steps import (
    BuildImage,
    MoveChannel,
    Plan,
    PlannedStep,
    SmokeTestImage,
    Step,
    TagImage,
    Wave,
    WriteBaseline,
)

_GAP = 2

WORDS: Mapping[type[Step], str] = {
    BuildImage: "bake",
    SmokeTestImage: "smoke test",
    TagImage: "mark",
    MoveChannel: "promote",
    CreateTemplateVersion: "template",
    HoldZones: "hold zones",
    CancelRefresh: "cancel",
    StartRefresh: "roll",
    AwaitRefresh: "wait",
    RollBackRefresh: "roll back",
    CreateGreen: "green",
    AwaitTargetsHealthy: "healthy",
    ShiftTraffic: "shift",
    Soak: "soak",
    Drain: "drain",
    CheckGate: "gate",
    NameLive: "name live",
    RetireGroup: "retire",
    PutBack: "put back",
    UpdateStack: "stack",
    KeepGood: "keep",
    WriteBaseline: "baseline",
    Remove: "remove",
}
"""The reader's word for each kind of step."""

_COUNTED: Mapping[type[Step], str] = {
    BuildImage: "bake",
    SmokeTestImage: "smoke test",
    MoveChannel: "promotion",
    CreateTemplateVersion: "launch template version",
    StartRefresh: "instance refresh",
    RollBackRefresh: "roll-back",
    CreateGreen: "blue-green rollout",
    UpdateStack: "stack update",
    WriteBaseline: "patch baseline",
    Remove: "removal",
}


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
    """Write a plan: a line a step, grouped by target, wave after wave, then the notes, then the count."""
    steps = table(_steps(plan.steps))
    waves = [f"{_wave(wave)}\n{table(row for lane in wave.lanes for row in _steps(lane.steps))}" for wave in plan.waves]
    notes = table((note.target, "blocked" if note.blocked is not None else "-", note.text) for note in plan.notes)
    return "\n\n".join([*filter(None, (steps, *waves, notes)), _count(plan)])


def result_text(result: RunResult) -> str:
    """Write how a run's steps ended, and where that leaves each fleet."""
    parts = [table(_ended(step) for step in result.every)]
    if result.lanes:
        parts += ["", "Fleets:", table(dict.fromkeys((f"  {lane.fleet}", stands(lane)) for lane in result.lanes))]
    return "\n".join(parts)


def stands(lane: LaneResult) -> str:
    """Write where a fleet stands after a run."""
    if lane.stopped is not None:
        return f"STOPPED: {lane.stopped.message}"
    if lane.outcome is None:
        return f"not begun: {lane.left}"
    return "done" if lane.succeeded else outcome_text(lane.outcome)


def word(step: Step) -> str:
    """Name a step by the word that the reader uses for it."""
    return WORDS[type(step)]


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
            return f"{type(outcome).__name__.upper()}: {tell(outcome)}"


def _steps(steps: Sequence[PlannedStep]) -> Iterable[tuple[str, str, str]]:
    last = ""
    for planned in steps:
        yield ("" if planned.target == last else planned.target, word(planned.step), planned.why)
        last = planned.target


def _ended(step: StepResult) -> tuple[str, str, str]:
    return (
        step.planned.target,
        word(step.planned.step),
        f"{outcome_text(step.outcome)} ({step.took.total_seconds():.0f} s)",
    )


def _wave(wave: Wave) -> str:
    fleets = f"{len(wave.lanes)} fleet{'' if len(wave.lanes) == 1 else 's'}"
    pace = f", {wave.concurrency} at a time" if len(wave.lanes) > 1 else ""
    soak = f", {describe(wave.soak_before)} after the wave before" if wave.soak_before else ""
    due = f", not before {wave.not_before:%Y-%m-%d %H:%M} UTC" if wave.not_before else ""
    return f"Wave {wave.name}: {fleets}{pace}{soak}{due}"


def _count(plan: Plan) -> str:
    blocked = f"; {len(plan.blocked)} blocked." if plan.blocked else "."
    if plan.empty:
        return "Plan: nothing to do." if not plan.blocked else f"Plan: nothing can be done{blocked}"
    every = list(plan.every)
    counts = [(sum(isinstance(planned.step, kind) for planned in every), name) for kind, name in _COUNTED.items()]
    parts = [f"{number} {name}{_plural(name, number)}" for number, name in counts if number]
    return f"Plan: {', '.join(parts) or f'{len(every)} step' + _plural('step', len(every))}{blocked}"


def _plural(name: str, number: int) -> str:
    if number == 1:
        return ""
    return "es" if name.endswith("sh") else "s"
