"""Rolls zone by zone: in their order, and put back or gone on with wherever they were broken off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import rooms
from rooms import Scene, SceneMaker
from runs.stands import proven, roll
from runs.watching import KilledError, at, interrupt, kill

from pipeline.errors import ExitCode, HeldError
from pipeline.model.names import TAG_UNDO
from pipeline.model.strategies import OnBusy, Patience
from pipeline.runs import plans
from pipeline.runs.apply import apply, exit_code

SECOND = "HoldZones: done, zone us-east-1b"


def repaired(scene: Scene) -> ExitCode:
    """Repair everything from another machine."""
    room = scene.again()
    plan = plans.for_repair(room)
    return exit_code(plan, apply(room, plan))


def in_zones(make: SceneMaker, **strategy: Any) -> Scene:
    """Make a fleet of four in two zones that is rolled zone by zone."""
    scene = make(rooms.fleet(zone_by_zone=True, protected=OnBusy.IGNORE, max_healthy=100, **strategy))
    scene.world.fleet("web-prod", proven(scene, "old"))
    return scene


def loose_ends(scene: Scene) -> list[str]:
    """List what a rollout has changed on the group in passing and not put back."""
    group = scene.world.group("web-prod")
    protected = [member["InstanceId"] for member in group["Instances"] if member["ProtectedFromScaleIn"]]
    suspended = [process["ProcessName"] for process in group["SuspendedProcesses"]]
    return [*protected, *suspended, *(tag["Key"] for tag in group["Tags"] if tag["Key"].startswith(TAG_UNDO))]


def test_zones_are_replaced_one_after_the_other(make: SceneMaker) -> None:
    """No instance of the second zone goes before the first zone is new, and nothing stays protected or suspended."""
    scene = in_zones(make)
    seen: list[dict[str, set[str]]] = []

    def look() -> None:
        zones: dict[str, set[str]] = {}
        for member in scene.world.group("web-prod")["Instances"]:
            if member["LifecycleState"] == "InService":
                zones.setdefault(member["AvailabilityZone"], set()).add(member["LaunchTemplate"]["Version"])
        seen.append(zones)

    assert roll(at(scene, "HoldZones: only instances in us-east-1b", look), proven(scene))[0] is ExitCode.DONE
    assert seen == [{"us-east-1a": {"2"}, "us-east-1b": {"1"}}]
    assert scene.world.versions("web-prod") == ["2"] * 4
    assert loose_ends(scene) == []


@pytest.mark.parametrize("words", ["us-east-1a", "us-east-1b", "HoldZones: done, zone us-east-1b", "InProgress 0 %"])
def test_a_roll_killed_between_zones_is_repaired(make: SceneMaker, words: str) -> None:
    """The version that stood before is in the group's own tag: repair brings the whole fleet back to it."""
    scene = in_zones(make)
    with pytest.raises(KilledError):
        roll(at(scene, words, kill), proven(scene))
    scene.world.wait(1200)  # AWS finishes the refresh that it was asked for
    assert repaired(scene) is ExitCode.DONE
    assert loose_ends(scene) == []
    assert len(set(scene.world.versions("web-prod"))) == 1


@pytest.mark.parametrize("words", ["InProgress 0 %", "HoldZones: only instances in us-east-1b"])
def test_ctrl_c_between_zones_puts_the_fleet_back(make: SceneMaker, words: str) -> None:
    """Whatever zone it was in, every instance ends on the old version, unprotected."""
    scene = in_zones(make)
    code, _ = roll(at(scene, words, interrupt), proven(scene))
    assert code is ExitCode.INTERRUPTED
    scene.world.wait(1200)
    assert scene.world.versions("web-prod") == ["1"] * 4
    assert loose_ends(scene) == []


@pytest.mark.parametrize(
    "words",
    [
        "HoldZones: only",
        "StartRefresh: done",
        "InProgress",
        ["InProgress", SECOND],
        [SECOND, "StartRefresh: done"],
        [SECOND, "InProgress"],
        "PutBack: ",
    ],
    ids=str,
)
@pytest.mark.parametrize("later", [0, 1200], ids=["at-once", "later"])
def test_a_roll_killed_anywhere_and_run_again_ends_the_same(
    make: SceneMaker, words: str | Sequence[str], later: int
) -> None:
    """A refresh under way is adopted, the zones that it left out follow; one version is made, nothing is left held."""
    scene = in_zones(make)
    image = proven(scene)
    with pytest.raises(KilledError):
        roll(at(scene, words, kill), image)
    scene.world.wait(later)
    code, result = roll(scene, image)
    assert code is ExitCode.DONE, result.lanes
    assert scene.world.versions("web-prod") == ["2"] * 4
    assert loose_ends(scene) == []
    assert plans.for_roll(scene.again(), "web-prod", image=image).empty


@pytest.mark.parametrize("zone", ["us-east-1a", "us-east-1b"])
def test_a_zone_that_takes_too_long_brings_the_whole_fleet_back(make: SceneMaker, zone: str) -> None:
    """Also the zone before it, which AWS has saved on the group by then."""
    scene = in_zones(make, timeout=timedelta(minutes=6), patience=Patience(failures=100, within=timedelta(hours=1)))
    faults = scene.world.cloud.faults

    def stall() -> None:
        faults.fail("ec2:RunInstances", "InsufficientInstanceCapacity", "no t3.small")

    image = proven(scene)
    stalling = at(scene, f"HoldZones: done, zone {zone}", stall)
    code, result = roll(at(stalling, "did not happen within 6m", faults.clear), image)
    assert code is ExitCode.ROLLED_BACK, result.lanes
    assert "did not happen within 6m" in str(result.lanes[0].outcome)
    assert scene.world.versions("web-prod") == ["1"] * 4
    assert loose_ends(scene) == []


def test_a_zone_is_held_by_somebody_else(make: SceneMaker) -> None:
    """His refresh starts between two zones: it goes on, and a later repair unprotects without undoing his work."""
    scene = in_zones(make)
    template = scene.world.group("web-prod")["LaunchTemplate"]["LaunchTemplateId"]

    def start() -> None:
        number = scene.world.version(template, ImageId=proven(scene, "other"))
        wanted: Any = {"LaunchTemplate": {"LaunchTemplateId": template, "Version": str(number)}}
        scene.world.autoscaling.start_instance_refresh(
            AutoScalingGroupName="web-prod",
            DesiredConfiguration=wanted,
            Preferences={"ScaleInProtectedInstances": "Ignore"},
        )

    code, result = roll(at(scene, SECOND, start), proven(scene))
    assert code is ExitCode.HELD
    assert isinstance(result.lanes[0].stopped, HeldError)
    assert not scene.world.cloud.calls.matching("autoscaling:CancelInstanceRefresh")
    assert not scene.world.cloud.calls.matching("autoscaling:RollbackInstanceRefresh")
    assert scene.world.refresh("web-prod")["Status"] in {"Pending", "InProgress"}
    assert loose_ends(scene)
    scene.world.wait(1200)
    assert repaired(scene) is ExitCode.DONE
    assert loose_ends(scene) == []
    assert scene.world.group("web-prod")["LaunchTemplate"]["Version"] == "3"
    assert set(scene.world.versions("web-prod")) == {"2", "3"}
