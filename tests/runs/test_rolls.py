from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest
import rooms
from rooms import Scene, SceneMaker
from runs.stands import proven, roll
from world import Fleet

from pipeline.errors import ExitCode, HeldError, Interrupted, RefusedError
from pipeline.model.outcomes import Done, Failed, Outcome, RolledBack, RunResult
from pipeline.model.rollouts import AwaitRefresh, CreateTemplateVersion, StartRefresh
from pipeline.model.steps import Plan, PlannedStep
from pipeline.ports.progress import Event, EventKind
from pipeline.runs import plans
from pipeline.runs.apply import apply, exit_code


def ended(result: RunResult) -> Outcome | None:
    """Tell how the only fleet of a run ended."""
    return result.lanes[0].outcome if result.lanes else result.last


def begin(scene: Scene, plan: Plan) -> None:
    """Carry out the first two steps of a roll, as a run that is killed after them: version made, refresh started."""
    apply(scene.room, Plan(steps=tuple(plan.every)[:2]))


def old_fleet(scene: Scene, *, size: int = 4, balanced: bool = False) -> Fleet:
    """Make the fleet on an old image."""
    return scene.world.fleet("web-prod", proven(scene, "old"), size=size, balanced=balanced)


@pytest.mark.parametrize("size", [0, 1, 4])
def test_a_roll_replaces_whatever_the_size(make: SceneMaker, size: int) -> None:
    """Sizes 0, 1 and 4 end on the new version; the group's saved template is the new number."""
    scene = make(rooms.fleet())
    fleet = old_fleet(scene, size=size)
    code, _ = roll(scene, proven(scene, "new"))
    assert code is ExitCode.DONE
    assert scene.world.versions(fleet.group) == ["2"] * size
    assert scene.world.group(fleet.group)["LaunchTemplate"]["Version"] == "2"


def test_explicit_minimum_and_maximum_are_sent(make: SceneMaker) -> None:
    """Both bounds are always stated: AWS treats an omitted maximum otherwise than one of 100."""
    scene = make(
        rooms.fleet(min_healthy=100, max_healthy=100, checkpoints=(50, 100), checkpoint_delay=timedelta(minutes=1))
    )
    old_fleet(scene)
    roll(scene, proven(scene, "new"))
    preferences = scene.world.refresh("web-prod")["Preferences"]
    assert (preferences["MinHealthyPercentage"], preferences["MaxHealthyPercentage"]) == (100, 100)
    assert preferences["CheckpointPercentages"] == [50, 100]
    assert preferences["AutoRollback"] is True
    assert scene.world.refresh("web-prod")["DesiredConfiguration"]["LaunchTemplate"]["Version"] == "2"


class AlarmingProgress:
    """Raises an alarm at the first sight of a refresh under way, as monitoring would."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def emit(self, event: Event) -> None:
        """Set the alarm off."""
        if event.kind is EventKind.PROGRESS and event.text.startswith("InProgress"):
            alarm(self._scene, "ALARM")

    def close(self) -> None:
        """Nothing is kept open."""


def alarm(scene: Scene, state: Literal["ALARM", "OK"]) -> None:
    """Make the alarm web-5xx, in a state."""
    scene.world.cloudwatch.put_metric_alarm(
        AlarmName="web-5xx", ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1
    )
    scene.world.cloudwatch.set_alarm_state(AlarmName="web-5xx", StateValue=state, StateReason="test")


def roll_under_alarm(make: SceneMaker, *, auto_rollback: bool) -> tuple[ExitCode, RunResult, list[str]]:
    """Roll a fleet whose alarm goes off in the middle; answer also the versions it ends on."""
    scene = make(rooms.fleet(alarms=("web-5xx",), auto_rollback=auto_rollback, min_healthy=90, max_healthy=100))
    fleet = old_fleet(scene)
    alarm(scene, "OK")
    watched = replace(scene.room.tools, progress=AlarmingProgress(scene))
    code, result = roll(replace(scene, room=replace(scene.room, tools=watched)), proven(scene, "new"))
    return code, result, scene.world.versions(fleet.group)


def test_a_fleet_whose_alarm_goes_off_is_rolled_back(make: SceneMaker) -> None:
    """AWS rolls back by itself: every instance is on the old image, exit code 4, the alarm is named."""
    code, result, versions = roll_under_alarm(make, auto_rollback=True)
    assert code is ExitCode.ROLLED_BACK
    last = ended(result)
    assert isinstance(last, RolledBack)
    assert "web-5xx" in last.reason
    assert versions == ["1"] * 4


def test_without_automatic_rollback_a_failure_says_the_way_back(make: SceneMaker) -> None:
    """auto_rollback: false ends as failed, with the next step."""
    code, result, _ = roll_under_alarm(make, auto_rollback=False)
    assert code is ExitCode.FAILED
    last = ended(result)
    assert isinstance(last, Failed)
    assert "web-5xx" in last.reason
    assert "rebake rollback web-prod" in last.hint


def test_the_same_roll_again_adopts_the_running_refresh(make: SceneMaker) -> None:
    """Started on one machine and forgotten, waited for on another: one refresh, one template version."""
    scene = make(rooms.fleet())
    fleet = old_fleet(scene)
    image = proven(scene, "new")
    first = plans.for_roll(scene.room, "web-prod", image=image)
    begin(scene, first)
    code, result = roll(scene, image)
    assert code is ExitCode.DONE
    assert [type(step.planned.step) for step in result.every] == [AwaitRefresh]
    refreshes = scene.world.autoscaling.describe_instance_refreshes(AutoScalingGroupName=fleet.group)
    assert len(refreshes["InstanceRefreshes"]) == 1


def test_a_plan_executed_twice_makes_nothing_twice(make: SceneMaker) -> None:
    """The very same plan again adopts its version and its refresh."""
    scene = make(rooms.fleet())
    fleet = old_fleet(scene)
    plan = plans.for_roll(scene.room, "web-prod", image=proven(scene, "new"))
    begin(scene, plan)
    result = apply(scene.again(), plan)
    assert isinstance(ended(result), Done)
    versions = scene.world.ec2.describe_launch_template_versions(LaunchTemplateId=fleet.template)
    assert len(versions["LaunchTemplateVersions"]) == 2


def test_another_refresh_holds_the_fleet(make: SceneMaker) -> None:
    """Somebody else's refresh is named; neither plan nor a plan made before it starts a second one."""
    scene = make(rooms.fleet())
    fleet = old_fleet(scene)
    image = proven(scene, "new")
    plan = plans.for_roll(scene.room, "web-prod", image=image)
    scene.world.start(fleet, 1, SkipMatching=False)
    with pytest.raises(HeldError, match="goes to"):
        plans.for_roll(scene.again(), "web-prod", image=image)
    result = apply(scene.again(), plan)
    (lane,) = result.lanes
    assert isinstance(lane.stopped, HeldError)
    assert "goes elsewhere" in lane.stopped.message
    assert [type(step.planned.step) for step in lane.results] == [CreateTemplateVersion]
    assert exit_code(plan, result) is ExitCode.HELD


def test_rollback_after_a_roll_and_forward_again(make: SceneMaker) -> None:
    """The way back is a refresh to the earlier version; rolling forward again reuses the version made before."""
    scene = make(rooms.fleet())
    fleet = old_fleet(scene)
    image = proven(scene, "new")
    roll(scene, image)
    room = scene.again()
    back = plans.for_rollback(room, "web-prod")
    result = apply(room, back)
    assert exit_code(back, result) is ExitCode.DONE
    assert scene.world.versions(fleet.group) == ["1"] * 4
    assert roll(scene, image)[0] is ExitCode.DONE
    assert scene.world.versions(fleet.group) == ["2"] * 4


def test_rollback_during_a_refresh(make: SceneMaker) -> None:
    """A running refresh is rolled back by AWS; --reject keeps the image from ever being rolled again."""
    scene = make(rooms.fleet(min_healthy=90, max_healthy=100))
    fleet = old_fleet(scene)
    image = proven(scene, "new")
    forward = plans.for_roll(scene.room, "web-prod", image=image)
    begin(scene, forward)
    scene.world.wait(90)
    room = scene.again()
    back = plans.for_rollback(room, "web-prod", reject=True)
    result = apply(room, back)
    assert exit_code(back, result) is ExitCode.DONE
    assert scene.world.versions(fleet.group) == ["1"] * 4
    with pytest.raises(RefusedError, match="rejected"):
        plans.for_roll(scene.again(), "web-prod", image=image)


class InterruptingProgress:
    """Raises as a signal handler does, at the first sight of a refresh under way."""

    def emit(self, event: Event) -> None:
        """Interrupt."""
        if event.kind is EventKind.PROGRESS and event.text.startswith("InProgress"):
            raise KeyboardInterrupt("SIGINT")

    def close(self) -> None:
        """Nothing is kept open."""


def test_an_interrupted_roll_is_put_back(make: SceneMaker) -> None:
    """Ctrl-C in the middle asks AWS to roll the refresh back before the command ends."""
    scene = make(rooms.fleet())
    fleet = old_fleet(scene)
    plan = plans.for_roll(scene.room, "web-prod", image=proven(scene, "new"))
    room = replace(scene.room, tools=replace(scene.room.tools, progress=InterruptingProgress()))
    result = apply(room, plan)
    assert isinstance(result.stopped, Interrupted)
    assert "bringing it back" in result.stopped.message
    assert len(result.every) > 2, "what was done before it is told"
    assert exit_code(plan, result) is ExitCode.INTERRUPTED
    scene.world.wait(1200)
    assert scene.world.refresh(fleet.group)["Status"] == "RollbackSuccessful"
    assert scene.world.versions(fleet.group) == ["1"] * 4


def test_an_interrupted_way_back_goes_on(make: SceneMaker) -> None:
    """Ctrl-C during a roll-back must not bring the bad image back."""
    scene = make(rooms.fleet())
    fleet = old_fleet(scene)
    roll(scene, proven(scene, "new"))
    room = replace(scene.again(), tools=replace(scene.room.tools, progress=InterruptingProgress()))
    result = apply(room, plans.for_rollback(room, "web-prod"))
    assert isinstance(result.stopped, Interrupted)
    assert "goes on" in result.stopped.message
    scene.world.wait(1200)
    assert scene.world.versions(fleet.group) == ["1"] * 4


def test_an_adopted_refresh_is_not_undone_by_an_interruption(make: SceneMaker) -> None:
    """Ctrl-C while only watching what another run started leaves it alone."""
    scene = make(rooms.fleet())
    fleet = old_fleet(scene)
    image = proven(scene, "new")
    forward = plans.for_roll(scene.room, "web-prod", image=image)
    begin(scene, forward)
    room = replace(scene.again(), tools=replace(scene.room.tools, progress=InterruptingProgress()))
    result = apply(room, plans.for_roll(room, "web-prod", image=image))
    assert isinstance(result.stopped, Interrupted)
    scene.world.wait(1200)
    assert scene.world.versions(fleet.group) == ["2"] * 4


def test_rollback_after_a_cancelled_roll(make: SceneMaker) -> None:
    """Half replaced and cancelled: the way back is the saved version, not the one before it."""
    scene = make(rooms.fleet(min_healthy=90, max_healthy=100))
    fleet = old_fleet(scene)
    forward = plans.for_roll(scene.room, "web-prod", image=proven(scene, "new"))
    begin(scene, forward)
    scene.world.wait(100)
    scene.world.autoscaling.cancel_instance_refresh(AutoScalingGroupName=fleet.group)
    scene.world.wait(120)
    assert set(scene.world.versions(fleet.group)) == {"1", "2"}
    room = scene.again()
    back = plans.for_rollback(room, "web-prod")
    assert exit_code(back, apply(room, back)) is ExitCode.DONE
    assert scene.world.versions(fleet.group) == ["1"] * 4


def test_a_group_that_was_changed_after_the_plan_is_left_alone(make: SceneMaker) -> None:
    """A template version saved on the group meanwhile is not rolled over."""
    scene = make(rooms.fleet())
    fleet = old_fleet(scene)
    plan = plans.for_roll(scene.room, "web-prod", image=proven(scene, "new"))
    version = scene.world.version(fleet.template, UserData="IyEvYmluL3NoCg==")
    scene.world.autoscaling.update_auto_scaling_group(
        AutoScalingGroupName=fleet.group,
        LaunchTemplate={"LaunchTemplateId": fleet.template, "Version": str(version)},
    )
    result = apply(scene.again(), plan)
    last = ended(result)
    assert isinstance(last, Failed)
    assert "after the plan was made" in last.reason


def test_a_cancelled_refresh_is_a_failure(make: SceneMaker) -> None:
    """A refresh that somebody cancelled is not taken for success."""
    scene = make(rooms.fleet())
    fleet = old_fleet(scene)
    plan = plans.for_roll(scene.room, "web-prod", image=proven(scene, "new"))
    begin(scene, plan)
    scene.world.autoscaling.cancel_instance_refresh(AutoScalingGroupName=fleet.group)
    started = next(planned.step for planned in plan.every if isinstance(planned.step, StartRefresh))
    refresh = scene.room.tools.refreshes.listed(started.group)[0]
    wait = AwaitRefresh(fleet="web-prod", group=started.group, strategy=started.strategy, refresh=refresh.id)
    result = apply(scene.again(), Plan(steps=(PlannedStep(target="web-prod", step=wait, why=""),)))
    last = ended(result)
    assert isinstance(last, Failed)
    assert "Cancelled" in last.reason


def test_throttling_in_the_middle_ends_nothing(make: SceneMaker) -> None:
    """With every tenth describe throttled, a roll still ends as it should."""
    scene = make(rooms.fleet())
    fleet = old_fleet(scene)
    image = proven(scene, "new")
    scene.world.cloud.faults.throttle("autoscaling:Describe*", share=0.1)
    assert roll(scene, image)[0] is ExitCode.DONE
    assert scene.world.versions(fleet.group) == ["2"] * 4
