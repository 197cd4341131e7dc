"""What is seen of a rollout from beside it, while it runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from io import StringIO

import pytest
from rich.console import Console
from rooms import SceneMaker
from runs.stands import standing, watched

from pipeline.cli.watching import Changes, fleets_of, frame, progress_of, watch
from pipeline.errors import ExitCode
from pipeline.ports.clock import Clock
from pipeline.runs.status import status


@dataclass(slots=True)
class Leaving:
    """A clock whose owner presses Ctrl-C as soon as something has waited so often."""

    clock: Clock
    looks: int = 0

    def now(self) -> datetime:
        """Tell the time."""
        return self.clock.now()

    def sleep(self, duration: timedelta) -> None:
        """Wait, or press Ctrl-C."""
        if not self.looks:
            raise KeyboardInterrupt(str(duration))
        self.looks -= 1
        self.clock.sleep(duration)


def test_a_shift_is_seen_with_both_its_groups(make: SceneMaker, capsys: pytest.CaptureFixture[str]) -> None:
    """The green group, its health and its share stand beside the fleet; to look away is no failure of anything."""
    stand = standing(make, shifts=(20, 100))
    image = stand.image()

    def look() -> None:
        room = stand.scene.again()
        away = replace(room, tools=replace(room.tools, clock=Leaving(room.tools.clock)))
        watch(away, "web-prod", every=timedelta(seconds=15), until_done=True, as_json=False)

    code, _ = watched(stand, "20 % green", look).roll(image)
    assert code is ExitCode.DONE
    (line,) = capsys.readouterr().out.splitlines()
    assert "4/4 healthy" in line
    assert "80 % of the traffic" in line
    assert line.endswith(f"web-prod-v2 is green on {image}, 4 healthy, 20 % of the traffic")


@pytest.mark.parametrize("action", ["ssm:GetParametersByPath", "autoscaling:DescribeAutoScalingGroups"])
def test_one_look_that_fails_is_not_the_last(make: SceneMaker, capsys: pytest.CaptureFixture[str], action: str) -> None:
    """Said, and tried again, until the rollout is over: it is not over because AWS could not be asked."""
    stand = standing(make, shifts=(20, 100), soak=timedelta(minutes=2))
    image = stand.image()

    def look() -> None:
        faults = stand.scene.world.cloud.faults
        faults.reset(action, times=3)  # as often as a call is tried
        room = stand.scene.again()
        leaving = replace(room, tools=replace(room.tools, clock=Leaving(room.tools.clock, looks=1)))
        watch(leaving, "web-prod", every=timedelta(seconds=15), until_done=True, as_json=False)

    assert watched(stand, "20 % green", look).roll(image)[0] is ExitCode.DONE
    said = capsys.readouterr()
    assert "500" in said.out + said.err
    assert "20 % of the traffic" in said.out.splitlines()[-1]


def test_the_share_of_green_is_its_progress(make: SceneMaker) -> None:
    """The bar of a shift is as long as green's part of the traffic; both groups' health stands in the row."""
    stand = standing(make, shifts=(20, 100))
    drawn: list[str] = []

    def look() -> None:
        families = status(stand.scene.again(), "web-prod")
        (fleet,) = fleets_of(families)
        assert progress_of(fleet) == 20
        console = Console(width=300, record=True, file=StringIO())
        console.print(frame(families, Changes()))
        drawn.append(console.export_text())

    assert watched(stand, "20 % green", look).roll(stand.image())[0] is ExitCode.DONE
    assert "4/4" in drawn[0]
    assert "4 healthy, 20 % of the traffic" in drawn[0]
