"""A blue-green fleet behind a load balancer: what stands of it, and how it is rolled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import rooms
from rooms import Scene, SceneMaker
from runs.watching import at
from world import Fleet

from pipeline.errors import ExitCode
from pipeline.model.gates import Gate
from pipeline.model.ids import ImageId
from pipeline.model.images import Stage
from pipeline.model.names import TAG_FAMILY, TAG_STAGE
from pipeline.model.outcomes import RunResult
from pipeline.model.steps import Plan
from pipeline.runs import plans
from pipeline.runs.apply import apply, exit_code

OURS = {TAG_FAMILY: "web", TAG_STAGE: Stage.TESTED.value}


def proven(scene: Scene, name: str = "new", *, behaviour: str = "") -> ImageId:
    """Make an image that passed its smoke tests, however it behaves in a fleet."""
    return ImageId(scene.world.image(name, behaviour=behaviour, tags=OURS))


def roll(scene: Scene, image: ImageId, **options: Any) -> tuple[ExitCode, RunResult]:
    """Roll the fleet to an image."""
    room = scene.again()
    plan = plans.for_roll(room, "web-prod", image=image, **options)
    result = apply(room, plan)
    return exit_code(plan, result), result


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A blue-green fleet of four behind a load balancer, and a room for it."""

    scene: Scene
    fleet: Fleet

    def image(self, name: str = "new", *, behaviour: str = "") -> ImageId:
        """Make an image that passed its smoke tests, however it behaves in a fleet."""
        return proven(self.scene, name, behaviour=behaviour)

    def plan(self, image: ImageId) -> Plan:
        """Plan a roll."""
        return plans.for_roll(self.scene.again(), "web-prod", image=image)

    def roll(self, image: ImageId) -> tuple[ExitCode, RunResult]:
        """Roll to an image."""
        return roll(self.scene, image)

    def back(self, *, to: int | None = None) -> ExitCode:
        """Go back."""
        room = self.scene.again()
        plan = plans.for_rollback(room, "web-prod", to=to)
        return exit_code(plan, apply(room, plan))

    def repair(self) -> ExitCode:
        """Put back what a killed run has left, from another machine."""
        room = self.scene.again()
        plan = plans.for_repair(room)
        return exit_code(plan, apply(room, plan))

    def groups(self) -> dict[str, dict[str, Any]]:
        """Describe all groups that are not being deleted."""
        listed = self.scene.world.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        return {group["AutoScalingGroupName"]: dict(group) for group in listed if not group.get("Status")}

    def weights(self) -> dict[str, int]:
        """Read the listener's weights by the names of the target groups."""
        (listener,) = self.scene.world.elbv2.describe_listeners(ListenerArns=[self.fleet.listener])["Listeners"]
        forward = listener["DefaultActions"][0]
        tuples = forward.get("ForwardConfig", {}).get("TargetGroups") or [
            {"TargetGroupArn": forward["TargetGroupArn"], "Weight": 1}
        ]
        return {one["TargetGroupArn"].split("/")[1]: one.get("Weight", 1) for one in tuples}

    def target_groups(self) -> list[str]:
        """Name all target groups."""
        return sorted(one["TargetGroupName"] for one in self.scene.world.elbv2.describe_target_groups()["TargetGroups"])


def standing(make: SceneMaker, *, gates: tuple[Gate, ...] = (), **strategy: Any) -> Stand:
    """Make a fleet of four with a strategy of its own; its listener's ARN goes into its configuration."""
    bare = make(rooms.fleet())
    image = ImageId(bare.world.image("old", tags=OURS))
    fleet = bare.world.fleet("web-prod", image, balanced=True, MinSize=2)
    return configured(bare, fleet, gates=gates, **strategy)


def configured(scene: Scene, fleet: Fleet, *, gates: tuple[Gate, ...] = (), route: str = "", **strategy: Any) -> Stand:
    """Configure a fleet's rollout over its listener, or over another route."""
    settings = rooms.configuration(rooms.blue_green(route or fleet.listener, gates=gates, **strategy))
    return Stand(scene=replace(scene, room=replace(scene.room, settings=settings)), fleet=fleet)


def watched(stand: Stand, words: str, what: Callable[[], object]) -> Stand:
    """Let something happen in the middle of the next run."""
    return replace(stand, scene=at(stand.scene, words, what))


def tags(group: dict[str, Any]) -> dict[str, str]:
    """Read a group's tags."""
    return {tag["Key"]: tag["Value"] for tag in group["Tags"]}
