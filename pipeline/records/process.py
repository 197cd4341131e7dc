"""This process, told apart from every other that ever ran on this machine."""

from __future__ import annotations

import getpass
import os
import socket
from pathlib import Path

_PROC = Path("/proc")


def this_process() -> tuple[str, str]:
    """Name who runs this (``root@ci-7``) and the process: boot, pid namespace, pid, start; empty where no /proc is."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}", _identity(os.getpid())


def is_gone(process: str) -> bool:
    """Tell whether a process has ended that ran on this machine since its boot; False where that is not known."""
    machine, _, rest = process.rpartition("/")
    pid = rest.partition("@")[0]
    ours = _identity(os.getpid()).rpartition("/")[0]
    return bool(machine) and machine == ours and _identity(int(pid)) != process


def _identity(pid: int) -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespace = (_PROC / "self/ns/pid").readlink()
        # The command's name, in parentheses, may hold anything; what follows is fixed: start is the 20th field of it.
        start = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
    return f"{boot}/{namespace}/{pid}@{start}"
