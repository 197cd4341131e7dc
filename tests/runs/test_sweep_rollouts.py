"""What killed rollouts leave is swept; what a fleet runs on, or may go back to, is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import rooms
from rooms import SceneMaker
from runs.packing import DyingBuilder
from runs.stands import Stand, standing, tags, watched
from runs.sweeping import LATER, everything, sweep
from runs.watching import KilledError, at, kill

from pipeline.errors import ExitCode
from pipeline.model.ids import ImageId
from pipeline.model.leftovers import Kind, Remove
from pipeline.model.names import TAG_FAMILY, TAG_MADE, TAG_PURPOSE, TAG_RUN, TAG_UNDO
from pipeline.model.outcomes import Failed
from pipeline.model.steps import Plan
from pipeline.ports.instances import LaunchRequest
from pipeline.runs import plans
from pipeline.runs.apply import apply, exit_code


def kinds(plan: Plan) -> set[Kind]:
    """Name the kinds of what a plan removes."""
    return {planned.step.what for planned in plan.steps if isinstance(planned.step, Remove)}


def killed(stand: Stand, words: str) -> None:
    """Roll, and be killed at these words."""
    with pytest.raises(KilledError):
        watched(stand, words, kill).roll(stand.image("new"))


def left(stand: Stand) -> Stand:
    """Leave something of a bake and of a test."""
    scene = stand.scene
    dying = DyingBuilder(world=scene.world, lives=6)
    room = replace(scene.room, tools=replace(scene.room.tools, builder=dying))
    with pytest.raises(KilledError):
        apply(room, plans.for_bake(room, "web", force=True))
    # A test's `finally` cannot be killed in this process.
    marks = {TAG_RUN: room.run, TAG_FAMILY: "web", TAG_PURPOSE: "smoke"}
    base = ImageId(scene.world.base())
    room.tools.instances.launch(LaunchRequest(image=base, instance_type="t3.small", tags=marks, token="t"))
    return stand


@pytest.mark.parametrize("words", ["CreateGreen: done", "green targets healthy"])
def test_a_green_group_that_never_had_traffic_goes_with_its_target_group(make: SceneMaker, words: str) -> None:
    """A day after the kill; and the fleet, its version and its traffic are as they were."""
    stand = standing(make)
    fleet = everything(stand.scene.world)
    killed(stand, words)
    assert sweep(stand.scene)[1].empty
    stand.scene.world.wait(LATER)
    code, plan, result = sweep(stand.scene)
    assert code is ExitCode.DONE, result.results
    assert kinds(plan) == {Kind.GROUP, Kind.TARGET_GROUP}
    after = everything(stand.scene.world)
    assert {kind for kind in after if after[kind] != fleet[kind]} == {"images", "snapshots", "versions"}
    assert stand.weights() == {"web-prod": 1}
    assert sweep(stand.scene)[1].empty
    assert stand.repair() is ExitCode.DONE
    (blue,) = stand.groups().values()
    assert (blue["MinSize"], TAG_UNDO in tags(blue)) == (2, False)


def test_a_green_group_with_traffic_stays_and_is_told(make: SceneMaker) -> None:
    """However old: to take traffic away is for repair."""
    stand = standing(make)
    killed(stand, "10 % green")
    stand.scene.world.wait(LATER)
    code, plan, _ = sweep(stand.scene)
    assert (code, plan.steps) == (ExitCode.DONE, ())
    assert any(note.target == "web-prod-v2" and "uses it" in note.text for note in plan.notes)
    assert stand.repair() is ExitCode.DONE


def test_the_target_group_that_a_killed_retirement_forgets_is_swept(make: SceneMaker) -> None:
    """Its group is gone: whatever order the two went in."""
    stand = standing(make)
    killed(stand, "CreateGreen: done")
    world = stand.scene.world
    world.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="web-prod-v2", ForceDelete=True)
    world.wait(LATER)
    code, plan, _ = sweep(stand.scene)
    assert (code, kinds(plan)) == (ExitCode.DONE, {Kind.TARGET_GROUP})
    assert stand.target_groups() == ["web-prod"]
    assert stand.weights() == {"web-prod": 1}


def test_a_rollout_that_goes_on_with_old_parts_makes_them_young(make: SceneMaker) -> None:
    """The group and the target group of last week's killed run are today's run's, and are not swept under it."""
    stand = standing(make)
    killed(stand, "CreateGreen: done")
    stand.scene.world.wait(LATER)
    again = watched(stand, "green targets healthy", kill)
    with pytest.raises(KilledError):
        again.roll(_newest(stand))
    assert sweep(stand.scene)[1].empty
    elbv2 = stand.scene.world.elbv2
    made = [one for one in elbv2.describe_target_groups()["TargetGroups"] if one["TargetGroupName"] != "web-prod"]
    (told,) = elbv2.describe_tags(ResourceArns=[made[0]["TargetGroupArn"]])["TagDescriptions"]
    marks = {tag["Key"]: tag["Value"] for tag in told["Tags"]}
    assert stand.scene.world.cloud.clock.now().isoformat()[:10] == marks[TAG_MADE][:10]
    assert marks[TAG_RUN]


def _newest(stand: Stand) -> Any:
    images = stand.scene.world.ec2.describe_images(Owners=["self"])["Images"]
    return next(image["ImageId"] for image in images if image["Name"] == "new")


def test_fleets_that_are_well_lose_nothing(make: SceneMaker) -> None:
    """A day after two rollouts: members, images, snapshots, versions, groups, routes and parameters stand."""
    stand = standing(make)
    for name in ("new", "newer"):
        assert stand.roll(stand.image(name))[0] is ExitCode.DONE
    before = everything(stand.scene.world)
    stand.scene.world.wait(LATER)
    assert sweep(stand.scene)[1] == Plan()
    assert everything(stand.scene.world) == before


def test_a_release_leaves_nothing_to_sweep(make: SceneMaker) -> None:
    """A day after a bake, its tests and a refresh: image, snapshots, members and their volumes are all needed."""
    scene = make(rooms.fleet())
    scene.world.fleet("web-prod", scene.world.image("old"))
    room = scene.again()
    plan = plans.for_release(room)
    assert exit_code(plan, apply(room, plan)) is ExitCode.DONE
    before = everything(scene.world)
    assert len(before["instances"]) == len(before["volumes"]) == 4
    scene.world.wait(LATER)
    assert sweep(scene)[1] == Plan()
    assert everything(scene.world) == before


def test_a_sweep_that_is_killed_anywhere_is_finished_by_the_next(make: SceneMaker) -> None:
    """Killed at each of its removals in turn, then once more to the end: nothing is left, nothing is lost."""
    stand = standing(make)
    fleet = everything(stand.scene.world)
    left(stand)
    killed(stand, "CreateGreen: done")
    stand.scene.world.wait(LATER)
    targets = [planned.target for planned in sweep(stand.scene, dry_run=True)[1].steps]
    assert len(targets) >= 7
    for target in targets:
        room = at(stand.scene, f"{target}: Remove", kill).again()
        with pytest.raises(KilledError):
            apply(room, plans.for_sweep(room, older_than=timedelta(days=1), at_most=50))
    assert sweep(stand.scene)[0] is ExitCode.DONE
    after = everything(stand.scene.world)
    assert {kind for kind in after if after[kind] != fleet[kind]} <= {"images", "snapshots", "versions"}
    assert sweep(stand.scene)[1] == Plan()


def test_what_cannot_be_removed_stops_nothing_else(make: SceneMaker) -> None:
    """Partial (5): each is told with its cause, and the next sweep takes the rest."""
    stand = left(standing(make))
    stand.scene.world.wait(LATER)
    cloud = stand.scene.world.cloud
    cloud.deny("ec2:DeregisterImage", "ec2:DeleteSecurityGroup")
    cloud.calls.clear()
    code, plan, result = sweep(stand.scene)
    assert code is ExitCode.PARTIAL
    ends = {one.planned.step.what: one.outcome for one in result.results if isinstance(one.planned.step, Remove)}
    assert len(result.results) == len(plan.steps)
    assert not cloud.calls.matching("ssm:PutParameter"), "a leftover is nobody's work: no lease is taken"
    assert {kind for kind, end in ends.items() if isinstance(end, Failed)} == {
        Kind.SECURITY_GROUP,
        Kind.KEY_PAIR,
        Kind.IMAGE,
    }
    denied, waiting = ends[Kind.IMAGE], ends[Kind.KEY_PAIR]
    assert isinstance(denied, Failed)
    assert "ec2:DeregisterImage" in denied.reason
    assert isinstance(waiting, Failed)
    assert "uses it, and could not be removed" in waiting.reason
    cloud.allow_all()
    assert sweep(stand.scene)[0] is ExitCode.DONE
    assert sweep(stand.scene)[1] == Plan()


def test_nothing_can_be_removed(make: SceneMaker) -> None:
    """Failed (1), for none is done."""
    stand = left(standing(make))
    stand.scene.world.wait(LATER)
    stand.scene.world.cloud.forbid_mutations()
    assert sweep(stand.scene)[0] is ExitCode.FAILED
