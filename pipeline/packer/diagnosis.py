"""Why a build failed, in one sentence."""

from __future__ import annotations

import re
from collections import deque

from pipeline.errors import StepFailed
from pipeline.packer.events import PackerEvent

_PREFIX = re.compile(r"^(?:(?:==>|-->) |\s{4})[\w.-]+: ?")
# Packer 1.16 says a script's output in the same way as its own steps, so its steps are told by their words.
_PHASE = re.compile(
    r"Prevalidating|Creating (?:AMI|temporary)|Launching a source|Stopping the source|Using \w+ communicator"
    r"|Waiting for (?:SSH|WinRM|instance|the instance|AMI|auto-generated)|Provisioning with|Running local shell script"
    r"|Running post-|Executing Ansible|Adding tags|(?:Uploading|Downloading) .* => "
)
_AFTERMATH = re.compile(
    r"Provisioning step had errors|Cleaning up|Terminating the source|Deleting temporary|Cancelling build after"
    r"|Build '.*' (?:errored|finished) after|Wait completed|Some builds didn't|Builds finished|No AMIs to cleanup"
)
_CANCELLED = "Cleanly cancelled builds"
_SCRIPT = re.compile(
    r"(?:Provisioning with (?:shell|powershell) script|Running local shell script): (?P<path>.*)", re.IGNORECASE
)
_INLINE = re.compile(r".*/(?:packer-shell|powershell-provisioner)\d*$")
_EXIT = re.compile(r"exit status: (\d+)|exit status (\d+)")
_LACKING = re.compile(
    r"Error launching source instance:.*?\b(InsufficientInstanceCapacity|InsufficientHostCapacity|Unsupported):",
    re.DOTALL,
)
_LAST_LINES = 3
_LONGEST = 600


class NoCapacity(StepFailed):
    """AWS cannot launch this instance type here now; ``code`` is its word for why."""

    def __init__(self, code: str, message: str, *, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.code = code


class Diagnosis:
    """Listens to a build and remembers what the reader would want to know if it failed.

    ``cancelled`` says that Packer was asked to end, by us or by anyone else, and has cleaned up.
    """

    def __init__(self) -> None:
        self.cancelled = False
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
        kind, text = event.data[0], _PREFIX.sub("", event.text, count=1)
        if kind == "error":
            self._said.append(text)
        self.cancelled = self.cancelled or text.startswith(_CANCELLED)
        if _AFTERMATH.match(text):
            self._over = True
        elif not self._over and kind == "say" and _PHASE.match(text):
            self._phase = text
            self._lines.clear()
        elif not self._over and text.strip():
            self._lines.append(text.strip())

    def whereabouts(self) -> str:
        """Tell what Packer was at, as a clause to put behind a sentence; empty when it had not begun."""
        script = _SCRIPT.search(self._phase)
        at = f"running {_named(script['path'])}" if script else (self._phase[:1].lower() + self._phase[1:]).rstrip(".")
        return f" while {at}" if at else ""

    def failure(self, log: str) -> StepFailed:
        """Make the error that ends the build; NoCapacity where another instance type may be launched instead."""
        lacking = _LACKING.search(self._error)
        hint = f"the whole log is in {log}"
        if lacking:
            more = "name further build.instance_types, or a subnet in another zone"
            return NoCapacity(lacking[1], self.cause(), hint=f"{more}; {hint}")
        return StepFailed(self.cause(), hint=hint)

    def cause(self) -> str:
        """Say where it failed and with what; at most 600 characters, never a stack trace."""
        error = _sentence(self._error or (self._said[-1] if self._said else "Packer ended without a word"))
        lines = [line for line in self._lines if not line.startswith(("goroutine ", "\t"))]
        script = _SCRIPT.search(self._phase)
        status = _EXIT.search(error)
        if script:
            how = f"ended with exit status {status[1] or status[2]}" if status else f"failed ({error})"
            said = f"; its last lines: {' | '.join(lines)}" if lines else ""
            return f"{_named(script['path'])} {how}{said}"[:_LONGEST]
        known = f"; last lines: {' | '.join(lines)}" if status and lines else ""
        return f"Packer failed{self.whereabouts()}: {error}{known}"[:_LONGEST]


def _sentence(text: str) -> str:
    return " ".join(text.replace("(source code not available)", "").split())


def _named(path: str) -> str:
    return "an inline script" if _INLINE.match(path) else f"the script {path}"
