"""One run of Packer as a child process that never outlives us and never loses its chance to clean up.

Three facts decide the shape. Packer deletes its instance, key and security group only on SIGTERM (an interrupt to its
pid is ignored, a hang-up leaks), so a dead parent must mean SIGTERM: PR_SET_PDEATHSIG. That signal comes when the
*thread* that forked ends, so a thread lives as long as the child. And a broken pipe would kill it in mid-clean-up, so
its output goes to a file, which is tailed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_TAIL_SECONDS = 0.05
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Child:
    """A process in a session of its own; ``lines`` follows its output until it ends. It holds a file open, if told."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        output: Path,
        held: int | None = None,
    ) -> None:
        self._argv = argv
        self._held = () if held is None else (held,)
        self._folder = folder
        self._environment = environment
        self._output = output
        self._position = 0
        self._rest = b""
        self._process: subprocess.Popen[bytes] | None = None
        self._fault: OSError | None = None
        self._started = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, name="packer", daemon=True)

    def start(self) -> None:
        """Start it.

        Raises:
            OSError: the program cannot be executed.
        """
        self._output.touch(mode=0o600)
        self._thread.start()
        self._started.wait()
        if self._fault:
            raise self._fault

    def lines(self, *, deadline: float) -> Iterator[str]:
        """Follow the output, line by line, until the process ends; a second call goes on where the first one stopped.

        Raises:
            TimeoutError: ``deadline`` (of ``time.monotonic``) has passed; the process still runs.
        """
        while True:
            ended = self._ended.is_set()  # asked before reading: what is read afterwards is then all there is
            yield from self._read()
            if ended:
                break
            if time.monotonic() > deadline:
                raise TimeoutError
            self._ended.wait(_TAIL_SECONDS)
        if self._rest:
            yield self._rest.decode(errors="replace")
            self._rest = b""

    def exit_status(self) -> int:
        """Wait for the end and answer the exit status (negative: the signal that killed it)."""
        self._ended.wait()
        return self._process.returncode if self._process else -1

    def ask_to_end(self) -> None:
        """Send SIGTERM, upon which Packer cleans up; `lines` then tells what it does."""
        if self._process and not self._ended.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End the whole group at once; what it made in AWS stays."""
        if not self._ended.is_set():
            self._kill_group()
        self._ended.wait()

    def _read(self) -> Iterator[str]:
        with self._output.open("rb") as output:
            output.seek(self._position)
            data = output.read()
        self._position += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)

    def _live(self) -> None:
        try:
            with self._output.open("wb") as output:
                self._process = subprocess.Popen(
                    self._argv,
                    cwd=self._folder,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=self._held,
                    preexec_fn=partial(_die_with_parent, os.getpid()),  # noqa: PLW1509 - one system call, resolved before the fork
                )
        except OSError as error:
            self._fault = error
            return
        finally:
            self._started.set()
        # Not reaped yet, so that its pid still names its group: whatever it left behind ends with it.
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        self._kill_group()
        self._process.wait()
        self._ended.set()

    def _kill_group(self) -> None:
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _die_with_parent(parent: int) -> None:
    if _LIBC:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it died before the call above, so no signal will come
            os._exit(1)
