"""The entry point: verbs, signals, errors and exit codes."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from pipeline import __version__
from pipeline.cli import changing, files, gating, reading, sandbox, signalling
from pipeline.cli.complaint import show_error
from pipeline.errors import ExitCode, Interrupted, RebakeError, UsageError

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK = "see what would be done with: rebake plan"

app = typer.Typer(
    name="rebake",
    help="Bake patched AMIs, prove them, and replace every fleet that runs the old one.",
    add_completion=False,
    rich_markup_mode=None,  # rich is imported where something is shown, not for --help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
files.register(app)
reading.register(app)
gating.register(app)
changing.register(app)
signalling.register(app)
app.add_typer(sandbox.app, name="sandbox")


@app.callback(invoke_without_command=True)
def root(version: bool = typer.Option(False, "--version", help="Print the version and leave.")) -> None:
    """Bake patched AMIs, prove them, and replace every fleet that runs the old one."""
    if version:
        print(__version__)
        raise typer.Exit(ExitCode.DONE)


def main() -> NoReturn:
    """Run a command; the process's exit code is one of `ExitCode`."""
    for number in _ENDING:
        signal.signal(number, _interrupt)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command and answer its exit code; errors become one sentence and a hint on stderr."""
    as_json = "--json" in arguments
    try:
        outcome = app(arguments or ["--help"], standalone_mode=False, prog_name="rebake", obj=arguments)
    except RebakeError as error:
        show_error(error, as_json=as_json)
        return error.exit_code
    except typer.Abort:
        show_error(Interrupted("Stopped before anything was changed.", hint=_LOOK), as_json=as_json)
        return ExitCode.INTERRUPTED
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "rebake"
        show_error(UsageError(error.format_message(), hint=f"see: {command} --help"), as_json=as_json)
        return ExitCode.USAGE
    return outcome if isinstance(outcome, int) else ExitCode.DONE


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    # Not an Exception: libraries catch those, and botocore would take one for a lost connection and go on.
    # One more signal must not break off what puts things back.
    for ending in _ENDING:
        signal.signal(ending, signal.SIG_IGN)
    raise KeyboardInterrupt(signal.Signals(number).name)
