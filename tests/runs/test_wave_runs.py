"""Waves as they are carried out: how many fleets at once, in which order, what stops whom, and what is put back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import rooms
from rooms import Scene, SceneMaker
from runs.watching import KilledError, at, fail, interrupt, kill

from pipeline.cli.output import stands
from pipeline.errors import ExitCode
from pipeline.model.gates import AlarmGate
from pipeline.model.images import Stage
from pipeline.model.names import TAG_STAGE
from pipeline.model.outcomes import RunResult
from pipeline.model.settings import FleetSettings, PatchGroup
from pipeline.model.shares import Share
from pipeline.runs import plans
from pipeline.runs.apply import apply, exit_code

HALF, TWO, ONE = Share(value=50, percent=True), Share(value=2), Share(value=1)


def member(name: str, group: str = "prod", *, alarmed: bool = False) -> FleetSettings:
    """Configure a fleet of a patch group; alarmed: one whose gate refuses."""
    gates = (AlarmGate(alarms=("ringing",)),) if alarmed else ()
    fleet = rooms.fleet(name, warmup=timedelta(), min_healthy=100, max_healthy=200)
    return replace(fleet, patch_group=group, gates=gates)


def scene_of(make: SceneMaker, *fleets: FleetSettings, groups: tuple[PatchGroup, ...]) -> Scene:
    """Make fleets of one instance each, and an alarm that rings."""
    scene = make(*fleets, patch_groups={group.name: group for group in groups})
    image = scene.world.image("old")
    for fleet in fleets:
        scene.world.fleet(fleet.name, image, size=1, settle=0)
    scene.world.wait(60)
    scene.world.cloudwatch.put_metric_alarm(
        AlarmName="ringing", ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1
    )
    scene.world.cloudwatch.set_alarm_state(AlarmName="ringing", StateValue="ALARM", StateReason="test")
    return scene


def release(scene: Scene, *, wait: bool = True) -> tuple[ExitCode, RunResult]:
    """Release everything."""
    room = scene.again()
    plan = plans.for_release(room, wait=wait)
    result = apply(room, plan)
    return exit_code(plan, result), result


def rolled(scene: Scene) -> list[str]:
    """List the groups whose refresh was started, in order."""
    calls = scene.world.cloud.calls.matching("autoscaling:StartInstanceRefresh")
    return [call.parameters["AutoScalingGroupName"] for call in calls]


def said(result: RunResult) -> dict[str, str]:
    """Tell where each fleet stands, in the report's words."""
    return {lane.fleet: stands(lane) for lane in result.lanes}


def at_once(scene: Scene) -> int:
    """Tell how many refreshes were under way at the same time at most."""
    found = [scene.world.refresh(name) for name in scene.room.settings.fleets]
    return max(sum(one["StartTime"] <= other["StartTime"] < one["EndTime"] for one in found) for other in found)


@pytest.mark.parametrize(("concurrency", "most"), [(ONE, 1), (TWO, 2), (HALF, 2)], ids=str)
def test_so_many_fleets_at_once(make: SceneMaker, concurrency: Share, most: int) -> None:
    """As a number or a percentage of the fleets that have something to do: reached, and never exceeded."""
    fleets = [member(f"web-{letter}") for letter in "abcd"]
    scene = scene_of(make, *fleets, groups=(PatchGroup(name="prod", wave=1, concurrency=concurrency),))
    assert release(scene)[0] is ExitCode.DONE
    assert at_once(scene) == most
    assert rolled(scene) == [fleet.name for fleet in fleets]
    assert plans.for_release(scene.again()).empty


def test_one_failure_too_many_stops_everything_after_it(make: SceneMaker) -> None:
    """The rest of its wave and all later waves are not begun, and the report says so of each."""
    fleets = (member("a-dev", "dev"), member("b-dev", "dev", alarmed=True), member("c-dev", "dev"), member("prod"))
    groups = (PatchGroup(name="dev", wave=1), PatchGroup(name="prod", wave=2))
    scene = scene_of(make, *fleets, groups=groups)
    code, result = release(scene)
    assert code is ExitCode.PARTIAL
    assert rolled(scene) == ["a-dev"]
    told = said(result)
    assert told.pop("a-dev") == "done"
    assert told.pop("b-dev").startswith("REFUSED: b-dev: alarms ringing refused")
    assert told == {
        "c-dev": "not begun: another fleet of its wave failed",
        "prod": "not begun: b-dev of wave dev failed",
    }


@pytest.mark.parametrize("allowed", [ONE, Share(value=34, percent=True)], ids=str)
def test_so_many_failures_are_borne(make: SceneMaker, allowed: Share) -> None:
    """The wave goes on and so does the next; the code still says that one fleet is not there."""
    fleets = (member("a-dev", "dev", alarmed=True), member("b-dev", "dev"), member("c-dev", "dev"), member("prod"))
    groups = (PatchGroup(name="dev", wave=1, max_errors=allowed), PatchGroup(name="prod", wave=2))
    scene = scene_of(make, *fleets, groups=groups)
    code, _ = release(scene)
    assert code is ExitCode.PARTIAL
    assert rolled(scene) == ["b-dev", "c-dev", "prod"]


@pytest.mark.parametrize(("alarmed", "order"), [(False, ["web-c", "web-a", "web-b"]), (True, [])])
def test_the_canary_goes_first(make: SceneMaker, order: list[str], *, alarmed: bool) -> None:
    """Alone, however many may go at once; and when it fails nobody follows, however many may fail."""
    fleets = (member("web-a"), member("web-b"), member("web-c", alarmed=alarmed))
    every = Share(value=100, percent=True)
    group = PatchGroup(name="prod", wave=1, canary="web-c", concurrency=every, max_errors=every)
    scene = scene_of(make, *fleets, groups=(group,))
    code, _ = release(scene)
    assert code is (ExitCode.REFUSED if alarmed else ExitCode.DONE)
    assert rolled(scene) == order
    if order:
        ended = scene.world.refresh("web-c")["EndTime"]
        assert all(scene.world.refresh(name)["StartTime"] >= ended for name in order[1:])


def rings(make: SceneMaker) -> Scene:
    """Make two rings: dev at once, prod with an image of three days, a day after dev."""
    day = timedelta(days=1)
    groups = (
        PatchGroup(name="dev", wave=1),
        PatchGroup(name="prod", wave=2, soak_before=day, min_image_age=3 * day),
    )
    return scene_of(make, member("dev", "dev"), member("prod"), groups=groups)


def test_a_ring_waits_for_age_and_soak(make: SceneMaker) -> None:
    """Both in one run: the later ring begins when its image is old enough and the earlier one has soaked."""
    scene = rings(make)
    assert release(scene)[0] is ExitCode.DONE
    baked = scene.room.images_of("web").baked[0].created
    assert scene.world.refresh("dev")["StartTime"] - baked < timedelta(hours=1)
    late = scene.world.refresh("prod")["StartTime"] - baked
    assert timedelta(days=3) <= late < timedelta(days=3, hours=1)


@pytest.mark.parametrize("reject", [False, True])
def test_a_roll_back_while_a_ring_soaks_stops_the_next(make: SceneMaker, *, reject: bool) -> None:
    """Somebody brings dev back, from another machine: what soaks there is no proof any more, and prod is not begun."""
    scene = rings(make)

    def back() -> None:
        room = scene.again()
        plan = plans.for_rollback(room, "dev", reject=reject)
        assert exit_code(plan, apply(room, plan)) is ExitCode.DONE

    code, result = release(at(scene, "prod: waits until", back))
    assert code is ExitCode.PARTIAL
    assert said(result)["prod"].startswith("not begun: 1 of 1 instances of dev left ami-")
    assert "prod" not in rolled(scene)


def test_an_image_that_is_rejected_while_a_ring_soaks_goes_no_further(make: SceneMaker) -> None:
    """Dev is still on it, and prod is refused before anything is changed."""
    scene = rings(make)

    def reject() -> None:
        image = scene.room.images_of("web").baked[0].id
        tags: Any = [{"Key": TAG_STAGE, "Value": Stage.REJECTED.value}]
        scene.world.ec2.create_tags(Resources=[image], Tags=tags)

    code, result = release(at(scene, "prod: waits until", reject))
    assert code is ExitCode.PARTIAL
    assert "was rejected" in said(result)["prod"]
    assert "prod" not in rolled(scene)


def test_a_ring_whose_time_has_not_come_is_left_to_a_later_run(make: SceneMaker) -> None:
    """--no-wait: dev now; prod when it is run again after three days, and not a day earlier."""
    scene = rings(make)
    for days, now in ((0, ["dev"]), (2, ["dev"]), (1, ["dev", "prod"])):
        scene.world.wait(timedelta(days=days).total_seconds())
        assert release(scene, wait=False)[0] is ExitCode.DONE
        assert rolled(scene) == now
    assert plans.for_release(scene.again()).empty


def side_by_side(make: SceneMaker) -> tuple[Scene, dict[str, Any]]:
    """Make a wave of three fleets, two of them at once: one blue-green, one by refresh, one that waits."""
    slow: Any = {"min_healthy": 50, "max_healthy": 100, "warmup": timedelta(minutes=4)}
    bare = make()
    image = bare.world.image("old")
    fleet = bare.world.fleet("a-green", image, size=2, balanced=True, MinSize=1)
    for name in ("b-roll", "c-last"):
        bare.world.fleet(name, image, size=2, settle=0)
    bare.world.wait(60)
    members = [
        rooms.blue_green(fleet.listener, "a-green", soak=timedelta(minutes=1)),
        rooms.fleet("b-roll", **slow),
        rooms.fleet("c-last", **slow),
    ]
    settings = rooms.configuration(
        *(replace(one, patch_group="prod") for one in members),
        patch_groups={"prod": PatchGroup(name="prod", wave=1, concurrency=TWO)},
    )
    scene = replace(bare, room=replace(bare.room, settings=settings))
    return scene, standing(scene)


def standing(scene: Scene) -> dict[str, Any]:
    """Describe what a rollout may change, and must put back: groups with sizes and versions, weights."""
    groups = scene.world.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    (listener,) = scene.world.elbv2.describe_listeners(
        LoadBalancerArn=scene.world.elbv2.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    )["Listeners"]
    forward = listener["DefaultActions"][0]
    weighted = forward.get("ForwardConfig", {}).get("TargetGroups", [])
    return {
        "weights": sorted(one["TargetGroupArn"] for one in weighted if one.get("Weight", 1)),
        **{
            one["AutoScalingGroupName"]: (
                one["MinSize"],
                one["DesiredCapacity"],
                scene.world.versions(one["AutoScalingGroupName"]),
                one["SuspendedProcesses"],
                [tag["Key"] for tag in one["Tags"] if tag["Key"].startswith("rebake:undo")],
            )
            for one in groups
            if not one.get("Status")
        },
    }


def test_ctrl_c_puts_every_lane_back(make: SceneMaker) -> None:
    """The refresh at once, then the shift, which takes as long as green drains; the third was not begun; 130."""
    scene, before = side_by_side(make)
    code, result = release(at(scene, "50 % green", interrupt))
    assert code is ExitCode.INTERRUPTED
    assert said(result) == {
        "a-green": "HALTED: the run was interrupted; it is put back",
        "b-roll": "HALTED: the run was interrupted; AWS is bringing it back to the image it had",
        "c-last": "not begun: the run was interrupted",
    }
    undone = ("autoscaling:RollbackInstanceRefresh", "autoscaling:DeleteAutoScalingGroup")
    calls = [call.action for call in scene.world.cloud.calls if call.action in undone]
    assert calls == list(undone)
    scene.world.wait(3600)
    assert standing(scene) == before


def test_a_kill_in_several_lanes_is_repaired(make: SceneMaker) -> None:
    """What AWS has under way is left to it and said; everything else is put back, and a second repair finds nothing."""
    scene, before = side_by_side(make)
    with pytest.raises(KilledError):
        release(at(scene, "50 % green", kill))
    room = scene.again()
    plan = plans.for_repair(room)
    assert "wait for it, or undo it with rebake rollback b-roll" in next(
        note.text for note in plan.notes if note.target == "b-roll"
    )
    assert exit_code(plan, apply(room, plan)) is ExitCode.DONE
    back = plans.for_rollback(scene.again(), "b-roll")
    assert exit_code(back, apply(scene.again(), back)) is ExitCode.DONE
    assert standing(scene) == before
    assert plans.for_repair(scene.again()).empty


def test_what_is_left_of_a_fleet_that_was_rolled_is_said(make: SceneMaker) -> None:
    """A later fleet fails, so the first one's blue group is still kept: done, and its retirement is not."""
    scene, _ = side_by_side(make)
    (fleet, _, last) = scene.room.settings.fleets.values()
    refused = replace(last, gates=(AlarmGate(alarms=("none",)),), patch_group=None)
    settings = replace(scene.room.settings, fleets={one.name: one for one in (fleet, refused)})
    code, result = release(replace(scene, room=replace(scene.room, settings=settings)))
    assert code is ExitCode.PARTIAL
    assert [stands(lane) for lane in result.lanes if lane.fleet == "a-green"] == [
        "done",
        "not begun: its retirement, for c-last of wave fleets failed",
    ]
    assert set(standing(scene)) > {"a-green", "a-green-v2"}


def test_a_fleet_that_was_put_back_is_said_once(make: SceneMaker) -> None:
    """Its last wave, the end of its blue group, is not told as one that was not begun."""
    scene, before = side_by_side(make)
    code, result = release(at(scene, "50 % green", fail))
    assert code is ExitCode.PARTIAL
    told = [(lane.fleet, stands(lane).split(":")[0]) for lane in result.lanes]
    assert sorted(told) == [("a-green", "STOPPED"), ("b-roll", "done"), ("c-last", "not begun")]
    assert standing(scene)["a-green"] == before["a-green"]
