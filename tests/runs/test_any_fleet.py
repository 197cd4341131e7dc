"""Whatever a fleet is like and however it is replaced: what holds during a rollout, and after it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import rooms
from hypothesis import given, settings
from hypothesis import strategies as st
from rooms import Scene
from runs.stands import OURS
from world import World

from pipeline.aws.session import Clients
from pipeline.errors import ExitCode
from pipeline.model.ids import ImageId
from pipeline.model.settings import FleetSettings
from pipeline.model.shares import Share
from pipeline.model.strategies import BlueGreen, OnBusy, Patience
from pipeline.runs import plans
from pipeline.runs.apply import apply, exit_code
from pipeline.sandbox.clock import ManualClock
from pipeline.sandbox.cloud import Cloud

SHORT = timedelta(seconds=15)
SIZES, FLOORS = st.integers(1, 3), st.sampled_from([0, 50, 100])
BAD = st.booleans()
EARLY = Patience(within=timedelta(minutes=2))


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder for all examples."""
    return tmp_path_factory.mktemp("state")


@dataclass(slots=True)
class Sight:
    """Sees every moment of a rollout from behind the door: how few targets served, and whether traffic met nobody."""

    cloud: Cloud[Any]
    fewest: int = 999
    unserved: bool = False

    def __call__(self) -> timedelta:
        """Look."""
        machines = self.cloud.virtual
        weights = [weights for one in machines.listeners for rule in one.rules if (weights := rule.weights)]
        served = {arn for some in weights for arn, weight in some.items() if weight}
        healthy = {
            group.arn: sum(
                not target.draining and machines.health(group.arn, target.instance, 80).state == "healthy"
                for target in group.targets
            )
            for group in machines.groups
        }
        self.fewest = min(self.fewest, sum(healthy.get(arn, 0) for arn in served))
        self.unserved = self.unserved or not served or not all(healthy.get(arn) for arn in served)
        return timedelta(seconds=5)


def instances(scene: Scene) -> Counter[tuple[str, str]]:
    """Count instances by group and image."""
    return Counter(
        (group["AutoScalingGroupName"], scene.world.cloud.virtual.spec(member["InstanceId"]).image)
        for group in scene.world.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        for member in group["Instances"]
        if member["LifecycleState"] == "InService"
    )


def play(clients: Clients, state: Path, fleet: FleetSettings, *, size: int, bad: bool) -> None:
    """Roll a fleet to an image that is good or does not boot, and assert what must hold of any rollout."""
    with Cloud(clock=ManualClock()).in_process() as cloud:
        world = World(cloud)
        stand = world.fleet("web-prod", world.image("old", tags=OURS), size=size, balanced=True)
        if isinstance(fleet.strategy, BlueGreen):
            fleet = replace(fleet, strategy=replace(fleet.strategy, route=stand.listener))
        scene = rooms.scene(world, clients, state, fleet)
        image = ImageId(world.image("new", tags=OURS, behaviour="dead" if bad else ""))
        before = instances(scene)
        sight = Sight(cloud)
        cloud.clock.watch(sight)
        room = scene.again()
        plan = plans.for_roll(room, "web-prod", image=image)
        code = exit_code(plan, apply(room, plan))
        assert not sight.unserved or not fleet.floor.value  # without a floor a refresh may take everybody down at once
        assert sight.fewest >= fleet.floor.least(size)
        if code is ExitCode.DONE:
            assert not bad
            assert {(name, sum(instances(scene).values())) for _, name in instances(scene)} == {(image, size)}
            assert plans.for_roll(scene.again(), "web-prod", image=image).empty
        else:
            assert code is ExitCode.REFUSED or (bad and code is ExitCode.ROLLED_BACK)
            assert instances(scene) == before
        assert plans.for_repair(scene.again()).empty


BOUNDS = st.sampled_from([(0, 100), (50, 100), (50, 150), (67, 100), (100, 100), (100, 200)])


@settings(max_examples=40)
@given(size=SIZES, bounds=BOUNDS, floor=FLOORS, zones=st.booleans(), bad=BAD)
def test_any_refresh(
    clients: Clients, state: Path, size: int, bounds: tuple[int, int], floor: int, *, zones: bool, bad: bool
) -> None:
    """Refused with nothing begun, or done, or rolled back: never below the floor, and nothing is left to do."""
    least, most = bounds
    strategy: dict[str, Any] = {"zone_by_zone": zones, "protected": OnBusy.IGNORE if zones else OnBusy.WAIT}
    fleet = rooms.fleet(min_healthy=least, max_healthy=most, warmup=SHORT, patience=EARLY, **strategy)
    play(clients, state, replace(fleet, floor=Share(value=floor, percent=True)), size=size, bad=bad)


@settings(max_examples=40)
@given(size=SIZES, shifts=st.sets(st.integers(1, 99), max_size=2), floor=FLOORS, bad=BAD)
def test_any_shift(clients: Clients, state: Path, size: int, shifts: set[int], floor: int, *, bad: bool) -> None:
    """The same of a second group and of weights."""
    fleet = rooms.blue_green(
        "", shifts=(*sorted(shifts), 100), soak=SHORT, keep_blue=SHORT, healthy_within=timedelta(minutes=3)
    )
    play(clients, state, replace(fleet, floor=Share(value=floor, percent=True)), size=size, bad=bad)
