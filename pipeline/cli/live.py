"""Progress on stderr: coloured and live on a terminal, one line an event elsewhere."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from pipeline.ports.progress import Event, EventKind, Progress
from pipeline.records.events import Fanout, Recorder

if TYPE_CHECKING:
    from rich.status import Status

_STYLES = {
    EventKind.STARTED: "bold cyan",
    EventKind.PROGRESS: "",
    EventKind.LINE: "dim",
    EventKind.FINISHED: "green",
    EventKind.WARNING: "bold yellow",
}


class TerminalProgress:
    """Lines with the seconds since the start, and a spinner with the step under way."""

    def __init__(self, console: Console, *, verbose: bool) -> None:
        self._console = console
        self._verbose = verbose
        self._began: datetime | None = None
        self._status: Status | None = None

    def emit(self, event: Event) -> None:
        """Show an event; what Packer prints only moves the spinner unless asked for."""
        self._began = self._began or event.at
        text = f"{event.target}  {event.text}"
        if event.kind is EventKind.LINE and not self._verbose:
            self._spin(text)
            return
        style = _STYLES[event.kind]
        seconds = (event.at - self._began).total_seconds()
        self._console.print(f"[dim]{seconds:6.1f} s[/]  [{style or 'default'}]{escape(text)}[/]", highlight=False)
        if event.kind is EventKind.STARTED:
            self._spin(text)
        elif event.kind is not EventKind.LINE:
            self._spin(text if event.kind is EventKind.PROGRESS else "")

    def close(self) -> None:
        """Take the spinner away."""
        self._spin("")

    def _spin(self, text: str) -> None:
        if not text:
            if self._status is not None:
                self._status.stop()
                self._status = None
            return
        short = escape(text[: self._console.width - 4])
        if self._status is None:
            self._status = self._console.status(short)
            self._status.start()
        else:
            self._status.update(short)


class LineProgress:
    """One line an event, with the time of day, for logs of schedulers and pipelines."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose

    def emit(self, event: Event) -> None:
        """Write the event to stderr."""
        if event.kind is EventKind.LINE and not self._verbose:
            return
        stamp = event.at.astimezone(UTC).strftime("%H:%M:%SZ")
        print(f"{stamp} {event.kind:<8} {event.target}: {event.text}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing is kept open."""


def display(*, verbose: bool, recorder: Recorder) -> Progress:
    """Choose the display by whether stderr is a terminal."""
    console = Console(stderr=True)
    chosen: Progress = (
        TerminalProgress(console, verbose=verbose) if console.is_terminal else LineProgress(verbose=verbose)
    )
    return Fanout(chosen, recorder)
