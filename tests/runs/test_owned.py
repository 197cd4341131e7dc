"""Fleets that somebody else replaces: a stack that is given the image, an owner who follows the channel."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest
import rooms
from rooms import Scene, SceneMaker
from runs.stands import OURS
from runs.watching import at, interrupt
from world import Fleet, World

from pipeline.errors import ExitCode, NotPossible
from pipeline.model.ids import ImageId
from pipeline.model.outcomes import RunResult
from pipeline.model.settings import PatchGroup
from pipeline.model.strategies import ChannelOnly, StackUpdate
from pipeline.ports.stacks import Stack, Stacks
from pipeline.runs import plans, signals
from pipeline.runs.apply import apply, exit_code
from pipeline.runs.revoking import revoke
from pipeline.runs.status import status

STACK = {
    "Parameters": {"ImageId": {"Type": "String"}, "Size": {"Type": "String", "Default": "t3.small"}},
    "Resources": {
        "Image": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Name": "image", "Type": "String", "Value": {"Ref": "ImageId"}},
        }
    },
}
ENDS = {"Successful": "UPDATE_COMPLETE", "RollbackSuccessful": "UPDATE_ROLLBACK_COMPLETE"}


@dataclass(slots=True)
class Refreshing:
    """Stacks as they are with an update policy: the group is refreshed, and the update goes on as long as that does."""

    real: Stacks
    world: World
    fleet: Fleet

    def get(self, name: str) -> Stack:
        """Tell of the refresh what CloudFormation would."""
        found = self.real.get(name)
        refreshes = self.world.autoscaling.describe_instance_refreshes(AutoScalingGroupName="web-prod")
        if not refreshes["InstanceRefreshes"]:
            return found
        status = ENDS.get(refreshes["InstanceRefreshes"][0]["Status"], "UPDATE_IN_PROGRESS")
        return replace(found, status=status, reason="Received 1 FAILURE signal" if "ROLLBACK" in status else "")

    def propose(self, name: str, *, parameter: str, value: str, change_set: str) -> bool | None:
        """Make a change set."""
        return self.real.propose(name, parameter=parameter, value=value, change_set=change_set)

    def execute(self, name: str, *, change_set: str) -> None:
        """Carry it out, and refresh the group."""
        self.real.execute(name, change_set=change_set)
        version = self.world.version(self.fleet.template, ImageId=self.real.get(name).parameters["ImageId"])
        self.world.start(self.fleet, version, AutoRollback=True, MinHealthyPercentage=50, InstanceWarmup=60)


def owned(make: SceneMaker, *, policy: bool = True) -> Scene:
    """Make a fleet that a stack owns, whose group has an update policy, or has none."""
    scene = make(replace(rooms.fleet(), strategy=StackUpdate(parameter="ImageId")))
    world = scene.world
    image = world.image("old", tags=OURS)
    world.client("cloudformation").create_stack(
        StackName="shop",
        TemplateBody=json.dumps(STACK),
        Parameters=[{"ParameterKey": "ImageId", "ParameterValue": image}],
    )
    # AWS keeps the prefix aws: for itself; CloudFormation writes this tag.
    mark = {"Key": "aws:cloudformation:stack-name", "Value": "shop", "PropagateAtLaunch": True}
    fleet = world.fleet("web-prod", image, size=2, Tags=[mark])
    if not policy:
        return scene
    tools = replace(scene.room.tools, stacks=Refreshing(scene.room.tools.stacks, world, fleet))
    return replace(scene, room=replace(scene.room, tools=tools))


def proven(scene: Scene, name: str = "new") -> ImageId:
    """Make an image that passed its smoke tests."""
    return ImageId(scene.world.image(name, tags=OURS))


def roll(scene: Scene, image: ImageId) -> tuple[ExitCode, RunResult]:
    """Roll the fleet."""
    room = scene.again()
    plan = plans.for_roll(room, "web-prod", image=image)
    result = apply(room, plan)
    return exit_code(plan, result), result


def test_a_stack_replaces_its_group(make: SceneMaker) -> None:
    """One parameter of the stack is changed, the stack is waited for, and the same plan again is empty."""
    scene = owned(make)
    image = proven(scene)
    scene.world.cloud.calls.clear()
    assert roll(scene, image)[0] is ExitCode.DONE
    assert scene.world.versions("web-prod") == ["2", "2"]
    assert scene.room.tools.stacks.get("shop").parameters == {"ImageId": image, "Size": "t3.small"}
    assert {call.action for call in scene.world.changed if "cloudformation" in call.action} == {
        "cloudformation:CreateChangeSet",
        "cloudformation:ExecuteChangeSet",
    }
    assert plans.for_roll(scene.again(), "web-prod", image=image).empty


def test_a_stack_that_rolls_itself_back_is_told_so(make: SceneMaker) -> None:
    """The stack's own words are the reason, and the code is that of a fleet on its old image."""
    scene = owned(make)

    def back() -> None:
        scene.world.autoscaling.rollback_instance_refresh(AutoScalingGroupName="web-prod")

    code, result = roll(at(scene, "stack shop: UPDATE_IN_PROGRESS", back), proven(scene))
    assert code is ExitCode.ROLLED_BACK
    assert "Received 1 FAILURE signal" in str(result.lanes[0].outcome)
    assert scene.world.versions("web-prod") == ["1", "1"]


def test_a_stack_that_replaces_nobody_is_a_failure(make: SceneMaker) -> None:
    """Without an update policy a stack is updated in seconds and every instance stays: no wave may follow that."""
    scene = owned(make, policy=False)
    image = proven(scene)
    for _ in range(2):
        code, result = roll(scene, image)
        assert code is ExitCode.FAILED
        assert "2 of 2 instances" in str(result.lanes[0].outcome)
        assert "UpdatePolicy" in str(result.lanes[0].outcome)
    assert scene.room.tools.stacks.get("shop").parameters["ImageId"] == image


def test_ctrl_c_leaves_a_stack_to_cloudformation(make: SceneMaker) -> None:
    """Nothing is claimed to be put back that goes on."""
    scene = owned(make)
    code, result = roll(at(scene, "stack shop: UPDATE_IN_PROGRESS", interrupt), proven(scene))
    assert code is ExitCode.INTERRUPTED
    assert result.stopped is not None
    assert "the update of stack shop goes on" in result.stopped.message


def test_a_halt_leaves_a_stack_to_cloudformation(make: SceneMaker) -> None:
    """The run ends, and says what goes on without it."""
    scene = owned(make)
    halted = at(scene, "stack shop: CREATE_COMPLETE", lambda: signals.halt(scene.again(), "all", "5xx"))
    code, result = roll(halted, proven(scene))
    assert code is ExitCode.HELD
    assert "the update of stack shop goes on" in str(result.lanes[0].outcome)


def test_a_revoked_image_leaves_a_stack_to_cloudformation(make: SceneMaker) -> None:
    """The run fails, for it cannot stop what goes on, and says so: that is no refusal that leaves all as it was."""
    scene = owned(make)
    image = proven(scene)
    revoked = at(
        scene, "stack shop: CREATE_COMPLETE", lambda: revoke(scene.again(), image, "CVE-2026-1", cascade=False)
    )
    code, result = roll(revoked, image)
    assert code is ExitCode.FAILED
    assert "was revoked (CVE-2026-1" in str(result.lanes[0].outcome)
    assert "the update of stack shop goes on" in str(result.lanes[0].outcome)


def followers(make: SceneMaker) -> Scene:
    """Make two fleets: the first follows the channel by itself, the second comes a wave later."""
    dev = replace(rooms.fleet("web-dev"), strategy=ChannelOnly(), patch_group="dev")
    prod = replace(rooms.fleet(), patch_group="prod")
    groups = {name: PatchGroup(name=name, wave=wave) for wave, name in enumerate(("dev", "prod"), start=1)}
    scene = make(dev, prod, patch_groups=groups)
    image = scene.world.image("old")
    for fleet in (dev, prod):
        scene.world.fleet(fleet.name, image, size=1)
    return scene


def release(scene: Scene) -> tuple[ExitCode, RunResult]:
    """Release everything."""
    room = scene.again()
    plan = plans.for_release(room)
    result = apply(room, plan)
    return exit_code(plan, result), result


def test_only_the_channel_is_moved(make: SceneMaker) -> None:
    """The group is never touched, later waves wait for its owner, and go when he has followed."""
    scene = followers(make)
    world = scene.world
    world.cloud.calls.clear()
    assert release(scene)[0] is ExitCode.DONE
    assert not [call for call in world.changed if call.action.startswith("autoscaling:")]
    assert "ssm:PutParameter" in {call.action for call in world.changed}
    (seen,) = status(scene.again())
    assert [(fleet.name, fleet.on_channel) for fleet in seen.fleets] == [("web-dev", False), ("web-prod", False)]
    assert plans.for_release(scene.again()).empty
    follow(world, str(seen.channel))
    assert release(scene)[0] is ExitCode.DONE
    assert world.versions("web-prod") == ["2"]
    assert plans.for_release(scene.again()).empty


def follow(world: World, image: str) -> None:
    """Do as the owner of web-dev does: another version, and a refresh to it."""
    group: Any = world.group("web-dev")
    template = group["LaunchTemplate"]["LaunchTemplateId"]
    fleet = Fleet(group="web-dev", template=template, version=1, image=image)
    world.start(fleet, world.version(template, ImageId=image), MinHealthyPercentage=0)
    world.wait(300)


def test_an_owner_has_his_own_way_back(make: SceneMaker) -> None:
    """A roll-back of such a fleet is refused, with the command that moves the channel back."""
    with pytest.raises(NotPossible, match="Whoever owns group web-dev") as caught:
        plans.for_rollback(followers(make).again(), "web-dev")
    assert "rebake promote web" in caught.value.hint
