"""The andon cord, as a running rollout sees it."""

from __future__ import annotations

from datetime import timedelta

from pipeline.errors import Unavailable
from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import PACE
from pipeline.model.names import andon_path
from pipeline.planning.halts import halted

_BLIND = timedelta(minutes=5)
"""How long a rollout goes on by what the cord was when AWS could last be asked."""


def halt_of(bench: Workbench, fleet: str) -> str | None:
    """Say by whom a fleet is halted; None: it is not. AWS is asked once for all fleets, at the pace of the waits.

    Raises:
        Unavailable: AWS has not answered for minutes, so that nobody could stop this run.
    """
    made, now = bench.made, bench.tools.clock.now()
    if made.cords_read is None or now - made.cords_read >= PACE:
        try:
            made.cords = dict(bench.tools.signals.under(andon_path(bench.settings.channel_prefix)))
            made.cords_read = now
        except Unavailable:
            if made.cords_read is None or now - made.cords_read >= _BLIND:
                raise
    return halted(bench.settings.fleets[fleet], made.cords)
