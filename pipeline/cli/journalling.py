"""What a verb that changes something writes into the journal: how it began, and how and why it ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pipeline.cli.encode import encode
from pipeline.cli.options import Common
from pipeline.errors import ExitCode, RebakeError
from pipeline.model.steps import BuildImage, Plan, SmokeTestImage
from pipeline.runs.room import Room


@contextmanager
def begun(common: Common, room: Room, *, targets: Iterable[str] = (), plan: Plan | None = None) -> Iterator[None]:
    """Begin the run's journal, unless this is a dry run; where the block ends with an exception, end it with that."""
    try:
        if not common.dry_run:
            _begin(common, room, targets, plan)
        yield
    except BaseException as fault:
        code = fault.exit_code if isinstance(fault, RebakeError) else ExitCode.FAILED
        code = ExitCode.INTERRUPTED if isinstance(fault, KeyboardInterrupt) else code
        end(room, code, str(fault) or type(fault).__name__)
        raise


def end(room: Room, code: ExitCode, why: str, **data: Any) -> None:
    """End the run's journal, if it was begun. The run is over: a signal cuts this short and changes nothing else."""
    with suppress(KeyboardInterrupt):
        room.journal.end(why, {"exit_code": int(code), **encode(data)})


def _begin(common: Common, room: Room, targets: Iterable[str], plan: Plan | None) -> None:
    steps = [planned.step for planned in plan.every] if plan else []
    # What a build or a test prints may be a secret of its family: from here on the journal knows it.
    for family in {step.family for step in steps if isinstance(step, BuildImage | SmokeTestImage)}:
        with suppress(RebakeError):  # the step that needs it will say so
            room.tools.reveal(room.settings.families[family])
    try:
        who = encode(room.preflight.caller())
    except RebakeError as error:
        who = {"arn": "", "account": "", "fault": error.message}
    asked = {"verb": common.verb, "words": common.words, "targets": list(dict.fromkeys(targets))}
    room.journal.begin(room.run, " ".join(("rebake", *common.words)), {**asked, "caller": who, "plan": encode(plan)})
