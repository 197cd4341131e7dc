"""The andon cord: who may be halted by which signal, and how a refresh is stopped."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.model.fleets import Group, Refresh
from pipeline.model.settings import FleetSettings
from pipeline.model.signals import Signal
from pipeline.model.strategies import OnHalt

EVERYTHING = "all"


def group_scope(patch_group: str) -> str:
    """Name the scope of a patch group."""
    return f"group-{patch_group}"


def fleet_scope(fleet: str) -> str:
    """Name the scope of a fleet."""
    return f"fleet-{fleet}"


def scopes_of(fleet: FleetSettings) -> tuple[str, ...]:
    """Name the scopes that a fleet is in."""
    group = (group_scope(fleet.patch_group),) if fleet.patch_group else ()
    return (EVERYTHING, fleet_scope(fleet.name), *group)


def halted(fleet: FleetSettings, cords: Mapping[str, Signal]) -> str | None:
    """Say by whom a fleet is halted and why; None: it is not."""
    for scope in scopes_of(fleet):
        if (signal := cords.get(scope)) is not None:
            return f"halted ({scope}) by {signal.by} at {signal.at:%Y-%m-%d %H:%M} UTC: {signal.reason}"
    return None


def way_to_stop(refresh: Refresh, group: Group, how: OnHalt = OnHalt.ROLL_BACK) -> OnHalt:
    """Choose how to stop a refresh; LEAVE: nothing is to be asked of AWS, for it is on its way back or at its end.

    AWS rolls back to the version that is saved on the group. Where that is the refresh's own goal (it replaces the rest
    of a group, zone by zone) rolling back would go forward; and without a desired configuration AWS refuses.
    """
    if how is OnHalt.LEAVE or not refresh.status.forward:
        return OnHalt.LEAVE
    if how is OnHalt.CANCEL or refresh.desired is None or refresh.desired == group.template:
        return OnHalt.CANCEL
    return OnHalt.ROLL_BACK
