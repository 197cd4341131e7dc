"""The crash matrix: each command is killed at each of its points, run again, and compared with an undisturbed run."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from crash.killing import Copies, Machine, Point, Verdict, drawn
from crash.rows import NOW, SWEPT_AFTER, Command, Place, Row, sweep
from crash.standing import Standing
from world import World

from pipeline.errors import ExitCode
from pipeline.model.settings import Settings
from pipeline.sandbox.clock import ManualClock
from pipeline.sandbox.cloud import Cloud

SEED = 20261124


def crash_everywhere(
    row: Row, machines: Sequence[Machine], *, pause: timedelta = NOW, twice: float = 0, each: bool = False
) -> list[Verdict]:
    """Kill a row's command at each of its points; ``pause`` later something is run, and perhaps killed, too.

    Three machines: one for each of the three that may be needed in a row. ``twice`` is the share of the second crashes
    that are tried. Points between which AWS has not changed and no time has passed are one instant, since what comes
    next finds the very same; it is tried once for all of them, unless ``each`` is asked for.
    """
    # Killed before it had done anything, a command is in the end one that was begun later.
    ends = [undisturbed(row, machines[0], row.command, after=after) for after in {NOW, pause}]
    if row.repair:
        ends = [end.plain for end in (*ends, undisturbed(row, machines[0], None))]
    with placed(row, machines[0]) as (place, settings):
        trial = _Trial(row=row, machines=machines, place=place, settings=settings, pause=pause, twice=twice, ends=ends)
        return trial.everywhere(each=each)


def undisturbed(row: Row, machine: Machine, command: Command | None, *, after: timedelta = NOW) -> Standing:
    """Look how a row ends undisturbed, or if its command is never run."""
    with placed(row, machine) as (place, settings):
        place.world.wait(after.total_seconds())
        code = command(place.room(settings).room) if command else ExitCode.DONE
        assert code is ExitCode.DONE, f"{row.name} ends with {code.name} by itself"
        return place.settled()


@contextmanager
def placed(row: Row, machine: Machine) -> Iterator[tuple[Place, Settings]]:
    """Bring a cloud up in which a row begins."""
    with Cloud(clock=ManualClock()).in_process() as cloud, tempfile.TemporaryDirectory() as state:
        cloud.virtual.boot_time, cloud.virtual.freeze_time = timedelta(seconds=5), timedelta(seconds=10)
        place = Place(world=World(cloud), clients=machine.clients, state=Path(state))
        settings = row.before(place)
        cloud.calls.clear()
        yield place, settings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """A row where it begins, and the states in which it may end."""

    row: Row
    machines: Sequence[Machine]
    place: Place
    settings: Settings
    pause: timedelta
    twice: float
    ends: list[Standing]

    def everywhere(self, *, each: bool) -> list[Verdict]:
        """Run the command once, and kill a copy of it at each of its points."""
        copies = Copies[Verdict]()
        instants: dict[object, list[Point]] = {}
        cloud = self.place.world.cloud

        def kill(point: Point) -> None:
            changes = len(cloud.calls.mutating), point if each else None
            points = instants.setdefault((changes, cloud.clock.now()), [])
            points.append(point)
            if len(points) == 1:
                copies.start(lambda: self._killed(point))

        gc.freeze()  # what stands by now is not looked at again in each copy
        self.machines[0].listen(kill)
        try:
            self.row.command(self.place.room(self.settings).room)
        finally:
            self.machines[0].listen(None)
            gc.unfreeze()
        alike = {first: others for first, *others in instants.values()}
        tried = copies.finish()
        same = [(one, alike[one.points[0]]) for one in tried if len(one.points) == 1]
        return [*tried, *(replace(one, points=(other,)) for one, others in same for other in others)]

    def _killed(self, *points: Point) -> list[Verdict]:
        """Be the process that comes after one that was killed here, and perhaps be killed, too."""
        verdicts: list[Verdict] = []

        def again(point: Point) -> None:
            if drawn(self.twice, SEED, self.row.name, self.pause, *points, point):
                copies = Copies[Verdict](most=1)
                copies.start(lambda: self._killed(*points, point))
                verdicts.extend(copies.finish())

        machine = self.machines[len(points)]
        machine.listen(again if len(points) == 1 else None)
        self.place.world.cloud.clock.advance(self.pause)
        with tempfile.TemporaryDirectory() as state:
            place = replace(self.place, clients=machine.clients, state=Path(state))
            faults, left = self._recovered(place, machine, once=len(points) == 1)
        return [Verdict(points=points, faults=faults, left=left), *verdicts]

    def _recovered(self, place: Place, machine: Machine, *, once: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
        try:
            code = (self.row.repair or self.row.command)(place.room(self.settings, alone=self.pause == NOW).room)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is what the crash came to
            return (f"then it raised {type(error).__name__}: {error}",), ()
        finally:
            machine.listen(None)
        got = place.settled().plain if self.row.repair else place.settled()
        faults = min((end.differences(got) for end in self.ends), key=len)
        ended = () if code is ExitCode.DONE else (f"then it ended with {code.name}",)
        # Of two builds killed within minutes, nothing tells whose security group is whose: see docs/leftovers.md.
        swept = self._swept(place, got) if got.left and once else ()
        return (*ended, *faults, *swept), got.left

    def _swept(self, place: Place, before: Standing) -> tuple[str, ...]:
        """Let a sweep, a day later, remove what builds and tests have left: that, and nothing else."""
        place.world.wait(SWEPT_AFTER.total_seconds())
        sweep(place.room(self.settings).room)
        after = place.settled()
        changed = before.plain.differences(after.plain)
        return (*(f"after a sweep: {it}" for it in changed), *(f"left by a sweep: {it}" for it in after.plain.left))
