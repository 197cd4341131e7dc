"""Why a build failed, in one sentence."""

from __future__ import annotations

import re
from collections import deque

from pipeline.packer.events import PackerEvent

_PREFIX = re.compile(r"^(?:==>|-->)?\s*(?:[\w.-]+: ?)?")
_AFTERMATH = re.compile(
    r"Provisioning step had errors|Cleaning up|Terminating the source|Deleting temporary|Cancelling|Stopping the source"
    r"|Build '.*' (?:errored|finished)|Wait completed|Some builds didn't|Builds finished|No AMIs to cleanup|No volumes"
)
_SCRIPT = re.compile(
    r"(?:Provisioning with (?:shell|powershell) script|Running local shell script): (?P<path>.*)", re.IGNORECASE
)
_INLINE = re.compile(r".*/(?:packer-shell|powershell-provisioner)\d*$")
_EXIT = re.compile(r"exit status: (\d+)|exit status (\d+)")
_LAST_LINES = 3
_LONGEST = 600


class Diagnosis:
    """Listens to a build and remembers what the reader would want to know if it failed."""

    def __init__(self) -> None:
        self._phase = ""
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._error = ""
        self._said: deque[str] = deque(maxlen=1)
        self._over = False

    def listen(self, event: PackerEvent) -> None:
        """Take note of one event."""
        if event.type == "error" and event.data:
            self._error = self._error or event.data[0]
        if event.type != "ui" or not event.text:
            return
        kind, text = event.data[0], _PREFIX.sub("", event.text.strip(), count=1)
        if kind == "error":
            self._said.append(text)
        if _AFTERMATH.search(text):
            self._over = self._over or not text.startswith("Stopping the source")
        elif not self._over and kind == "say":
            self._phase = text
            self._lines.clear()
        elif not self._over and text.strip():
            self._lines.append(text.strip())

    def cause(self) -> str:
        """Say where it failed and with what; at most 600 characters, never a stack trace."""
        error = _sentence(self._error or (self._said[-1] if self._said else "Packer ended without a word"))
        lines = [line for line in self._lines if not line.startswith(("goroutine ", "\t"))]
        script = _SCRIPT.search(self._phase)
        status = _EXIT.search(error)
        if script:
            named = "an inline script" if _INLINE.match(script["path"]) else f"the script {script['path']}"
            how = f"ended with exit status {status[1] or status[2]}" if status else f"failed ({error})"
            said = f"; its last lines: {' | '.join(lines)}" if lines else ""
            return f"{named} {how}{said}"[:_LONGEST]
        where = f" while {_lower(self._phase)}" if self._phase else ""
        known = f"; last lines: {' | '.join(lines)}" if status and lines else ""
        return f"Packer failed{where}: {error}{known}"[:_LONGEST]


def _sentence(text: str) -> str:
    return " ".join(text.split())


def _lower(phase: str) -> str:
    return (phase[:1].lower() + phase[1:]).rstrip(".")
