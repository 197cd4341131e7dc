"""Words for running rollouts: pull the andon cord, let it go, approve or reject."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import NotFound, RebakeError, UsageError
from pipeline.execute.refreshing import stop_refresh
from pipeline.model.fleets import Refresh
from pipeline.model.ids import RunId
from pipeline.model.names import andon_path, approval_path
from pipeline.model.signals import Signal
from pipeline.model.strategies import OnHalt
from pipeline.planning.halts import EVERYTHING, fleet_scope, group_scope, halted
from pipeline.runs.room import Room, require_known


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltedFleet:
    """A fleet in the scope of a cord, and what became of the refresh that AWS had under way, if any."""

    fleet: str
    text: str
    ok: bool = True


def scope_of(room: Room, *, fleet: str | None, group: str | None, everything: bool) -> str:
    """Name the scope that a command line means: exactly one of a fleet, a patch group, everything.

    Raises:
        UsageError: it says none or several of them, or names what the configuration has not.
    """
    if sum((fleet is not None, group is not None, everything)) != 1:
        raise UsageError("Say whom: exactly one of --fleet, --group, --all.", hint="to stop everything: --all")
    if fleet is not None:
        require_known("fleet", fleet, room.settings.fleets)
        return fleet_scope(fleet)
    if group is not None:
        names = {one.patch_group for one in room.settings.fleets.values() if one.patch_group}
        require_known("patch group", group, names)
        return group_scope(group)
    return EVERYTHING


def halt(room: Room, scope: str, reason: str, *, dry_run: bool = False) -> tuple[HaltedFleet, ...]:
    """Pull the cord of a scope, and stop the refreshes under way in it as each fleet is configured.

    Running rollouts see the cord before their next step. What AWS is doing for a run that has died is stopped here.
    """
    signal = _signed(room, "halt", reason)
    if not dry_run:
        room.tools.signals.leave(f"{andon_path(room.settings.channel_prefix)}/{scope}", signal)
    cords = {scope: signal}
    names = [name for name, fleet in sorted(room.settings.fleets.items()) if halted(fleet, cords) is not None]
    return tuple(_stop(room, name, dry_run=dry_run) for name in names)


def unhalt(room: Room, scope: str) -> None:
    """Let the cord of a scope go.

    Raises:
        NotFound: it is not pulled.
    """
    path = andon_path(room.settings.channel_prefix)
    if not room.tools.signals.take(f"{path}/{scope}"):
        pulled = ", ".join(sorted(room.tools.signals.under(path))) or "none"
        raise NotFound(f"The cord {scope} is not pulled.", hint=f"pulled are: {pulled}")


def approve(room: Room, run: RunId, reason: str, *, reject: bool = False) -> Signal:
    """Answer a run that waits for approval; the last word counts."""
    signal = _signed(room, "reject" if reject else "approve", reason)
    room.tools.signals.leave(f"{approval_path(room.settings.channel_prefix)}/{run}", signal)
    return signal


def _signed(room: Room, word: str, reason: str) -> Signal:
    return Signal(word=word, by=room.preflight.caller().arn, reason=reason, at=room.tools.clock.now())


def _stop(room: Room, name: str, *, dry_run: bool) -> HaltedFleet:
    try:
        view = room.fleet(name, copyable=False)
        if view.active is None:
            return HaltedFleet(fleet=name, text="no refresh is under way")
        how = view.settings.on_halt
        if dry_run:
            return HaltedFleet(fleet=name, text=f"refresh {view.active.id} would be stopped ({how})")
        return HaltedFleet(fleet=name, text=stop(room, view.active, how))
    except RebakeError as error:
        return HaltedFleet(fleet=name, text=error.whole, ok=False)


def stop(room: Room, refresh: Refresh, how: OnHalt) -> str:
    """Stop a refresh and say what became of it."""
    asked = stop_refresh(room.tools, refresh, how)
    became = {
        OnHalt.ROLL_BACK: "is being rolled back",
        OnHalt.CANCEL: "is cancelled; what it replaced stays",
        OnHalt.LEAVE: f"is {refresh.status} and goes on",
    }
    return f"refresh {refresh.id} {became[asked]}"
