"""The IAM actions that are declared are those that are called; denials name theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from aws.account import NOBODY, STABLE, WEB, World

from pipeline.aws.permissions import ACTIONS, CALLS
from pipeline.aws.simulation import PolicySimulator
from pipeline.errors import AccessDenied, Throttled
from pipeline.model.fleets import Group
from pipeline.model.images import Image
from pipeline.model.settings import GroupByName
from pipeline.ports.instances import LaunchRequest


def test_a_denied_action_is_named(world: World) -> None:
    """By the preflight before, and by the error after."""
    world.cloud.deny("ec2:CreateTags")
    with pytest.raises(AccessDenied) as raised:
        world.images.tag(world.base(), {"a": "b"})
    assert raised.value.action == "ec2:CreateTags"


def test_throttling_past_the_budget_is_told(world: World) -> None:
    """Running again later helps."""
    world.cloud.faults.throttle("ssm:*")
    with pytest.raises(Throttled) as raised:
        world.channels.current(STABLE)
    assert raised.value.transient


DOING: Mapping[str, Callable[[World, Group, Image], object]] = {
    "Images.get": lambda world, _, image: world.images.get([image.id]),
    "Images.newest": lambda world, *_: world.base(),
    "Images.baked": lambda world, *_: world.images.baked(family="web"),
    "Images.named": lambda world, *_: world.images.named("web-1"),
    "Images.tag": lambda world, _, image: world.images.tag(image, {"a": "b"}),
    "Images.require_imds_v2": lambda world, _, image: world.images.require_imds_v2(image),
    "Templates.version": lambda world, group, _: world.saved(group),
    "Templates.versions": lambda world, group, _: world.templates.versions(world.saved(group).id),
    "Templates.create_version": lambda world, group, image: world.next_version(group, image),
    "Fleets.find": lambda world, *_: world.fleets.find(GroupByName(name=WEB)),
    "Fleets.start_refresh": lambda world, group, _: world.start(group, replace(world.saved(group), number=2)),
    "Fleets.refreshes": lambda world, *_: world.fleets.refreshes(WEB),
    "Fleets.activities": lambda world, *_: world.fleets.activities(WEB),
    "Fleets.roll_back_refresh": lambda world, *_: world.fleets.roll_back_refresh(WEB),
    "Fleets.cancel_refresh": lambda world, *_: world.fleets.cancel_refresh(WEB),
    "Channels.move": lambda world, _, image: world.channels.move(STABLE, image.id),
    "Channels.current": lambda world, *_: world.channels.current(STABLE),
    "Channels.history": lambda world, *_: world.channels.history(STABLE),
    "Instances.launch": lambda world, group, image: world.instances.launch(
        LaunchRequest(
            image=image.id, instance_type="t3.small", tags={"a": "b"}, token="s", template=world.saved(group).id
        )
    ),
    "Instances.tagged": lambda world, *_: world.instances.tagged({"a": "b"}),
    "Instances.get": lambda world, group, _: world.instances.get(group.members[0].id),
    "RunCommand.online": lambda world, group, _: world.commands.online(group.members[0].id),
    "RunCommand.run": lambda world, *_: world.commands.run(
        world.launch(token="c"), "true", timeout=timedelta(minutes=1)
    ),
    "Instances.terminate": lambda world, *_: world.instances.terminate((NOBODY,)),
}


ASKED_BESIDES = {
    "Templates.versions": {"ec2:DescribeLaunchTemplateVersions"},
    "Fleets.start_refresh": {"ec2:DescribeLaunchTemplateVersions"},
    "RunCommand.run": {"ec2:DescribeImages", "ec2:RunInstances"},
}


def test_the_declared_calls_are_the_calls(world: World) -> None:
    """No port method makes a call that the IAM list of its verb does not have."""
    group = world.group(world.template().id)
    image = world.bake()
    for method, do in DOING.items():
        world.cloud.calls.clear()
        do(world, group, image)
        actions = {call.action for call in world.cloud.calls}
        assert actions, method
        assert actions - ASKED_BESIDES.get(method, set()) <= set(CALLS[method]), method
    assert set(DOING) | {"Secrets.reveal"} == set(CALLS)


def test_every_verb_lists_what_it_needs() -> None:
    """The lists are sorted, hold reading for all verbs, and a release needs what its parts need."""
    assert all(list(actions) == sorted(set(actions)) for actions in ACTIONS.values())
    assert all(set(ACTIONS["plan"]) <= set(actions) for actions in ACTIONS.values())
    parts = {action for verb in ("bake", "smoke", "promote", "roll") for action in ACTIONS[verb]}
    assert set(ACTIONS["release"]) == parts
    assert "iam:PassRole" in ACTIONS["roll"]


def test_the_preflight_sees_what_is_denied(world: World) -> None:
    """One finding for each action that is missing, and the caller's account."""
    world.cloud.deny("ec2:CreateImage")
    assert world.preflight.caller().account
    user = "arn:aws:iam::123456789012:user/ann"
    findings = PolicySimulator(world.clients).caller(user, ACTIONS["bake"])
    assert [(finding.ok, finding.text) for finding in findings] == [(False, "ec2:CreateImage is not allowed.")]
