"""What happens to a fleet while it is rolled: somebody else, a fault of ours, processes that are suspended."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import rooms
from rooms import Scene, SceneMaker
from runs.stands import Stand, proven, roll, standing, watched
from runs.watching import at, fail

from pipeline.errors import Defect, ExitCode, HeldError
from pipeline.model.outcomes import Refused, RolledBack
from pipeline.model.settings import PatchGroup
from pipeline.model.shares import Share
from pipeline.runs import plans
from pipeline.runs.apply import apply, exit_code

STOPPING = ("autoscaling:CancelInstanceRefresh", "autoscaling:RollbackInstanceRefresh")


def slow(make: SceneMaker) -> Scene:
    """Make a fleet of four that is replaced one by one."""
    scene = make(rooms.fleet(min_healthy=90, max_healthy=100))
    scene.world.fleet("web-prod", proven(scene, "old"))
    return scene


def start_another(scene: Scene, name: str = "other") -> str:
    """Start a refresh to an image of somebody else's; answer its id."""
    template = scene.world.group("web-prod")["LaunchTemplate"]["LaunchTemplateId"]
    number = scene.world.version(template, ImageId=proven(scene, name))
    wanted: Any = {"LaunchTemplate": {"LaunchTemplateId": template, "Version": str(number)}}
    started = scene.world.autoscaling.start_instance_refresh(
        AutoScalingGroupName="web-prod", DesiredConfiguration=wanted
    )
    return started["InstanceRefreshId"]


def stopped(scene: Scene) -> list[str]:
    """List the calls that stopped a refresh."""
    return [call.action for call in scene.world.cloud.calls if call.action in STOPPING]


def test_a_refresh_of_somebody_else_is_left_alone(make: SceneMaker) -> None:
    """It began after the plan was made: the run ends as held, and his refresh gets through."""
    scene = slow(make)
    code, result = roll(at(scene, "CreateTemplateVersion: done", lambda: start_another(scene)), proven(scene))
    assert code is ExitCode.HELD
    assert isinstance(result.lanes[0].stopped, HeldError)
    assert stopped(scene) == []
    scene.world.wait(1800)
    assert scene.world.refresh("web-prod")["Status"] == "Successful"
    assert scene.world.group("web-prod")["LaunchTemplate"]["Version"] == "3"


def test_a_refresh_that_took_the_place_of_ours_is_left_alone(make: SceneMaker) -> None:
    """Somebody cancelled ours and started his own: ours is a failure, and his is nothing to be put back."""
    scene = slow(make)
    world = scene.world

    def take_over() -> None:
        world.autoscaling.cancel_instance_refresh(AutoScalingGroupName="web-prod")
        while world.refresh("web-prod")["Status"] != "Cancelled":
            world.wait(5)
        start_another(scene)

    code, _ = roll(at(scene, "InProgress 25", take_over), proven(scene))
    assert code is ExitCode.FAILED
    assert stopped(scene) == ["autoscaling:CancelInstanceRefresh"]
    world.wait(1800)
    assert world.refresh("web-prod")["Status"] == "Successful"
    assert world.versions("web-prod") == ["3"] * 4


def test_superseding_waits_for_a_way_back(make: SceneMaker) -> None:
    """A roll-back under way is never cancelled, which would leave a mix: it ends, and then the new image is rolled."""
    scene = slow(make)
    start_another(scene)
    scene.world.wait(20)
    scene.world.autoscaling.rollback_instance_refresh(AutoScalingGroupName="web-prod")
    assert scene.world.refresh("web-prod")["Status"] == "RollbackInProgress"
    code, _ = roll(scene, proven(scene), supersede=True)
    assert code is ExitCode.DONE
    assert stopped(scene) == ["autoscaling:RollbackInstanceRefresh"]
    (_, before) = scene.world.autoscaling.describe_instance_refreshes(AutoScalingGroupName="web-prod")[
        "InstanceRefreshes"
    ]
    assert before["Status"] == "RollbackSuccessful"
    assert scene.world.versions("web-prod") == ["3"] * 4


def test_processes_suspended_after_the_plan_refuse(make: SceneMaker) -> None:
    """Nobody would take the old instances' place: no refresh begins, and nothing was replaced."""
    scene = slow(make)

    def suspend() -> None:
        scene.world.autoscaling.suspend_processes(AutoScalingGroupName="web-prod", ScalingProcesses=["Launch"])

    code, result = roll(at(scene, "CreateTemplateVersion: done", suspend), proven(scene))
    assert code is ExitCode.REFUSED
    outcome = result.lanes[0].outcome
    assert isinstance(outcome, Refused)
    assert "web-prod has suspended Launch" in outcome.reason
    assert not scene.world.cloud.calls.matching("autoscaling:StartInstanceRefresh")


def test_a_fault_of_ours_in_one_lane_puts_its_fleet_back(make: SceneMaker) -> None:
    """The fleet beside it is rolled to its end; the one with the fault ends on its old image, and the code is 5."""
    fleets = [
        replace(rooms.fleet(name, min_healthy=50, max_healthy=100), patch_group="prod") for name in ("web-a", "web-b")
    ]
    group = PatchGroup(name="prod", wave=1, concurrency=Share(value=2))
    scene = make(*fleets, patch_groups={"prod": group})
    image = scene.world.image("old")
    for fleet in fleets:
        scene.world.fleet(fleet.name, image, size=2)
    room = at(scene, "web-a: InProgress 50", fail).again()
    plan = plans.for_release(room)
    result = apply(room, plan)
    assert exit_code(plan, result) is ExitCode.PARTIAL
    first, second = sorted(result.lanes, key=lambda lane: lane.fleet)
    assert isinstance(first.stopped, Defect)
    assert "ZeroDivisionError: division by zero" in first.stopped.message
    assert isinstance(first.outcome, RolledBack)
    assert second.succeeded
    assert scene.world.versions("web-a") == ["1"] * 2
    assert scene.world.versions("web-b") == ["2"] * 2


def test_a_fault_of_ours_alone_is_a_failure(make: SceneMaker) -> None:
    """Traffic shifted already comes back; the code is 1."""
    stand = standing(make)
    code, result = watched(stand, "50 % green", fail).roll(stand.image())
    assert code is ExitCode.FAILED
    assert isinstance(result.lanes[0].stopped, Defect)
    assert stand.weights() == {"web-prod": 1}
    assert set(stand.groups()) == {"web-prod"}


def shift(stand: Stand) -> None:
    """Shift all traffic back by hand."""
    weights = stand.weights()
    arns = {
        one["TargetGroupName"]: one["TargetGroupArn"]
        for one in stand.scene.world.elbv2.describe_target_groups()["TargetGroups"]
    }
    tuples: Any = [{"TargetGroupArn": arns[name], "Weight": int(name == "web-prod")} for name in weights]
    stand.scene.world.elbv2.modify_listener(
        ListenerArn=stand.fleet.listener,
        DefaultActions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": tuples}}],
    )


def test_weights_of_somebody_else_are_left_alone(make: SceneMaker) -> None:
    """He took green out of the traffic in the middle: held, and both groups stay as he has them."""
    stand = standing(make, soak=timedelta(minutes=1))
    code, result = watched(stand, "10 % green", lambda: shift(stand)).roll(stand.image())
    assert code is ExitCode.HELD
    assert isinstance(result.lanes[0].stopped, HeldError)
    assert "somebody else shifted it" in result.lanes[0].stopped.message
    assert set(stand.groups()) == {"web-prod", "web-prod-v2"}
    assert sorted(stand.weights().values()) == [0, 1]
    assert stand.repair() is ExitCode.DONE
    assert set(stand.groups()) == {"web-prod"}


@pytest.mark.parametrize("hurry", [False, True])
def test_a_minimum_that_somebody_changed_stays(make: SceneMaker, *, hurry: bool) -> None:
    """Blue was pinned to its size; somebody wants three at least: so it stays, put back or carried through."""
    stand = standing(make)

    def change() -> None:
        stand.scene.world.autoscaling.update_auto_scaling_group(AutoScalingGroupName="web-prod", MinSize=3)
        if hurry:
            raise KeyboardInterrupt("SIGINT")

    code, _ = watched(stand, "10 % green", change).roll(stand.image())
    assert code is (ExitCode.INTERRUPTED if hurry else ExitCode.DONE)
    (group,) = stand.groups().values()
    assert (group["MinSize"], group["DesiredCapacity"]) == (3, 4)
