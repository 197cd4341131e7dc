"""What becomes of a step that is broken off: by the andon cord, or by a signal."""

from __future__ import annotations

from datetime import timedelta

from pipeline.errors import RebakeError
from pipeline.execute.refreshing import PACE, active_refresh, await_end, goes_to
from pipeline.execute.restoring import put_back
from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import Waiting, drive
from pipeline.model.fleets import Refresh, RefreshStatus
from pipeline.model.names import andon_path
from pipeline.model.rollouts import AwaitRefresh, PutBack, StartRefresh, UpdateStack
from pipeline.model.steps import Step
from pipeline.model.strategies import OnHalt
from pipeline.planning.halts import halted

_BACK_WITHIN = timedelta(hours=4)


def halt_of(bench: Workbench, fleet: str) -> str | None:
    """Say by whom a fleet is halted; None: it is not. AWS is asked once for all fleets, at the pace of the waits."""
    made, now = bench.made, bench.tools.clock.now()
    if made.cords_read is None or now - made.cords_read >= PACE:
        made.cords = dict(bench.tools.signals.under(andon_path(bench.settings.channel_prefix)))
        made.cords_read = now
    return halted(bench.settings.fleets[fleet], made.cords)


def break_off(bench: Workbench, step: Step, how: OnHalt) -> Waiting[str]:
    """Stop a refresh under way and wait until AWS has done that; say in words what became of it."""
    if isinstance(step, UpdateStack):
        return _left_to_cloudformation(step)
    refresh = under_way(bench, step)
    if refresh is None or how is OnHalt.LEAVE:
        return "AWS goes on with the refresh" if refresh is not None else "nothing was under way"
    call_off(bench, step, refresh, how)
    ended = yield from await_end(bench, refresh.group, refresh.id, within=_BACK_WITHIN)
    return f"the refresh ended as {ended.status}"


def call_off(bench: Workbench, step: Step, refresh: Refresh, how: OnHalt) -> None:
    """Ask AWS to undo a refresh, and wait for nothing."""
    if refresh.status in {RefreshStatus.ROLLBACK_IN_PROGRESS, RefreshStatus.CANCELLING}:
        return  # somebody has done so already
    if how is OnHalt.CANCEL or (isinstance(step, (StartRefresh, AwaitRefresh)) and step.cancel):
        bench.tools.refreshes.cancel(refresh.group)
    else:
        bench.tools.refreshes.roll_back(refresh.group)


def under_way(bench: Workbench, step: Step) -> Refresh | None:
    """Find the refresh that a step of this run has under way; None: none, or a way back, or somebody else's."""
    if not isinstance(step, (StartRefresh, AwaitRefresh)) or not step.undo:
        return None
    active = active_refresh(bench, step.group)
    if active is None:
        return None
    if isinstance(step, AwaitRefresh):
        return active if active.id in bench.made.started else None  # one that was adopted is its starter's
    return active if goes_to(active, step, bench.made.version(step.version)) else None


def interrupt(bench: Workbench, fleet: str, step: Step) -> str:
    """Put back what an interrupted step had under way, and say how that went.

    AWS rolls a refresh back by itself: its end is not waited for. One that can only be cancelled is waited for, because
    another refresh brings the fleet back then.
    """
    look = f"see: rebake status {fleet}"
    if isinstance(step, UpdateStack):
        return f"{_left_to_cloudformation(step)}; {look}"
    if isinstance(step, (StartRefresh, AwaitRefresh)) and not step.undo:
        return f"the way back of {fleet} goes on in AWS; {look}"
    try:
        refresh = under_way(bench, step)
        if refresh is None:
            return f"no refresh of {fleet} that this run had started was under way"
        if isinstance(step, (StartRefresh, AwaitRefresh)) and step.cancel:
            became = drive(bench.tools.clock, break_off(bench, step, OnHalt.CANCEL))
            return f"{fleet}: {became}"
        call_off(bench, step, refresh, OnHalt.ROLL_BACK)
        put_back(bench, PutBack(fleet=fleet, group=refresh.group))
    except RebakeError as error:
        return f"the refresh of {fleet} could not be rolled back: {error.message} {look}"
    return f"AWS is rolling {fleet} back to the image it had"


def _left_to_cloudformation(step: UpdateStack) -> str:
    return f"the update of stack {step.stack} goes on in CloudFormation, if it has begun"
