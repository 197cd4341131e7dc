"""Who may have a lease."""

from __future__ import annotations

from datetime import datetime, timedelta

from pipeline.model.ids import RunId
from pipeline.model.leases import Lease

TERM = timedelta(minutes=5)
"""How long a holder that says nothing more is taken for alive."""
RENEWAL = timedelta(minutes=1)
"""How long after it took or renewed a lease a run renews it."""
_SKEW = timedelta(seconds=30)
"""How far two machines' clocks may be apart."""


def held_by(lease: Lease | None, run: RunId, now: datetime, *, urgent: bool, gone: bool) -> str | None:
    """Say who stands in the way of a run that wants a lease; None: it may have it.

    ``gone``: the holder's process is known to have ended.
    """
    if lease is None or lease.over or lease.run == run or gone or now >= lease.until + _SKEW:
        return None
    if urgent and not lease.urgent:
        return None
    return f"run {lease.run} of {lease.by}, since {lease.since:%Y-%m-%d %H:%M:%S} UTC"
