"""Processes that end with us: each holds the reading end of a pipe whose writing end only we have.

When this process ends, however it ends, the kernel closes the pipe and the child reads the end of its stdin. Unlike
PR_SET_PDEATHSIG this does not depend on the thread that started the child, and a request's thread is short-lived.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pipeline

_GRACE = 3.0  # seconds between asking a child to end and ending it


def python_path() -> dict[str, str]:
    """Build an environment in which a child Python finds this very package, installed or not."""
    here = str(Path(pipeline.__file__).parent.parent)
    others = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{others}" if others else here}


def end(process: subprocess.Popen[str] | subprocess.Popen[bytes], *, grace: float = _GRACE) -> None:
    """End a child that leads a session of its own: close its stdin, wait, then kill its whole process group."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        kill_group(process)
        process.wait()


def kill_group(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Kill a child that was started in a session of its own, with everything it started there."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
