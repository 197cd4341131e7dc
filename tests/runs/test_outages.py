"""AWS out of reach, or credentials that have expired, in the middle of a rollout of hours."""

from __future__ import annotations

from datetime import timedelta

import rooms
from rooms import Scene, SceneMaker
from runs.stands import OURS
from runs.watching import at

from pipeline.errors import ExitCode
from pipeline.model.ids import ImageId
from pipeline.model.outcomes import RunResult
from pipeline.runs import plans
from pipeline.runs.apply import apply, exit_code


def roll_through(make: SceneMaker, code: str, *, calls: int) -> tuple[Scene, ExitCode, RunResult]:
    """Roll a fleet; in the middle so many calls are answered with an error code."""
    scene = make(rooms.fleet(min_healthy=100, max_healthy=125))
    scene.world.fleet("web-prod", scene.world.image("old", tags=OURS), size=4)
    image = ImageId(scene.world.image("new", tags=OURS))

    def fail() -> None:
        for service in ("autoscaling", "ssm"):
            scene.world.cloud.faults.fail(f"{service}:*", code, times=calls)

    room = at(scene, "InProgress", fail).again()
    plan = plans.for_roll(room, "web-prod", image=image)
    result = apply(room, plan)
    return scene, exit_code(plan, result), result


def test_credentials_that_expire_are_waited_for(make: SceneMaker) -> None:
    """Whoever signs in again, or whatever renews the file, lets the run go on where it was."""
    scene, code, _ = roll_through(make, "ExpiredToken", calls=20)
    assert code is ExitCode.DONE
    assert scene.world.versions("web-prod") == ["2"] * 4
    (refresh,) = scene.world.autoscaling.describe_instance_refreshes(AutoScalingGroupName="web-prod")[
        "InstanceRefreshes"
    ]
    assert refresh["Status"] == "Successful"


def test_credentials_that_stay_expired_end_the_run(make: SceneMaker) -> None:
    """Half an hour is waited; then the run says so, and AWS goes on with what it has begun."""
    scene, code, result = roll_through(make, "ExpiredToken", calls=100_000)
    assert code is ExitCode.UNAVAILABLE
    assert "expired" in str(result.lanes[0].stopped)
    scene.world.cloud.faults.clear()
    scene.world.wait(timedelta(hours=1).total_seconds())
    assert scene.world.versions("web-prod") == ["2"] * 4
