from __future__ import annotations

import pytest
from rooms import SceneMaker
from runs.stands import Stand, standing, tags, watched
from runs.watching import KilledError, interrupt, kill

from pipeline.errors import ExitCode
from pipeline.model.gates import AlarmGate
from pipeline.model.names import TAG_LEFT, TAG_UNDO
from pipeline.model.outcomes import RolledBack
from pipeline.runs import plans
from pipeline.runs.apply import apply, exit_code


@pytest.fixture
def stand(make: SceneMaker) -> Stand:
    """Make the fleet with the strategy as it is by default."""
    return standing(make)


def test_a_rollout_ends_on_one_group_with_all_traffic(stand: Stand) -> None:
    """Green is the fleet's group, of blue's size and bounds; blue and all loose ends are gone."""
    image = stand.image()
    code, _ = stand.roll(image)
    assert code is ExitCode.DONE
    assert set(stand.groups()) == {"web-prod-v2"}
    (group,) = stand.groups().values()
    assert (group["MinSize"], group["MaxSize"], group["DesiredCapacity"]) == (2, 8, 4)
    assert TAG_UNDO not in tags(group)
    (name,) = stand.weights()
    assert name != "web-prod"
    assert stand.weights()[name] == 1
    assert stand.plan(image).empty


def test_the_second_rollout_removes_what_the_first_one_made(stand: Stand) -> None:
    """Groups and target groups of rollouts come and go; the one that the user made is left, unused."""
    stand.roll(stand.image("new"))
    first = stand.target_groups()
    assert stand.roll(stand.image("newer"))[0] is ExitCode.DONE
    assert set(stand.groups()) == {"web-prod-v3"}
    assert len(stand.target_groups()) == len(first) == 2
    assert "web-prod" in stand.target_groups()
    assert set(stand.weights()) <= set(stand.target_groups())


def test_a_sick_image_never_gets_traffic(stand: Stand) -> None:
    """Its targets are not healthy, so the weights never change and everything is as it was, but for a note."""
    image = stand.image(behaviour="sick")
    code, result = stand.roll(image)
    assert code is ExitCode.ROLLED_BACK
    assert isinstance(result.lanes[0].outcome, RolledBack)
    as_before(stand)
    assert tags(stand.groups()["web-prod"])[TAG_LEFT] == image
    calls = stand.scene.world.cloud.calls.matching("elasticloadbalancing:ModifyListener")
    shifts = [call.parameters["DefaultActions"][0]["ForwardConfig"]["TargetGroups"] for call in calls]
    assert all(one["Weight"] == 0 for groups in shifts for one in groups[1:]), "green never had a weight"


def as_before(stand: Stand) -> None:
    """Assert that the fleet stands as it did: one group, its bounds and size, its weight, no record to put back."""
    assert set(stand.groups()) == {"web-prod"}
    (group,) = stand.groups().values()
    assert (group["MinSize"], group["MaxSize"], group["DesiredCapacity"]) == (2, 8, 4)
    assert stand.scene.world.versions("web-prod") == ["1"] * 4
    assert stand.weights() == {"web-prod": 1}
    assert stand.target_groups() == ["web-prod"]
    assert TAG_UNDO not in tags(group)
    assert not group["SuspendedProcesses"]


def ring(stand: Stand, state: str) -> None:
    """Put the alarm web-5xx into a state."""
    cloudwatch = stand.scene.world.cloudwatch
    cloudwatch.put_metric_alarm(AlarmName="web-5xx", ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1)
    cloudwatch.set_alarm_state(AlarmName="web-5xx", StateValue=state, StateReason="test")  # type: ignore[arg-type] # a state's word


def test_a_gate_that_refuses_in_a_soak_gives_everything_back(make: SceneMaker) -> None:
    """The alarm rings at ten percent: weights, sizes and groups are as before, and the image is noted as left."""
    stand = standing(make, gates=(AlarmGate(alarms=("web-5xx",)),))
    ring(stand, "OK")
    code, result = watched(stand, "10 % green", lambda: ring(stand, "ALARM")).roll(stand.image())
    assert code is ExitCode.ROLLED_BACK
    outcome = result.lanes[0].outcome
    assert isinstance(outcome, RolledBack)
    assert "web-5xx is in ALARM" in outcome.reason
    as_before(stand)


def test_an_alarm_that_rings_before_touches_nothing(make: SceneMaker) -> None:
    """Refused before green is made."""
    stand = standing(make, gates=(AlarmGate(alarms=("web-5xx",)),))
    ring(stand, "ALARM")
    code, _ = stand.roll(stand.image())
    assert code is ExitCode.REFUSED
    as_before(stand)
    assert not stand.scene.world.cloud.calls.matching("autoscaling:CreateAutoScalingGroup")[1:]


def test_a_growing_fleet_is_followed(stand: Stand) -> None:
    """Blue is scaled out in the middle: green grows with it before it takes over, and no size is written back."""
    world = stand.scene.world

    def grow() -> None:
        world.autoscaling.set_desired_capacity(AutoScalingGroupName="web-prod", DesiredCapacity=6)

    code, _ = watched(stand, "50 % green", grow).roll(stand.image())
    assert code is ExitCode.DONE
    (group,) = stand.groups().values()
    assert (group["MinSize"], group["DesiredCapacity"]) == (2, 6)


def test_ctrl_c_in_the_middle_gives_everything_back(stand: Stand) -> None:
    """Weights first; then green goes, and sizes may change again."""
    room = watched(stand, "50 % green", interrupt)
    code, result = room.roll(stand.image())
    assert code is ExitCode.INTERRUPTED
    assert result.stopped is not None
    as_before(stand)


@pytest.mark.parametrize(
    "words", ["CreateGreen: done", "green targets healthy", "10 % green", "50 % green", "100 % green"]
)
def test_killed_anywhere_and_run_again_ends_the_same(stand: Stand, words: str) -> None:
    """The second run takes the same green group on; one version, one green, one fleet's group in the end."""
    image = stand.image()
    with pytest.raises(KilledError):
        watched(stand, words, kill).roll(image)
    code, result = stand.roll(image)
    assert code is ExitCode.DONE, result.lanes
    assert set(stand.groups()) == {"web-prod-v2"}
    assert TAG_UNDO not in tags(stand.groups()["web-prod-v2"])
    versions = stand.scene.world.ec2.describe_launch_template_versions(LaunchTemplateId=stand.fleet.template)
    assert len(versions["LaunchTemplateVersions"]) == 2
    assert stand.plan(image).empty


@pytest.mark.parametrize("words", ["CreateGreen: done", "50 % green"])
def test_repair_puts_back_what_a_killed_run_left(stand: Stand, words: str) -> None:
    """From any machine, with nothing but the groups' own tags; and the image is not blamed."""
    with pytest.raises(KilledError):
        watched(stand, words, kill).roll(stand.image())
    assert stand.repair() is ExitCode.DONE
    as_before(stand)
    assert TAG_LEFT not in tags(stand.groups()["web-prod"])


def test_rollback_while_blue_is_kept(make: SceneMaker) -> None:
    """One call brings the weights back to blue, which is the fleet's group again; green is gone."""
    stand = standing(make)

    with pytest.raises(KilledError):
        watched(stand, "RetireGroup:", kill).roll(stand.image())
    assert set(stand.groups()) == {"web-prod", "web-prod-v2"}
    room = stand.scene.again()
    plan = plans.for_rollback(room, "web-prod")
    stand.scene.world.cloud.calls.clear()
    result = apply(room, plan)
    assert exit_code(plan, result) is ExitCode.DONE
    assert set(stand.groups()) == {"web-prod"}
    assert stand.weights() == {"web-prod": 1}
    changes = [call.action for call in stand.scene.world.changed]
    assert changes[0] == "elasticloadbalancing:ModifyListener", "weights before anything else"
    (group,) = stand.groups().values()
    assert (group["MinSize"], group["DesiredCapacity"]) == (2, 4)
    assert TAG_UNDO not in tags(group)


def test_rollback_after_blue_is_gone(stand: Stand) -> None:
    """A group on the earlier version takes all traffic."""
    stand.roll(stand.image())
    assert stand.back() is ExitCode.DONE
    assert set(stand.groups()) == {"web-prod-v1"}
    assert stand.scene.world.versions("web-prod-v1") == ["1"] * 4


def test_a_dry_run_changes_nothing(stand: Stand) -> None:
    """Planning reads only."""
    image = stand.image()
    stand.scene.world.cloud.forbid_mutations()
    assert not stand.plan(image).empty
