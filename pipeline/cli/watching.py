"""``rebake watch``: what stands, again and again, and what has changed since."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline.cli.encode import dump
from pipeline.cli.tell import refresh_text
from pipeline.errors import RebakeError
from pipeline.runs.room import Room
from pipeline.runs.status import FamilyStatus, FleetStatus, status

_EVENTS = 12


@dataclass(slots=True, kw_only=True)
class Changes:
    """What was seen last of each fleet, and the latest changes in words."""

    seen: dict[str, str] = field(default_factory=dict)
    latest: deque[str] = field(default_factory=lambda: deque(maxlen=_EVENTS))

    def note(self, families: Sequence[FamilyStatus], at: datetime) -> list[str]:
        """Take a new look in, and answer what has changed."""
        changed = []
        for fleet in fleets_of(families):
            line = describe_fleet(fleet)
            if self.seen.get(fleet.name) != line:
                self.seen[fleet.name] = line
                changed.append(f"{at.astimezone(UTC):%H:%M:%S}Z {fleet.name}: {line}")
        self.latest.extend(changed)
        return changed


def watch(room: Room, name: str | None, *, every: timedelta, until_done: bool, as_json: bool) -> None:
    """Show what stands until Ctrl-C, or until nothing is under way; live on a terminal, a line a change elsewhere."""
    console = Console()
    changes = Changes()
    try:
        if as_json or not console.is_terminal:
            for at, families in _looks(room, name, every=every, until_done=until_done, failed=_complain):
                changed = changes.note(families, at)
                if changed:
                    print(dump({"at": at, "families": families}) if as_json else "\n".join(changed), flush=True)
            return
        with Live(console=console, auto_refresh=False) as live:
            for at, families in _looks(room, name, every=every, until_done=until_done, failed=changes.latest.append):
                changes.note(families, at)
                live.update(frame(families, changes), refresh=True)
    except KeyboardInterrupt:
        print(file=sys.stderr)  # to look away is no failure


def frame(families: Sequence[FamilyStatus], changes: Changes) -> Group:
    """Draw one moment: a row a fleet, and the latest changes below."""
    table = Table("fleet", "healthy", "instances by image", "progress", "", expand=True, box=None)
    for fleet in fleets_of(families):
        percent = progress_of(fleet)
        bar = ProgressBar(total=100, completed=percent, width=20) if percent is not None else Text("")
        style = "red" if fleet.halted or fleet.fault else ""
        table.add_row(Text(fleet.name, style=style), f"{fleet.healthy}/{fleet.desired}", mix(fleet), bar, _state(fleet))
    return Group(table, Text(), *(Text(line, style="dim") for line in changes.latest))


def fleets_of(families: Sequence[FamilyStatus]) -> Iterator[FleetStatus]:
    """List the fleets of all families."""
    return (fleet for family in families for fleet in family.fleets)


def under_way(fleet: FleetStatus) -> bool:
    """Tell whether a rollout of the fleet is under way, as far as AWS could be asked."""
    return fleet.passing or progress_of(fleet) is not None


def progress_of(fleet: FleetStatus) -> int | None:
    """Tell how far the fleet's rollout is, in percent; None: none is under way."""
    if fleet.refresh is not None and not fleet.refresh.status.ended:
        return fleet.refresh.percentage
    return fleet.shifted


def mix(fleet: FleetStatus) -> str:
    """Say what the fleet's instances run."""
    return ", ".join(f"{count} on {image}" for image, count in sorted(fleet.by_image.items())) or "none"


def describe_fleet(fleet: FleetStatus) -> str:
    """Put a fleet into one line, equal as long as nothing changes."""
    if fleet.fault:
        return fleet.fault
    return f"{fleet.healthy}/{fleet.desired} healthy, {mix(fleet)}; {_state(fleet)}".rstrip("; ")


def _state(fleet: FleetStatus) -> str:
    share = "" if fleet.share is None else f"{fleet.share} % of the traffic"
    beside = (f"{name} is {text}" for name, text in sorted(fleet.beside.items()))
    parts = [fleet.fault, fleet.halted, share, *beside]
    if fleet.refresh is not None and not fleet.refresh.status.ended:
        parts.append(refresh_text(fleet.refresh))
    return "; ".join(part for part in parts if part)


def _looks(
    room: Room, name: str | None, *, every: timedelta, until_done: bool, failed: Callable[[str], None]
) -> Iterator[tuple[datetime, tuple[FamilyStatus, ...]]]:
    """Look again and again; a look that fails for the moment is told to ``failed``."""
    clock = room.tools.clock
    while True:
        try:
            families = status(room, name)
        except RebakeError as error:
            if not error.passing:
                raise
            failed(f"{clock.now().astimezone(UTC):%H:%M:%S}Z {error.message} It is tried again.")
        else:
            yield clock.now(), families
            if until_done and not any(under_way(fleet) for fleet in fleets_of(families)):
                return
        clock.sleep(every)


def _complain(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
