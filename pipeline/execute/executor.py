"""Carries a plan out: its steps in their order, then its waves, lane beside lane; decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from pipeline.errors import Interrupted, RebakeError
from pipeline.execute.lanes import break_off, hold, run_lane
from pipeline.execute.performing import take, tell
from pipeline.execute.progressing import Planner, Progressing, Strayed
from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import Waiting, drive
from pipeline.model.leases import family_lease, fleet_lease
from pipeline.model.leftovers import Remove
from pipeline.model.outcomes import Done, LaneResult, Paused, RunResult, Skipped, StepResult
from pipeline.model.steps import Lane, Plan, PlannedStep, Wave


def execute(bench: Workbench, plan: Plan, planner: Planner) -> RunResult:
    """Execute a plan.

    A failed step is a value in the result, and so is what stopped the run without saying anything of the step itself
    (no credentials, held by another run, interrupted): what was done before it is never lost. An interruption puts
    back whatever this run had under way.
    """
    planned_at = bench.tools.clock.now()
    results: list[StepResult] = []
    for planned in plan.steps:
        try:
            results.append(_alone(bench, planned))
        except RebakeError as error:
            return RunResult(results=tuple(results), lanes=_left(plan.waves, "the run stopped before"), stopped=error)
        except KeyboardInterrupt as signal:
            return RunResult(
                results=tuple(results),
                lanes=_left(plan.waves, "the run was interrupted"),
                stopped=_again(signal),
            )
        # What cannot be removed keeps nobody else.
        if not isinstance(results[-1].outcome, (Done, Skipped)) and not isinstance(planned.step, Remove):
            return RunResult(results=tuple(results), lanes=_left(plan.waves, "a step before failed"))
    bench.keeper.release_all()
    fleets = Fleets(bench=bench, planner=planner, planned=planned_at)
    return replace(fleets.roll(plan.waves), results=tuple(results))


def _alone(bench: Workbench, planned: PlannedStep) -> StepResult:
    """Take a step that is about a family's images, while nobody else works on them; a leftover is nobody's work."""
    keeper, clock = bench.keeper, bench.tools.clock
    if isinstance(planned.step, Remove):
        return drive(clock, take(bench, planned))
    name = family_lease(planned.target)
    with keeper.beating(), keeper.acting(name):
        if not keeper.holds(name):
            drive(clock, hold(bench, name))
        return drive(clock, take(bench, planned))


def _again(signal: KeyboardInterrupt, *told: str) -> Interrupted:
    text = "; ".join([f"Stopped by {str(signal) or 'SIGINT'}", *told])
    return Interrupted(f"{text}.", hint="see what stands with: rebake status; the same command again goes on")


def _without(wave: Wave, fleets: set[str]) -> Wave:
    """Leave out fleets that failed in an earlier wave which tolerates that."""
    return replace(wave, lanes=tuple(lane for lane in wave.lanes if lane.fleet not in fleets))


def _left(waves: Sequence[Wave], why: str, done: Sequence[LaneResult] = ()) -> tuple[LaneResult, ...]:
    """Tell why fleets were not begun, and of those that were rolled what is left; one put back said all."""
    ended = {lane.fleet: lane.succeeded for lane in done}
    return tuple(
        LaneResult(fleet=lane.fleet, left=f"its {wave.name}, for {why}" if lane.fleet in ended else why)
        for wave in waves
        for lane in wave.lanes
        if ended.get(lane.fleet, True)
    )


def _verb(lanes: Sequence[LaneResult]) -> str:
    return "waits for its window" if all(isinstance(lane.outcome, Paused) for lane in lanes) else "failed"


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
    planner: Planner
    planned: datetime

    def roll(self, waves: Sequence[Wave]) -> RunResult:
        """Roll waves one after the other; a wave with too many failures stops everything after it."""
        done: list[LaneResult] = []
        imaged, ended = self.bench.tools.clock.now(), None
        for index, wave in enumerate(waves):
            began = len(done)
            running: list[_Running] = []
            try:
                if self._rest(wave, imaged, ended) and (why := self._strayed(waves[:index], done)):
                    return RunResult(lanes=(*done, *_left(waves[index:], why, done)))
                going = _without(wave, {lane.fleet for lane in done if not lane.succeeded})
                self._wave(going, running, done, partial(self._strayed, waves[:index], done))
            except KeyboardInterrupt as signal:
                broken = self._break_off(running)
                done += broken
                begun = {lane.fleet for lane in done}
                left = [one for one in _left(waves[index:], "the run was interrupted") if one.fleet not in begun]
                told = [f"{lane.fleet}: {tell(lane.outcome)}" for lane in broken if lane.outcome]
                return RunResult(lanes=(*done, *left), stopped=_again(signal, *told))
            ended = self.bench.tools.clock.now()
            failed = [lane for lane in done[began:] if not lane.succeeded and not lane.left]
            if len(failed) > wave.max_errors:
                names = ", ".join(lane.fleet for lane in failed)
                why = f"{names} of wave {wave.name} {_verb(failed)}"
                return RunResult(lanes=(*done, *_left(waves[index + 1 :], why, done)))
        return RunResult(lanes=tuple(done))

    def _rest(self, wave: Wave, imaged: datetime, ended: datetime | None) -> bool:
        """Wait until the wave may begin; tell whether that took any time."""
        clock = self.bench.tools.clock
        moments = [imaged + wave.image_age, wave.not_before, None if ended is None else ended + wave.soak_before]
        due = max(moment for moment in moments if moment is not None)
        if due <= clock.now():
            return False
        self.bench.say(wave.name, f"waits until {due:%Y-%m-%d %H:%M:%S} UTC")
        clock.sleep(due - clock.now())
        return True

    def _strayed(self, waves: Sequence[Wave], done: Sequence[LaneResult]) -> str | None:
        """Say which fleet did not stay on the image that this run has brought it to: what soaks there is no proof."""
        there = {lane.fleet for lane in done if lane.succeeded}
        for lane in (lane for wave in waves for lane in wave.lanes if lane.fleet in there):
            if lane.image is None:
                continue
            if (why := self.planner.strayed(lane, self.bench.made.image(lane.image))) is not None:
                return why
        return None

    def _wave(self, wave: Wave, running: list[_Running], done: list[LaneResult], strayed: Strayed) -> None:
        began, waiting = len(done), list(wave.lanes)
        while waiting or running:
            failed = sum(not lane.succeeded for lane in done[began:])
            while waiting and len(running) < wave.concurrency and failed <= wave.max_errors:
                running.append(self._begin(waiting.pop(0), strayed))
            if not running:
                why = f"another fleet of its wave {_verb([lane for lane in done[began:] if not lane.succeeded])}"
                done += [LaneResult(fleet=one.fleet, left=why) for one in waiting]
                return
            done += self._turn(running)

    def _begin(self, lane: Lane, strayed: Strayed) -> _Running:
        progress = Progressing(lane=lane, planned=self.planned, strayed=strayed)
        waiting = run_lane(self.bench, progress, self.planner)
        return _Running(progress=progress, waiting=waiting, wake=self.bench.tools.clock.now())

    def _turn(self, running: list[_Running]) -> list[LaneResult]:
        """Let whoever's wait is over first go on until it waits again; answer the lane that has ended by it, if any."""
        clock = self.bench.tools.clock
        first = min(running, key=lambda one: one.wake)
        clock.sleep(first.wake - clock.now())
        name = fleet_lease(first.progress.lane.fleet)
        try:
            with self.bench.keeper.acting(name):
                first.wake = clock.now() + next(first.waiting)
        except StopIteration as end:
            running.remove(first)
            self.bench.keeper.release(name)
            return [end.value]
        return []

    def _break_off(self, running: Sequence[_Running]) -> list[LaneResult]:
        """Put every fleet back that was under way, all at the same time: traffic first, before anybody waits."""
        now = self.bench.tools.clock.now()
        returning = []
        for one in running:
            one.waiting.close()
            waiting = break_off(self.bench, one.progress, self.planner)
            returning.append(_Running(progress=one.progress, waiting=waiting, wake=now))
        done: list[LaneResult] = []
        while returning:
            done += self._turn(returning)
        return done
