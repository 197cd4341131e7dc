"""Shell scripts under way on a machine."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pipeline.sandbox.machines import CommandOutput
from pipeline.sandbox.real.children import kill_group

_OUTPUT_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """How a script is started: the whole argument list, and where."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]


class ShellCommand:
    """A process with its output; time-out and cancellation kill everything it started.

    The output goes to files, not pipes: a daemon that the script leaves behind would hold a pipe open for ever.
    """

    def __init__(self, invocation: Invocation, timeout: timedelta) -> None:
        # Closed in `_read`, by the thread that outlives this call.
        self._files = (tempfile.TemporaryFile(), tempfile.TemporaryFile())  # noqa: SIM115 - see above
        self._output: CommandOutput | None = None
        self._cancelled = False
        self._process = subprocess.Popen(
            invocation.argv,
            cwd=invocation.cwd,
            env=invocation.env,
            stdin=subprocess.DEVNULL,
            stdout=self._files[0],
            stderr=self._files[1],
            start_new_session=True,
        )
        self._waiter = threading.Thread(target=self._wait, args=(timeout.total_seconds(),), name="command", daemon=True)
        self._waiter.start()

    def poll(self) -> CommandOutput | None:
        """Answer its output, or None while it runs."""
        return self._output

    def cancel(self) -> None:
        """End it."""
        if self._output is None:
            self._cancelled = True
            kill_group(self._process)

    def join(self) -> None:
        """Wait until it has ended."""
        self._waiter.join()

    def _wait(self, seconds: float) -> None:
        timed_out = False
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            timed_out = True
            kill_group(self._process)
            code = self._process.wait()
        stdout, stderr = self._read()
        if timed_out:
            status = "TimedOut"
        elif self._cancelled:
            status = "Cancelled"
        else:
            status = "Success" if code == 0 else "Failed"
        # A signal's negative code is what a shell calls 128 + n; Run Command shows -1 for what it ended itself.
        shown = -1 if status in ("TimedOut", "Cancelled") else (code if code >= 0 else 128 - code)
        self._output = CommandOutput(status=status, exit_status=shown, stdout=stdout, stderr=stderr)

    def _read(self) -> tuple[str, str]:
        texts = []
        for file in self._files:
            with file:
                file.seek(0)
                texts.append(file.read(_OUTPUT_MAX).decode(errors="replace"))
        return texts[0], texts[1]
