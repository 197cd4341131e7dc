"""Machines that are real: processes (tier B) or Debian userlands (tier C), and a load balancer before them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import assert_never

from pipeline.errors import NotPossible
from pipeline.sandbox.machines import Machines, Tier
from pipeline.sandbox.real.house import House
from pipeline.sandbox.real.lifecycle import RealMachines
from pipeline.sandbox.real.ports import open_port
from pipeline.sandbox.real.processes import Processes
from pipeline.sandbox.real.userland.namespaces import as_owner, run
from pipeline.sandbox.real.userland.probe import Probe, probe
from pipeline.sandbox.real.userland.rootfs import cache_folder, obtain, unpack
from pipeline.sandbox.real.userland.userlands import SSH_PORT, Userlands

__all__ = ["SSH_PORT", "Probe", "discard", "open_machines", "open_port", "probe"]


def open_machines(
    tier: Tier, *, state_dir: Path, speed: float, on_line: Callable[[str], None] | None = None
) -> Machines:
    """Open a tier's machines. Tier C builds its base image first, or takes it from the cache.

    ``on_line`` hears what happens, a line at a time, from any thread. ``speed`` divides durations of sandbox time.

    Raises:
        NotPossible: tier A has no machines.
        Unavailable: tier C cannot reach Debian's archive.
        StepFailed: tier C cannot build its base image.
    """
    hear = on_line or (lambda _: None)
    state_dir = state_dir.resolve()
    match tier:
        case Tier.API:
            raise NotPossible("tier A has no machines behind its API", hint="open tier B or C")
        case Tier.PROCESS:
            house: House = Processes(speed=speed)
        case Tier.USERLAND:
            base = unpack(obtain(cache_folder(), hear), state_dir / "base")
            house = Userlands(folder=state_dir, base=base)
        case _:
            assert_never(tier)
    return RealMachines(house, state_dir=state_dir, speed=speed, on_line=hear)


def discard(state_dir: Path) -> None:
    """Remove what machines left on disk, images included; an instance's files may belong to users of its own.

    Raises:
        StepFailed: it cannot be removed.
    """
    run(as_owner("rm", "-rf", "--", str(state_dir)))
