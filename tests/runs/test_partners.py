"""Two standing groups that take turns: neither is ever made or deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import rooms
from rooms import SceneMaker
from runs.stands import OURS, Stand, configured, tags, watched
from runs.watching import KilledError, interrupt, kill

from pipeline.errors import ExitCode, NotPossible
from pipeline.model.ids import GroupName, ImageId
from pipeline.model.names import TAG_UNDO

PARTNER = "web-b"
SHORT = timedelta(seconds=15)


@pytest.fixture
def stand(make: SceneMaker) -> Stand:
    """Make a fleet of two on web-prod, and web-b beside it: empty, on a template and a target group of its own."""
    scene = make(rooms.fleet())
    world = scene.world
    image = ImageId(world.image("old", tags=OURS))
    fleet = world.fleet("web-prod", image, size=2, balanced=True, MinSize=1, MaxSize=4)
    (first,) = world.elbv2.describe_target_groups(Names=["web-prod"])["TargetGroups"]
    targets = world.elbv2.create_target_group(
        Name=PARTNER, Protocol="HTTP", Port=8080, VpcId=first["VpcId"], HealthCheckPath="/health"
    )["TargetGroups"][0]["TargetGroupArn"]
    world.elbv2.modify_target_group_attributes(
        TargetGroupArn=targets, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "20"}]
    )
    partner: dict[str, Any] = {"TargetGroupARNs": [targets], "HealthCheckType": "ELB", "MaxSize": 4}
    world.fleet(PARTNER, image, size=0, settle=0, **partner)
    return configured(scene, fleet, partner=GroupName(PARTNER), shifts=(50, 100), soak=SHORT, keep_blue=SHORT)


def sizes(stand: Stand) -> dict[str, tuple[int, int, int]]:
    """Tell minimum, desired capacity and instances of both groups."""
    return {
        name: (group["MinSize"], group["DesiredCapacity"], len(group["Instances"]))
        for name, group in stand.groups().items()
    }


def test_there_and_back_again(stand: Stand) -> None:
    """Each rollout swaps the two, whoever is left stands empty at weight 0, and the same plan again is empty."""
    turns = ((PARTNER, "web-prod"), ("web-prod", PARTNER))
    for number, (live, rests) in enumerate(turns):
        image = stand.image(f"new-{number}")
        assert stand.roll(image)[0] is ExitCode.DONE
        assert sizes(stand) == {live: (1, 2, 2), rests: (0, 0, 0)}
        assert stand.weights()[rests] == 0
        assert stand.weights()[live] > 0
        members = stand.scene.world.ec2.describe_instances(
            InstanceIds=[member["InstanceId"] for member in stand.groups()[live]["Instances"]]
        )["Reservations"]
        assert {one["ImageId"] for reservation in members for one in reservation["Instances"]} == {image}
        assert stand.plan(image).empty
        assert not any(TAG_UNDO in tags(group) for group in stand.groups().values())
    assert stand.target_groups() == [PARTNER, "web-prod"]


def as_before(stand: Stand) -> None:
    """Assert that web-prod has all traffic, its own size and image, and that web-b rests."""
    assert sizes(stand) == {"web-prod": (1, 2, 2), PARTNER: (0, 0, 0)}
    assert stand.scene.world.versions("web-prod") == ["1"] * 2
    weights = stand.weights()
    assert weights.pop("web-prod") > 0
    assert not any(weights.values())
    assert not any(TAG_UNDO in tags(group) for group in stand.groups().values())


def test_protected_instances_are_no_reason_to_stay(stand: Stand) -> None:
    """The group that is left protects whom it launches: it is emptied all the same, once it has no traffic."""
    world = stand.scene.world
    members = [member["InstanceId"] for member in stand.groups()["web-prod"]["Instances"]]
    world.autoscaling.set_instance_protection(
        AutoScalingGroupName="web-prod", InstanceIds=members, ProtectedFromScaleIn=True
    )
    assert stand.roll(stand.image())[0] is ExitCode.DONE
    assert sizes(stand) == {PARTNER: (1, 2, 2), "web-prod": (0, 0, 0)}


@pytest.mark.parametrize("words", ["RetireGroup:", None])
def test_the_way_back_is_the_other_group(stand: Stand, words: str | None) -> None:
    """While it is kept that is one call; later it is filled again, on the version that it has."""
    image = stand.image()
    if words is None:
        stand.roll(image)
    else:
        with pytest.raises(KilledError):
            watched(stand, words, kill).roll(image)
    assert stand.weights()[PARTNER] > 0
    assert stand.back() is ExitCode.DONE
    as_before(stand)


def test_a_sick_image_leaves_both_as_they_were(stand: Stand) -> None:
    """The partner never gets traffic, and stands empty again."""
    code, _ = stand.roll(stand.image(behaviour="sick"))
    assert code is ExitCode.ROLLED_BACK
    as_before(stand)


def test_ctrl_c_leaves_both_as_they_were(stand: Stand) -> None:
    """With all traffic on the partner the fleet's own group is still the other one, and gets everything back."""
    assert watched(stand, "100 % green", interrupt).roll(stand.image())[0] is ExitCode.INTERRUPTED
    as_before(stand)


def test_a_killed_swap_goes_on(stand: Stand) -> None:
    """With all traffic on the partner, but nothing turned around yet: the same command ends it."""
    image = stand.image()
    with pytest.raises(KilledError):
        watched(stand, "100 % green", kill).roll(image)
    assert stand.roll(image)[0] is ExitCode.DONE
    assert sizes(stand) == {"web-prod": (0, 0, 0), PARTNER: (1, 2, 2)}
    assert stand.plan(image).empty


def test_repair_empties_the_partner_of_a_killed_run(stand: Stand) -> None:
    """With nothing but the groups' own tags."""
    with pytest.raises(KilledError):
        watched(stand, "50 % green", kill).roll(stand.image())
    assert stand.repair() is ExitCode.DONE
    as_before(stand)


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"MaxSize": 1}, ExitCode.FAILED, "web-b may have 1 instances, and web-prod has 2"),
        ({"DesiredCapacity": 1}, ExitCode.HELD, "web-b is not empty"),
    ],
)
def test_a_partner_that_cannot_take_over_changes_nothing(
    stand: Stand, change: dict[str, Any], code: ExitCode, said: str
) -> None:
    """It is said which of the two is in the way, and nothing was touched."""
    image = stand.image()
    world = stand.scene.world
    world.autoscaling.update_auto_scaling_group(AutoScalingGroupName=PARTNER, **change)
    world.wait(60)
    before = sizes(stand)
    world.cloud.calls.clear()
    ended, result = stand.roll(image)
    assert ended is code
    assert result.lanes[0].stopped is not None
    assert said in result.lanes[0].stopped.message
    assert {call.action for call in world.changed} <= {"ec2:CreateLaunchTemplateVersion"}
    assert sizes(stand) == before


def test_a_shared_target_group_is_refused(stand: Stand) -> None:
    """No weight could tell the two apart: found when the plan is made."""
    image = stand.image()
    autoscaling = stand.scene.world.autoscaling
    (own,) = stand.groups()[PARTNER]["TargetGroupARNs"]
    autoscaling.detach_load_balancer_target_groups(AutoScalingGroupName=PARTNER, TargetGroupARNs=[own])
    autoscaling.attach_load_balancer_target_groups(
        AutoScalingGroupName=PARTNER, TargetGroupARNs=[stand.fleet.target_group]
    )
    with pytest.raises(NotPossible, match="web-prod and its partner do not have a target group each"):
        stand.plan(image)


def test_a_version_of_the_other_template_is_no_way_back(stand: Stand) -> None:
    """The partner boots from a template of its own: a number of the other's would boot who knows what."""
    stand.roll(stand.image())
    with pytest.raises(NotPossible, match=r"Version 1 of lt-\w+ says nothing of web-prod") as caught:
        stand.back(to=1)
    assert "without --to" in caught.value.hint
