"""What a check says of fleets before anything is built: the same as a roll would, by whatever strategy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import rooms
from rooms import Scene, SceneMaker
from runs.stands import standing

from pipeline.model.settings import FleetSettings
from pipeline.model.strategies import ChannelOnly, StackUpdate, Strategy
from pipeline.ports.preflight import Finding
from pipeline.runs import check


def found(scene: Scene) -> Finding:
    """Check everything, and find what is said of the fleet's group."""
    return next(one for one in check.live(scene.room, ()) if one.check == "fleet web-prod")


def owned(strategy: Strategy) -> FleetSettings:
    """Configure a fleet whose group somebody else changes."""
    return replace(rooms.fleet(), strategy=strategy)


@pytest.mark.parametrize("strategy", [ChannelOnly(), StackUpdate(parameter="ImageId", stack="web")], ids=str)
def test_a_group_that_somebody_else_rolls_may_follow_the_latest_version(make: SceneMaker, strategy: Strategy) -> None:
    """No refresh of ours is ever started there, so nothing has to be fit for one."""
    scene = make(owned(strategy))
    fleet = scene.world.fleet("web-prod", scene.world.image("old"), size=1)
    latest: Any = {"LaunchTemplateId": fleet.template, "Version": "$Latest"}
    scene.world.autoscaling.update_auto_scaling_group(AutoScalingGroupName="web-prod", LaunchTemplate=latest)
    assert found(scene).ok is True


def test_a_stack_that_is_not_known_fails(make: SceneMaker) -> None:
    """Neither named nor tagged: the change could be made nowhere."""
    scene = make(owned(StackUpdate(parameter="ImageId")))
    scene.world.fleet("web-prod", scene.world.image("old"), size=1)
    assert found(scene).ok is False
    assert "no tag of a CloudFormation stack" in found(scene).text


def test_what_cannot_be_copied_fails(make: SceneMaker) -> None:
    """A step scaling policy, whose alarms name the group: told by the check, not by the first rollout."""
    stand = standing(make)
    assert found(stand.scene).ok is True
    stand.scene.world.autoscaling.put_scaling_policy(
        AutoScalingGroupName="web-prod",
        PolicyName="steps",
        PolicyType="StepScaling",
        AdjustmentType="ChangeInCapacity",
        StepAdjustments=[{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
    )
    told = found(stand.scene)
    assert told.ok is False
    assert "web-prod cannot be copied: " in told.text
    assert "partner" in told.hint


def test_a_fleet_that_is_being_rolled_is_not_known(make: SceneMaker) -> None:
    """It says nothing of whether it can be rolled."""
    scene = make(rooms.fleet())
    fleet = scene.world.fleet("web-prod", scene.world.image("old"))
    scene.world.start(fleet, scene.world.version(fleet.template, ImageId=scene.world.image("other")))
    assert found(scene).ok is None
