"""What this machine can be a sandbox for: tried, never guessed from names and versions."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pipeline.sandbox.machines import Tier
from pipeline.sandbox.real.userland.namespaces import ENVIRONMENT, PATH, boxed, overlay_options

_TOOLS = ("apt-get", "dpkg", "tar", "unshare", "nsenter", "mount", "pivot_root", "perl")
_TRIAL = (
    "set -e; mkdir l u w m; mount --make-rprivate /;"
    "mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w$OPTIONS m;"
    "mkdir m/a m/proc m/dev; chown 7:7 m/a; mv m/a m/b;"
    "mount -t proc proc m/proc; mount -t tmpfs dev m/dev; mkdir m/dev/pts;"
    "mount -t devpts -o newinstance,ptmxmode=0666,gid=5 devpts m/dev/pts; cd m; pivot_root . ."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The most real tier that works here, and why it is not a more real one (or that it is the most real)."""

    tier: Tier
    reason: str


def probe(where: Path | None = None) -> Probe:
    """Try what each tier needs, in a folder on the file system that would hold the machines (default: temporary)."""
    fault = userland_fault(where)
    if fault is None:
        return Probe(tier=Tier.USERLAND, reason="namespaces, overlay and Debian's tools work")
    if _binds_any_loopback():
        return Probe(tier=Tier.PROCESS, reason=f"no Debian userlands: {fault}")
    return Probe(tier=Tier.API, reason="only 127.0.0.1 can be bound here, and machines need addresses of their own")


def userland_fault(where: Path | None = None) -> str | None:
    """Tell in a few words what tier C lacks here; None when it works."""
    missing = [tool for tool in _TOOLS if shutil.which(tool, path=PATH) is None]
    if missing:
        return f"{', '.join(missing)} not found"
    try:
        return _trial_fault(where)
    except OSError as error:
        return f"no folder to try it in: {error.strerror}"


def _trial_fault(where: Path | None) -> str | None:
    with tempfile.TemporaryDirectory(dir=where, prefix="probe-", ignore_cleanup_errors=True) as folder:
        trial = subprocess.run(
            boxed("sh", "-c", _TRIAL),
            cwd=folder,
            env={**ENVIRONMENT, "OPTIONS": overlay_options()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        subprocess.run(["chmod", "-R", "u+rwX", folder], capture_output=True, check=False)
    if trial.returncode:
        return (trial.stderr.strip().splitlines() or ["namespaces are refused"])[-1]
    return None


def _binds_any_loopback() -> bool:
    try:
        with socket.create_server(("127.31.255.254", 0)):
            return True
    except OSError:
        return False
