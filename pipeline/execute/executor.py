"""Carries a plan out: its steps in their order, then its waves, lane beside lane; decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.errors import Interrupted, RebakeError
from pipeline.execute.lanes import Progressing, Recover, put_fleet_back, run_lane
from pipeline.execute.performing import take
from pipeline.execute.stopping import interrupt
from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import Waiting, drive
from pipeline.model.leftovers import Remove
from pipeline.model.outcomes import Done, LaneResult, Outcome, RunResult, Skipped, StepResult
from pipeline.model.rollouts import AwaitRefresh, StartRefresh
from pipeline.model.steps import Lane, Plan, Wave


def execute(bench: Workbench, plan: Plan, recover: Recover) -> RunResult:
    """Execute a plan.

    A failed step is a value in the result, and so is what stopped the run without saying anything of the step itself
    (no credentials, held by another run, interrupted): what was done before it is never lost. An interruption puts
    back whatever this run had under way.
    """
    results: list[StepResult] = []
    for planned in plan.steps:
        try:
            results.append(drive(bench.tools.clock, take(bench, planned)))
        except RebakeError as error:
            return RunResult(results=tuple(results), lanes=_left(plan.waves, "the run stopped before"), stopped=error)
        except KeyboardInterrupt as signal:
            text = f"Stopped by {str(signal) or 'SIGINT'}"
            if isinstance(planned.step, (StartRefresh, AwaitRefresh)):
                text += f"; {interrupt(bench, planned.target, planned.step)}"
            return RunResult(
                results=tuple(results), lanes=_left(plan.waves, "the run was interrupted"), stopped=_again(text)
            )
        # What cannot be removed keeps nobody else.
        if not isinstance(results[-1].outcome, (Done, Skipped)) and not isinstance(planned.step, Remove):
            return RunResult(results=tuple(results), lanes=_left(plan.waves, "a step before failed"))
    return replace(Fleets(bench=bench, recover=recover).roll(plan.waves), results=tuple(results))


def _again(text: str) -> Interrupted:
    return Interrupted(f"{text}.", hint="See what stands with: rebake status; the same command again goes on.")


def _broken_off(progress: Progressing) -> LaneResult:
    return LaneResult(fleet=progress.lane.fleet, results=tuple(progress.results), left="the run was interrupted")


def _without(wave: Wave, fleets: set[str]) -> Wave:
    """Leave out fleets that failed in an earlier wave which tolerates that."""
    return replace(wave, lanes=tuple(lane for lane in wave.lanes if lane.fleet not in fleets))


def _left(waves: Sequence[Wave], why: str) -> tuple[LaneResult, ...]:
    return tuple(LaneResult(fleet=lane.fleet, left=why) for wave in waves for lane in wave.lanes)


@dataclass(slots=True, kw_only=True, eq=False)
class _Running:
    """A lane under way, and when it is to be looked at again."""

    progress: Progressing
    waiting: Waiting[LaneResult]
    wake: datetime


@dataclass(slots=True, kw_only=True)
class Fleets:
    """Rolls waves in one thread: a lane runs until it waits, and then whoever's wait is over first goes on."""

    bench: Workbench
    recover: Recover

    def roll(self, waves: Sequence[Wave]) -> RunResult:
        """Roll waves one after the other; a wave with too many failures stops everything after it."""
        done: list[LaneResult] = []
        ended: datetime | None = None
        for index, wave in enumerate(waves):
            began = len(done)
            running: list[_Running] = []
            try:
                self._rest(wave, ended)
                self._wave(_without(wave, {lane.fleet for lane in done if not lane.succeeded}), running, done)
            except KeyboardInterrupt as signal:
                told = self._put_back(running)
                done += [_broken_off(one.progress) for one in running]
                begun = {lane.fleet for lane in done}
                left = [one for one in _left(waves[index:], "the run was interrupted") if one.fleet not in begun]
                text = "; ".join([f"Stopped by {str(signal) or 'SIGINT'}", *told])
                return RunResult(lanes=(*done, *left), stopped=_again(text))
            ended = self.bench.tools.clock.now()
            failed = [lane for lane in done[began:] if not lane.succeeded]
            if len(failed) > wave.max_errors:
                names = ", ".join(lane.fleet for lane in failed)
                return RunResult(lanes=(*done, *_left(waves[index + 1 :], f"{names} of wave {wave.name} failed")))
        return RunResult(lanes=tuple(done))

    def _rest(self, wave: Wave, ended: datetime | None) -> None:
        """Wait until the wave may begin."""
        clock = self.bench.tools.clock
        moments = [ended + wave.soak_before] if ended is not None else []
        due = max([*moments, *([wave.not_before] if wave.not_before else [])], default=clock.now())
        if due > clock.now():
            self.bench.say(wave.name, f"waits until {due:%Y-%m-%d %H:%M:%S} UTC")
            clock.sleep(due - clock.now())

    def _wave(self, wave: Wave, running: list[_Running], done: list[LaneResult]) -> None:
        clock, began = self.bench.tools.clock, len(done)
        waiting = list(wave.lanes)
        while waiting or running:
            failed = sum(not lane.succeeded for lane in done[began:])
            while waiting and len(running) < wave.concurrency and failed <= wave.max_errors:
                running.append(self._begin(waiting.pop(0)))
            if not running:
                done += [LaneResult(fleet=one.fleet, left="another fleet of its wave failed") for one in waiting]
                return
            first = min(running, key=lambda one: one.wake)
            clock.sleep(first.wake - clock.now())
            try:
                first.wake = clock.now() + next(first.waiting)
            except StopIteration as end:
                running.remove(first)
                done.append(end.value)

    def _begin(self, lane: Lane) -> _Running:
        progress = Progressing(lane=lane)
        waiting = run_lane(self.bench, progress, self.recover)
        return _Running(progress=progress, waiting=waiting, wake=self.bench.tools.clock.now())

    def _put_back(self, running: Sequence[_Running]) -> list[str]:
        """Put every fleet back that was under way, and say how: AWS's refreshes by one call each, the rest whole."""
        told = []
        for one in running:
            one.waiting.close()
            fleet, current = one.progress.lane.fleet, one.progress.current
            step = current.step if current is not None else None
            if isinstance(step, (StartRefresh, AwaitRefresh)):
                told.append(interrupt(self.bench, fleet, step))
                if not step.cancel:
                    continue
            outcome: Outcome = drive(self.bench.tools.clock, put_fleet_back(self.bench, one.progress, self.recover))
            told.append(f"{fleet}: {getattr(outcome, 'reason', 'put back')}")
        return told
