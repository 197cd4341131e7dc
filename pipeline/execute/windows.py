"""A fleet's window, as its rollout sees it: waited for before it, looked at on the way."""

from __future__ import annotations

from datetime import timedelta
from itertools import dropwhile

from pipeline.errors import Unavailable
from pipeline.execute.outages import patiently
from pipeline.execute.progressing import STARTS, Planner, Progressing
from pipeline.execute.refreshing import find_refresh
from pipeline.execute.taking import take_steps
from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import PACE, Waiting
from pipeline.model.outcomes import Done, Outcome, Paused, Refused, Skipped
from pipeline.model.rollouts import AwaitRefresh, CheckGate, ShiftTraffic, Soak
from pipeline.model.steps import PlannedStep, Step
from pipeline.model.windows import OnOverrun, Standing
from pipeline.planning.gates import during
from pipeline.planning.timing import leaves_off, waiting_text

_FAR = timedelta(minutes=5)
"""The longest time that nobody looks: at the cord, at a window that was changed."""
_FRESH = timedelta(minutes=1)
"""How old what was read may be while a fleet is half way; whether it may begin is always read anew."""
_BLIND = timedelta(minutes=5)
"""How long a rollout goes on by what was read when AWS could last be asked."""


def await_window(bench: Workbench, progress: Progressing, planner: Planner) -> Waiting[Outcome]:
    """Wait until the fleet may be rolled. Skipped: it may; Paused: this run does not wait for it.

    What has traffic half way is watched meanwhile. After a wait, the fleets that were rolled before must still be where
    they were brought.
    """
    fleet, told, waited = progress.lane.fleet, "", False
    if not _bounded(bench, progress) or (not progress.paused and _adopts(progress)):
        return Skipped(reason="it may be rolled at any time")
    while not (standing := (yield from patiently(bench, fleet, lambda: planner.standing(fleet)))).begin:
        text = waiting_text(standing)
        if not bench.windows.wait:
            return Paused(reason=text)
        if text != told:
            bench.say(fleet, text)
            told = text
        outcome = yield from _rest(bench, progress, standing)
        if not isinstance(outcome, (Done, Skipped)):
            return outcome
        waited = True
    if waited and (why := progress.strayed()) is not None:
        return Refused(reason=why, hint="see what happened there; then run the same command again")
    return Skipped(reason="its window is open")


def overrun(bench: Workbench, progress: Progressing, planner: Planner, step: Step, *, before: bool) -> Paused | None:
    """Say why a step is not to be taken, or gone on with, at this time; None: the window has nothing against it."""
    if not _bounded(bench, progress):
        return None
    fleet = progress.lane.fleet
    if not progress.started:
        standing = planner.standing(fleet) if before and isinstance(step, STARTS) else Standing()
        return None if standing.begin else Paused(reason=f"{fleet} is not begun: {waiting_text(standing)}")
    how = bench.settings.timing(fleet).on_overrun
    if not leaves_off(how, step, before=before) or (standing := _standing(bench, planner, fleet)).open:
        return None
    if isinstance(step, AwaitRefresh) and _nearly_done(bench, step):
        return None
    why = waiting_text(standing) if how is OnOverrun.PAUSE else standing.why
    return Paused(reason=f"{fleet} was not done in its window: {why}")


def goes_on(bench: Workbench, progress: Progressing) -> bool:
    """Tell whether a fleet that was stopped by its window goes on in the next one, and not back."""
    return not progress.started or bench.settings.timing(progress.lane.fleet).on_overrun is not OnOverrun.ROLL_BACK


def _bounded(bench: Workbench, progress: Progressing) -> bool:
    """Tell whether windows concern a lane at all: a way back is never barred."""
    lane = progress.lane
    return lane.image is not None and bench.settings.timing(lane.fleet).bounded and not bench.windows.override


def _adopts(progress: Progressing) -> bool:
    """Tell whether a lane takes up what AWS has under way already, which goes on with or without us."""
    rest = dropwhile(lambda planned: isinstance(planned.step, CheckGate), progress.lane.steps)
    return isinstance(next(rest).step, AwaitRefresh)


def _rest(bench: Workbench, progress: Progressing, standing: Standing) -> Waiting[Outcome]:
    """Wait a while, and watch what is half way with traffic."""
    fleet, current, began = progress.lane.fleet, progress.current, bench.tools.clock.now()
    rest = _FAR if standing.start is None else max(standing.start - began, PACE)
    if current is not None and isinstance(current.step, ShiftTraffic) and current.step.after:
        asked = during(bench.settings.fleets[fleet].gates)
        soak = Soak(fleet=fleet, percent=current.step.after, duration=rest, gates=asked)
        planned = PlannedStep(target=fleet, step=soak, why="until its window opens")
        outcome = yield from take_steps(bench, progress, [planned], None)
        if not isinstance(outcome, (Done, Skipped)):
            return outcome
        progress.current = current
        rest -= bench.tools.clock.now() - began  # a gate may have called it complete before
    yield min(max(rest, PACE), _FAR)
    return Skipped(reason="it has waited")


def _standing(bench: Workbench, planner: Planner, fleet: str) -> Standing:
    """Tell how a fleet's window stood within the last minute."""
    now, (read, known) = bench.tools.clock.now(), bench.made.standings.get(fleet, (None, Standing()))
    if read is None or now - read >= _FRESH:
        try:
            known = planner.standing(fleet)
            bench.made.standings[fleet] = now, known
        except Unavailable:
            if read is None or now - read >= _BLIND:
                raise
    return known


def _nearly_done(bench: Workbench, step: AwaitRefresh) -> bool:
    """Tell whether a refresh has nobody left to replace: it is let finish."""
    refresh = find_refresh(bench.tools, step.group, bench.made.refresh(step.fleet, step.refresh))
    return refresh is None or not refresh.status.forward or not refresh.remaining
