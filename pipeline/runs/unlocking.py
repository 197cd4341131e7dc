"""Letting go of a lease on behalf of a run that is dead."""

from __future__ import annotations

from dataclasses import replace

from pipeline.errors import HeldError, NotFound
from pipeline.model.leases import Lease
from pipeline.runs.room import Room


def unlock(room: Room, name: str) -> Lease:
    """Take a lease from its holder and let it go; answer whose it was. A holder that lives changes nothing any more.

    Raises:
        NotFound: nobody holds it.
        HeldError: somebody else took it over at this very moment.
    """
    leases, now = room.tools.leases, room.tools.clock.now()
    held = leases.latest(name)
    if held is None or held.over or held.until <= now:
        raise NotFound(f"Nobody holds {name}.", hint="leases are named after families and fleets of rebake.yaml")
    by, process = leases.me
    over = replace(held, number=held.number + 1, run=room.run, by=by, process=process, since=now, until=now, over=True)
    if not leases.create(over):
        raise HeldError(f"{name} was taken over at this very moment.", hint="run it again if that one is dead, too")
    return held
