"""Who works on what: at most one run at a time on a family's images, and one on a fleet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipeline.model.ids import RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A run's hold on a family's images or on a fleet, until a moment that it moves on while it lives.

    ``number`` grows with every holder and is given to one only: the highest one holds. ``process`` tells the holder's
    process from all others that ever ran on its machine; empty: it cannot be told. ``urgent``: it goes back, and so it
    may take over from whoever goes forward. ``over``: the holder let go at ``until``.
    """

    name: str
    number: int
    run: RunId
    by: str
    process: str
    urgent: bool
    since: datetime
    until: datetime
    over: bool = False


def family_lease(family: str) -> str:
    """Name the lease of whoever makes a family's images."""
    return f"family-{family}"


def fleet_lease(fleet: str) -> str:
    """Name the lease of whoever replaces a fleet."""
    return f"fleet-{fleet}"
