"""Machines that are real: processes (tier B) or Debian userlands (tier C), and a load balancer before them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.errors import NotPossible
from pipeline.sandbox.machines import Machines, Tier
from pipeline.sandbox.real.lifecycle import RealMachines
from pipeline.sandbox.real.ports import open_port
from pipeline.sandbox.real.processes import Processes

__all__ = ["open_machines", "open_port"]


def open_machines(
    tier: Tier, *, state_dir: Path, speed: float, on_line: Callable[[str], None] | None = None
) -> Machines:
    """Open a tier's machines.

    ``on_line`` hears what happens, a line at a time, from any thread. ``speed`` divides durations of sandbox time.

    Raises:
        NotPossible: tier A has no machines.
    """
    hear = on_line or (lambda _: None)
    if tier is Tier.PROCESS:
        return RealMachines(Processes(speed=speed), state_dir=state_dir, speed=speed, on_line=hear)
    raise NotPossible("tier A has no machines behind its API", hint="open tier B or C")
