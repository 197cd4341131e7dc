"""The andon cord: who may be halted by which signal."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.model.settings import FleetSettings
from pipeline.model.signals import Signal

EVERYTHING = "all"


def group_scope(patch_group: str) -> str:
    """Name the scope of a patch group."""
    return f"group-{patch_group}"


def fleet_scope(fleet: str) -> str:
    """Name the scope of a fleet."""
    return f"fleet-{fleet}"


def halted(fleet: FleetSettings, cords: Mapping[str, Signal]) -> str | None:
    """Say by whom a fleet is halted and why; None: it is not."""
    scopes = [EVERYTHING, fleet_scope(fleet.name)]
    if fleet.patch_group:
        scopes.append(group_scope(fleet.patch_group))
    for scope in scopes:
        if (signal := cords.get(scope)) is not None:
            return f"halted ({scope}) by {signal.by} at {signal.at:%Y-%m-%d %H:%M} UTC: {signal.reason}"
    return None
