"""A lane's steps one after the other: watched by whoever may stop them, and patient while AWS is out of reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from pipeline.errors import Unavailable
from pipeline.execute.outages import Patience
from pipeline.execute.performing import take, tell
from pipeline.execute.progressing import Progressing
from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import Waiting
from pipeline.model.good import KeepGood
from pipeline.model.leases import fleet_lease
from pipeline.model.outcomes import Done, Halted, Outcome, Paused, Refused, Skipped, StepResult
from pipeline.model.steps import PlannedStep
from pipeline.ports.progress import EventKind

_Answer = TypeVar("_Answer")
Stopped = Halted | Paused | Refused
Watch = Callable[[PlannedStep, bool], Stopped | None]
"""Says why a step is not to be taken, asked with True before it, or not to be gone on with; None: nothing."""


def take_steps(
    bench: Workbench, progress: Progressing, steps: Sequence[PlannedStep], watch: Watch | None
) -> Waiting[Outcome]:
    """Take steps until one does not end well, or is stopped by whoever watches."""
    outcome: Outcome = Skipped(reason="nothing to do")
    for planned in steps:
        progress.current = planned
        result = yield from _through(bench, planned, watch)
        if not isinstance(result, StepResult):
            return result
        progress.results.append(result)
        progress.current = None
        outcome = result.outcome
        if not isinstance(outcome, (Done, Skipped)):
            return outcome
    return outcome


def watched(
    bench: Workbench, fleet: str, taking: Waiting[_Answer], stopped: Callable[[bool], Stopped | None]
) -> Waiting[_Answer | Stopped]:
    """Look before it begins, and after each of its waits, whether it is stopped, or the fleet's lease was lost."""
    try:
        why = stopped(True)
        while why is None:
            bench.keeper.require(fleet_lease(fleet))
            yield next(taking)
            why = stopped(False)
    except StopIteration as end:
        answer: _Answer = end.value
        return answer
    finally:
        taking.close()
    bench.say(fleet, tell(why), kind=EventKind.WARNING)
    return why


def _through(bench: Workbench, planned: PlannedStep, watch: Watch | None) -> Waiting[StepResult | Stopped]:
    """Take a step; one that an outage ended is taken again, for every step goes on from what stands.

    A fleet that has arrived is stopped by nobody any more.
    """
    patience = Patience()
    while True:
        taking = take(bench, planned)
        try:
            if watch is None or isinstance(planned.step, KeepGood):
                return (yield from taking)
            return (yield from watched(bench, planned.target, taking, partial(watch, planned)))
        except Unavailable as error:
            yield patience.after(bench, planned.target, error)
