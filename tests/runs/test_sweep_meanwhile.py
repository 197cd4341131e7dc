"""What changed between the plan of a sweep and its removals, and what others had removed before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rooms import SceneMaker
from runs.stands import Stand, standing, watched
from runs.sweeping import DAY, LATER, sweep
from runs.watching import KilledError, kill

from pipeline.errors import CredentialsError, ExitCode
from pipeline.model.ids import GroupName
from pipeline.model.leftovers import Kind, Remove
from pipeline.model.names import TAG_ROLE, TAG_RUN
from pipeline.model.outcomes import Failed
from pipeline.runs import plans, signals
from pipeline.runs.apply import apply, exit_code

GREEN = "web-prod-v2"


@pytest.fixture
def stand(make: SceneMaker) -> Stand:
    """Leave a green group that is a day old."""
    return left(standing(make))


def left(stand: Stand) -> Stand:
    """Kill a rollout when its green group stands, a day ago."""
    with pytest.raises(KilledError):
        watched(stand, "CreateGreen: done", kill).roll(stand.image())
    stand.scene.world.wait(LATER)
    return stand


def forward(stand: Stand, **weights: int) -> None:
    """Let the listener forward to blue's and green's target groups with these weights, and to no other."""
    elbv2 = stand.scene.world.elbv2
    arns = {one["TargetGroupName"]: one["TargetGroupArn"] for one in elbv2.describe_target_groups()["TargetGroups"]}
    sides = {"blue": arns.pop("web-prod"), "green": next(iter(arns.values()), "")}
    groups: Any = [{"TargetGroupArn": sides[side], "Weight": weight} for side, weight in weights.items()]
    action: Any = [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]
    elbv2.modify_listener(ListenerArn=stand.fleet.listener, DefaultActions=action)


def retag(stand: Stand, key: str, value: str) -> None:
    """Write a tag on green, as a run that goes on with it does."""
    mark: Any = {"ResourceId": GREEN, "ResourceType": "auto-scaling-group", "PropagateAtLaunch": False}
    written: Any = [{**mark, "Key": key, "Value": value}]
    stand.scene.world.autoscaling.create_or_update_tags(Tags=written)


@pytest.mark.parametrize(
    ("happens", "told"),
    [
        (lambda stand: retag(stand, TAG_ROLE, "live"), "has another role now"),
        (lambda stand: retag(stand, TAG_RUN, "20261103T020000-kqzt"), "is another run's"),
        (lambda stand: forward(stand, blue=9, green=1), "has weight 1 in"),
    ],
)
def test_a_group_that_has_come_into_use_stays(stand: Stand, happens: Callable[[Stand], None], told: str) -> None:
    """With its target group, and the reason is told."""
    room = stand.scene.again()
    plan = plans.for_sweep(room, older_than=DAY, at_most=50)
    happens(stand)
    result = apply(room, plan)
    assert exit_code(plan, result) is ExitCode.FAILED
    first, second = (one.outcome for one in result.results)
    assert isinstance(first, Failed)
    assert told in first.reason
    assert isinstance(second, Failed)
    assert GREEN in second.reason
    assert GREEN in stand.groups()
    assert len(stand.target_groups()) == 2


def test_a_rule_that_leads_nowhere_else_is_not_emptied(stand: Stand) -> None:
    """Somebody has to say where its requests are to go."""
    forward(stand, green=0)
    code, _, result = sweep(stand.scene)
    assert code is ExitCode.PARTIAL
    end = result.results[-1].outcome
    assert isinstance(end, Failed)
    assert "alone" in end.reason
    assert len(stand.target_groups()) == 2


def delete_targets(stand: Stand) -> None:
    """Remove green's target group by hand."""
    forward(stand, blue=1)
    elbv2 = stand.scene.world.elbv2
    for one in elbv2.describe_target_groups()["TargetGroups"]:
        if one["TargetGroupName"] != "web-prod":
            elbv2.delete_target_group(TargetGroupArn=one["TargetGroupArn"])


def test_a_group_whose_target_group_went_first_goes(stand: Stand) -> None:
    """A retirement that was killed had come so far."""
    delete_targets(stand)
    code, plan, _ = sweep(stand.scene)
    assert (code, [one.target for one in plan.steps]) == (ExitCode.DONE, [GREEN])
    assert set(stand.groups()) == {"web-prod"}


def test_what_somebody_else_removed_meanwhile_is_done(stand: Stand) -> None:
    """It is gone: that was wanted."""
    room = stand.scene.again()
    plan = plans.for_sweep(room, older_than=DAY, at_most=50)
    delete_targets(stand)
    stand.scene.world.autoscaling.delete_auto_scaling_group(AutoScalingGroupName=GREEN, ForceDelete=True)
    stand.scene.world.wait(600)
    assert exit_code(plan, apply(room, plan)) is ExitCode.DONE


def test_expired_credentials_end_the_sweep(stand: Stand) -> None:
    """Nothing after them can be removed either; the code says to run it again (69)."""
    stand.scene.world.cloud.faults.fail("autoscaling:DeleteAutoScalingGroup", "ExpiredToken")
    code, _, result = sweep(stand.scene)
    assert code is ExitCode.UNAVAILABLE
    assert isinstance(result.stopped, CredentialsError)
    assert result.results == ()


def test_a_partner_is_never_swept(make: SceneMaker) -> None:
    """It stands for itself, whatever part it had when the run was killed."""
    bare = make()
    bare.world.fleet("web-b", bare.world.image("old-b"), balanced=True, size=0, MaxSize=8)
    stand = left(standing(lambda *_: bare, partner=GroupName("web-b")))
    code, plan, _ = sweep(stand.scene)
    assert (code, plan.steps) == (ExitCode.DONE, ())
    assert set(stand.groups()) == {"web-prod", "web-b"}


def test_answers_to_runs_go_when_they_are_old(make: SceneMaker) -> None:
    """One of today stays."""
    scene = make()
    for hours in (25, 0):
        room = scene.again()
        signals.approve(room, room.run, "fine")
        scene.world.wait(hours * 3600)
    (old, new) = sorted(room.tools.signals.under("/rebake/approvals"))
    code, plan, _ = sweep(scene)
    assert (code, [one.step for one in plan.steps]) == (
        ExitCode.DONE,
        [Remove(what=Kind.APPROVAL, id=f"/rebake/approvals/{old}")],
    )
    assert set(room.tools.signals.under("/rebake/approvals")) == {new}
