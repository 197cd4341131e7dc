"""How to get namespaces: as root directly, as an ordinary user through subordinate ids."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import StepFailed

# Ordinary users' PATH often lacks the sbin folders, where pivot_root and chroot are.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH, "LC_ALL": "C.UTF-8"}

_MAPPED = ("--user", "--map-root-user", "--map-auto")
_OWN = ("--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child")


def is_root() -> bool:
    """Whether we need no user namespace."""
    return os.geteuid() == 0


def overlay_options() -> str:
    """Tell the options an overlay needs; without ``userxattr`` dpkg meets "Invalid cross-device link" in a user's."""
    return "" if is_root() else ",userxattr"


def boxed(*command: str) -> tuple[str, ...]:
    """Wrap a command so that it runs as process 1 of new namespaces, as their root."""
    return ("unshare", *(() if is_root() else _MAPPED), *_OWN, "--", *command)


def as_owner(*command: str) -> tuple[str, ...]:
    """Wrap a command so that it may read, write and remove files of all of an instance's users."""
    return command if is_root() else ("unshare", *_MAPPED, "--", *command)


def entered(pid: int, *command: str) -> tuple[str, ...]:
    """Wrap a command so that it runs as root inside the namespaces of a process."""
    user = () if is_root() else ("--user",)
    spaces = ("--mount", "--pid", "--uts", "--ipc", "--root", "--wd")
    return ("nsenter", "--target", str(pid), *user, *spaces, "--", *command)


def run(command: Sequence[str], *, cwd: Path | None = None) -> None:
    """Run a command to its end.

    Raises:
        StepFailed: it failed; the message carries its last line.
    """
    done = subprocess.run(
        command, cwd=cwd, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise StepFailed(f"{' '.join(command[:6])} failed with {done.returncode}: {last}")
