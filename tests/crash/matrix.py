"""The crash matrix: each command is killed at each of its points, run again, and compared with an undisturbed run."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from crash.killing import Calls, Copies, Point, Verdict, drawn
from crash.rows import Command, Place, Row
from crash.standing import Standing
from world import World

from pipeline.aws.session import Clients
from pipeline.errors import ExitCode
from pipeline.model.settings import Settings
from pipeline.sandbox.clock import ManualClock
from pipeline.sandbox.cloud import Cloud

SEED = 20261124


def crash_everywhere(
    row: Row, clients: Clients, calls: Calls, *, pause: timedelta = timedelta(), twice: float = 0
) -> list[Verdict]:
    """Kill a row's command at each of its points; ``pause`` later something is run, and perhaps killed, too.

    ``twice`` is the share of the second crashes that are tried.
    """
    ends = [_undisturbed(row, clients, row.command)]
    if row.repair:
        ends = [end.plain for end in (*ends, _undisturbed(row, clients, None))]
    with _place(row, clients) as (place, settings):
        trial = _Trial(row=row, calls=calls, place=place, settings=settings, pause=pause, twice=twice, ends=ends)
        return trial.everywhere()


def _undisturbed(row: Row, clients: Clients, command: Command | None) -> Standing:
    """Look how a row ends undisturbed, or if its command is never run."""
    with _place(row, clients) as (place, settings):
        code = command(place.room(settings).room) if command else ExitCode.DONE
        assert code is ExitCode.DONE, f"{row.name} ends with {code.name} by itself"
        return place.settled()


@contextmanager
def _place(row: Row, clients: Clients) -> Iterator[tuple[Place, Settings]]:
    """Bring a cloud up in which a row begins."""
    with Cloud(clock=ManualClock()).in_process() as cloud, tempfile.TemporaryDirectory() as state:
        cloud.virtual.boot_time, cloud.virtual.freeze_time = timedelta(seconds=5), timedelta(seconds=10)
        place = Place(world=World(cloud), clients=clients, state=Path(state))
        settings = row.before(place)
        cloud.calls.clear()
        yield place, settings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """A row where it begins, and the states in which it may end."""

    row: Row
    calls: Calls
    place: Place
    settings: Settings
    pause: timedelta
    twice: float
    ends: list[Standing]

    def everywhere(self) -> list[Verdict]:
        """Run the command once, and kill a copy of it at each of its points."""
        copies = Copies[Verdict]()
        clock = self.place.world.cloud.clock
        instants: dict[tuple[int, datetime], list[Point]] = {}

        def kill(point: Point) -> None:
            # After a call and before the next one nobody has seen AWS in between: where no time has passed either, what
            # comes next finds the very same, and is tried once for both.
            points = instants.setdefault((point.call - (not point.after), clock.now()), [])
            points.append(point)
            if len(points) == 1:
                copies.start(lambda: self._killed(point))

        gc.freeze()  # what stands by now is not looked at again in each copy
        self.calls.listen(kill)
        try:
            self.row.command(self.place.room(self.settings).room)
        finally:
            self.calls.listen(None)
            gc.unfreeze()
        twins = {first: other for first, *others in instants.values() for other in others}
        tried = copies.finish()
        alike = [one for one in tried if len(one.points) == 1 and one.points[0] in twins]
        return [*tried, *(replace(one, points=(twins[one.points[0]],)) for one in alike)]

    def _killed(self, *points: Point) -> list[Verdict]:
        """Be the process that comes after one that was killed here, and perhaps be killed, too."""
        verdicts: list[Verdict] = []

        def again(point: Point) -> None:
            if drawn(self.twice, SEED, self.row.name, self.pause, *points, point):
                copies = Copies[Verdict](most=1)
                copies.start(lambda: self._killed(*points, point))
                verdicts.extend(copies.finish())

        self.calls.listen(again if len(points) == 1 else None)
        self.place.world.cloud.clock.advance(self.pause)
        with tempfile.TemporaryDirectory() as elsewhere:
            faults, left = self._recovered(Path(elsewhere))
        return [Verdict(points=points, faults=faults, left=left), *verdicts]

    def _recovered(self, state: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
        try:
            code = (self.row.repair or self.row.command)(self.place.room(self.settings, state).room)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is what the crash came to
            return (f"then it raised {type(error).__name__}: {error}",), ()
        finally:
            self.calls.listen(None)
        got = self.place.settled()
        faults = min((end.differences(got.plain if self.row.repair else got) for end in self.ends), key=len)
        ended = () if code is ExitCode.DONE else (f"then it ended with {code.name}",)
        unmarked = tuple(f"left behind: {line}" for line in got.left if "unmarked" in line)
        return (*ended, *faults, *unmarked), got.left
