"""What tiers B and C differ in: how a machine is started, and how its disk is copied and removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.sandbox.machines import MachineSpec, MachineState, Tier
from pipeline.sandbox.real.commands import Invocation


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A machine's disk: a folder of its own, on top of the layers of its image (lowest first)."""

    folder: Path
    layers: tuple[Path, ...]
    first_boot: bool


class Box(Protocol):
    """A started machine."""

    def wait(self, given_up: Callable[[], bool]) -> MachineState:
        """Wait until it can be reached, or never will; FAILED when it ended first, took too long, or was given up."""
        ...

    def alive(self) -> bool:
        """Whether it still runs."""
        ...

    def last_words(self) -> str:
        """Tell the last line of its console, which says why it did not come up; empty when it has none."""
        ...

    def serve(self, port: int) -> None:
        """Learn that a load balancer will ask for this port."""
        ...

    def invocation(self, script: str) -> Invocation:
        """Tell how to run a shell script on it as root."""
        ...

    def end(self) -> None:
        """Stop it with everything it runs, and wait for that."""
        ...


class House(Protocol):
    """The tier's way to make machines. All methods block."""

    @property
    def tier(self) -> Tier:
        """Which one."""
        ...

    def layers(self, frozen: Sequence[Path]) -> tuple[Path, ...]:
        """Tell the folders under a machine whose image has these frozen layers (oldest first)."""
        ...

    def start(self, spec: MachineSpec, disk: Disk) -> Box:
        """Start a machine."""
        ...

    def copy(self, source: Path, target: Path) -> None:
        """Copy a disk's folder."""
        ...

    def remove(self, folder: Path) -> None:
        """Remove a disk's folder; one that is gone is no error."""
        ...
