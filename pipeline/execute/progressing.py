"""A fleet's rollout under way, and whom it asks what to do next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pipeline.model.good import KeepGood
from pipeline.model.ids import ImageId
from pipeline.model.outcomes import Refused, StepResult
from pipeline.model.rollouts import AwaitRefresh, CreateGreen, RetireGroup, StartRefresh, UpdateStack
from pipeline.model.steps import Lane, Plan, PlannedStep
from pipeline.model.strategies import OnHalt
from pipeline.model.windows import Standing

STARTS = (StartRefresh, CreateGreen, UpdateStack)
"""Steps that begin to replace a fleet."""
Strayed = Callable[[], str | None]
"""Says which fleet that was rolled before this one has left its image again; None: none has."""


class Planner(Protocol):
    """Observes a fleet anew and plans: the executor decides nothing."""

    def renewal(self, lane: Lane, image: ImageId) -> tuple[PlannedStep, ...]:
        """Plan the lane again, whose image is known by now; errors as for `plan_roll`.

        Raises:
            RefusedError: the image is not to be rolled any more.
        """
        ...

    def standing(self, fleet: str) -> Standing:
        """Tell whether a fleet may be rolled now."""
        ...

    def strayed(self, lane: Lane, image: ImageId) -> str | None:
        """Say why a fleet that came to the image in this run is not there any more; None: it is."""
        ...

    def recovery(self, fleet: str, how: OnHalt, *, away: ImageId | None, begun: bool, failed: bool) -> Plan:
        """Plan what puts a fleet back; see `plan_recovery`."""
        ...


@dataclass(slots=True, kw_only=True)
class Progressing:
    """A lane under way since ``planned``: the step that is being taken, what was taken, whether it is put back now.

    ``paused``: what AWS had under way was stopped, to go on in the next window.
    """

    lane: Lane
    planned: datetime
    strayed: Strayed
    current: PlannedStep | None = None
    results: list[StepResult] = field(default_factory=list)
    returning: bool = False
    paused: bool = False

    @property
    def begun(self) -> bool:
        """Whether a refresh was asked for: not one whose start a guard has refused."""
        steps = [self.current.step] if self.current else []
        steps += [
            one.planned.step
            for one in self.results
            if not (isinstance(one.planned.step, StartRefresh) and isinstance(one.outcome, Refused))
        ]
        return any(isinstance(step, (StartRefresh, AwaitRefresh)) and step.undo for step in steps)

    @property
    def over(self) -> bool:
        """Whether the fleet has arrived, or is being retired: nothing of it is to be undone any more."""
        planned = [one.step for one in self.lane.steps if not isinstance(one.step, KeepGood)]
        taken = [one.planned for one in self.results]
        last = self.current or (taken[-1] if taken else None)
        arrived = last is not None and isinstance(last.step, KeepGood)
        return arrived or any(isinstance(step, RetireGroup) for step in planned[-1:])

    @property
    def started(self) -> bool:
        """Whether anything of the fleet was replaced, or is: by this run, or by a refresh that it has found."""
        found = self.current is not None and isinstance(self.current.step, AwaitRefresh)
        return found or any(isinstance(one.planned.step, STARTS) for one in self.results)
