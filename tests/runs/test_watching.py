"""What is seen of a rollout from beside it, while it runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from rooms import SceneMaker
from runs.stands import standing, watched

from pipeline.cli.watching import watch
from pipeline.errors import ExitCode
from pipeline.ports.clock import Clock


@dataclass(frozen=True, slots=True)
class Leaving:
    """A clock whose owner presses Ctrl-C as soon as something waits."""

    clock: Clock

    def now(self) -> datetime:
        """Tell the time."""
        return self.clock.now()

    def sleep(self, duration: timedelta) -> None:
        """Press Ctrl-C."""
        raise KeyboardInterrupt(str(duration))


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
    assert line.endswith(f"web-prod-v2 is green on {image}, 4 healthy, 20 % of the traffic")
