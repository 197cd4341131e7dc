"""Choosing how real the sandbox is: the one module that reaches for real machines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.sandbox.machines import Machines, Tier
from pipeline.sandbox.real import open_machines, probe


def choose(tier: str | None) -> tuple[Tier, str]:
    """Take the tier that is asked for, or the most real one that works here, with the reason in words.

    Raises:
        UsageError: there is no such tier.
    """
    if tier is None:
        found = probe()
        return found.tier, found.reason
    if tier.upper() not in set(Tier):
        raise UsageError(f"There is no tier {tier}.", hint="choose A, B or C, or leave it to the probe")
    return Tier(tier.upper()), "as asked for"


def machines_of(tier: Tier, *, state_dir: Path, speed: float, on_line: Callable[[str], None]) -> Machines | None:
    """Open a tier's machines; None for tier A, whose machines the cloud has itself."""
    if tier is Tier.API:
        return None
    return open_machines(tier, state_dir=state_dir, speed=speed, on_line=on_line)
