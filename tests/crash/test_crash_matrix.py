"""The crash matrix finds what it shall find; two of its rows, whole. All rows: make crash-matrix."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import rooms
from crash.killing import Copies, Machine, Point, Verdict
from crash.matrix import crash_everywhere
from crash.rows import LATER, ROWS, Place, Row
from crash.standing import Standing, standing
from world import World

from pipeline.errors import ExitCode
from pipeline.model.ids import ImageId
from pipeline.model.settings import Settings
from pipeline.runs.room import Room
from pipeline.sandbox.clock import ManualClock
from pipeline.sandbox.cloud import Cloud

# A worker of pytest-xdist has a thread that waits for its master; nothing in a copy speaks to it.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
CHANNEL = "/rebake/web/stable"


@pytest.fixture(scope="module")
def machines() -> Iterator[list[Machine]]:
    """Three machines, for a command that is killed twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        yield [Machine() for _ in range(3)]


@pytest.mark.parametrize(("name", "twice"), [("bake", 0.004), ("promote", 0.2)])
def test_a_command_killed_at_every_point_ends_the_same(name: str, twice: float, machines: list[Machine]) -> None:
    """Before and after each call, and in some recoveries once more; a sweep removes what is left of builds."""
    (row,) = [row for row in ROWS if row.name == name]
    verdicts = crash_everywhere(row, machines, twice=twice)
    first = [one.points[0] for one in verdicts if len(one.points) == 1]
    assert [one for one in verdicts if one.faults] == []
    assert len(set(first)) == len(first) == 2 * max(point.call for point in first)
    assert len(verdicts) > len(first), "nothing was killed twice"


def _promoted(place: Place) -> Settings:
    place.world.image("old")
    return rooms.configuration()


def _image(room: Room) -> ImageId:
    return room.tools.images.named("old")[0].id


def careless(room: Room) -> ExitCode:
    """Write a channel without a look at what stands: run again, it writes another version."""
    room.tools.channels.move(CHANNEL, _image(room))
    return ExitCode.DONE


def careful(room: Room) -> ExitCode:
    """Look first."""
    return ExitCode.DONE if room.tools.channels.current(CHANNEL) else careless(room)


def failing(room: Room) -> ExitCode:
    """Refuse to go on where something stands."""
    assert room.tools.channels.current(CHANNEL) is None
    return careless(room)


@pytest.mark.parametrize(
    ("command", "found", "said"),
    [(careful, 0, ""), (careless, 2, f"parameter {CHANNEL} aws:ec2:image <old> 2"), (failing, 2, "AssertionError")],
)
def test_a_change_that_is_done_twice_is_found(machines: list[Machine], command: object, found: int, said: str) -> None:
    """A planted fault shows at the points after the change, and at no other."""
    row = Row(name="planted", before=_promoted, command=command)  # type: ignore[arg-type] # one of the above
    faulty = [one for one in crash_everywhere(row, machines, pause=LATER) if one.faults]
    assert len(faulty) == found
    assert all(any(said in fault for fault in one.faults) for one in faulty)
    assert all(one.points[0].action in {"ssm:PutParameter", "ssm:GetParameter"} for one in faulty)


def test_after_a_repair_one_of_two_states_may_stand(machines: list[Machine]) -> None:
    """What stood before, or what the command ends in; a repair that makes something else of it is found."""

    def nothing(_: Room) -> ExitCode:
        return ExitCode.DONE

    def something(room: Room) -> ExitCode:
        room.tools.channels.move("/rebake/web/other", _image(room))
        return ExitCode.DONE

    for repair, fine in ((nothing, True), (something, False)):
        row = Row(name="planted", before=_promoted, command=careful, repair=repair)
        assert all(bool(one.faults) is not fine for one in crash_everywhere(row, machines))


def test_a_killed_command_cleans_nothing_up(machines: list[Machine], tmp_path: Path) -> None:
    """Its handlers run in the one process that goes on, and in none that was killed."""
    marks = tmp_path / "marks"

    def command() -> None:
        try:
            machines[0].clients.ec2.describe_key_pairs()
        finally:
            with marks.open("a") as file:
                file.write(f"{os.getpid()}\n")

    copies = Copies[Point]()
    with Cloud(clock=ManualClock()).in_process():
        machines[0].listen(lambda point: copies.start(lambda: [point]))
        command()
        machines[0].listen(None)
    told = sorted((point.call, point.after, point.action) for point in copies.finish())
    assert told == [(1, False, "ec2:DescribeKeyPairs"), (1, True, "ec2:DescribeKeyPairs")]
    assert marks.read_text() == f"{os.getpid()}\n"


def test_what_stands_is_told_without_ids_and_times() -> None:
    """Two clouds in which the same was done look the same; a resource more is a line more."""
    seen: list[Standing] = []
    for seconds, more in ((0, False), (77, False), (0, True)):
        with Cloud(clock=ManualClock()).in_process() as cloud:
            world = World(cloud)
            world.wait(seconds)
            world.fleet("web", world.image("old"), size=1, balanced=True)
            if more:
                world.image("stray")
            seen.append(standing(world))
    first, second, third = seen
    assert first.differences(second) == ()
    assert [line.split(" ")[:3] for line in first.differences(third)[:2]] == [
        ["+", "image", "stray"],
        ["+", "snapshot", "of"],
    ]
    assert "ec2:CreateImage was done 2 times, not 1" in first.differences(third)


def test_a_point_and_a_crash_are_told_in_words() -> None:
    """As they stand in the report."""
    point = Point(call=3, after=True, action="ec2:CreateImage")
    assert str(point) == "after call 3, ec2:CreateImage"
    assert Verdict(points=(point,)).faults == ()
