"""The IAM actions that are declared are those that are called; denials name theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from aws.account import NOBODY, STABLE, WEB, Account

from pipeline.aws.permissions import ACTIONS, CALLS
from pipeline.aws.simulation import PolicySimulator
from pipeline.errors import AccessDenied, Throttled
from pipeline.model.fleets import Group
from pipeline.model.images import Image
from pipeline.model.settings import GroupByName
from pipeline.ports.instances import LaunchRequest


def test_a_denied_action_is_named(account: Account) -> None:
    """By the preflight before, and by the error after."""
    account.cloud.deny("ec2:CreateTags")
    with pytest.raises(AccessDenied) as raised:
        account.images.tag(account.base(), {"a": "b"})
    assert raised.value.action == "ec2:CreateTags"


def test_throttling_past_the_budget_is_told(account: Account) -> None:
    """Running again later helps."""
    account.cloud.faults.throttle("ssm:*")
    with pytest.raises(Throttled) as raised:
        account.channels.current(STABLE)
    assert raised.value.transient


DOING: Mapping[str, Callable[[Account, Group, Image], object]] = {
    "Images.get": lambda account, _, image: account.images.get([image.id]),
    "Images.newest": lambda account, *_: account.base(),
    "Images.baked": lambda account, *_: account.images.baked(family="web"),
    "Images.named": lambda account, *_: account.images.named("web-1"),
    "Images.tag": lambda account, _, image: account.images.tag(image, {"a": "b"}),
    "Images.require_imds_v2": lambda account, _, image: account.images.require_imds_v2(image),
    "Templates.version": lambda account, group, _: account.saved(group),
    "Templates.versions": lambda account, group, _: account.templates.versions(account.saved(group).id),
    "Templates.create_version": lambda account, group, image: account.next_version(group, image),
    "Fleets.find": lambda account, *_: account.fleets.find(GroupByName(name=WEB)),
    "Fleets.start_refresh": lambda account, group, _: account.start(group, replace(account.saved(group), number=2)),
    "Fleets.refreshes": lambda account, *_: account.fleets.refreshes(WEB),
    "Fleets.activities": lambda account, *_: account.fleets.activities(WEB),
    "Fleets.roll_back_refresh": lambda account, *_: account.fleets.roll_back_refresh(WEB),
    "Fleets.cancel_refresh": lambda account, *_: account.fleets.cancel_refresh(WEB),
    "Channels.move": lambda account, _, image: account.channels.move(STABLE, image.id),
    "Channels.current": lambda account, *_: account.channels.current(STABLE),
    "Channels.history": lambda account, *_: account.channels.history(STABLE),
    "Instances.launch": lambda account, group, image: account.instances.launch(
        LaunchRequest(
            image=image.id, instance_type="t3.small", tags={"a": "b"}, token="s", template=account.saved(group).id
        )
    ),
    "Instances.tagged": lambda account, *_: account.instances.tagged({"a": "b"}),
    "Instances.get": lambda account, group, _: account.instances.get(group.members[0].id),
    "RunCommand.online": lambda account, group, _: account.commands.online(group.members[0].id),
    "RunCommand.run": lambda account, *_: account.commands.run(
        account.launch(token="c"), "true", timeout=timedelta(minutes=1)
    ),
    "Instances.terminate": lambda account, *_: account.instances.terminate((NOBODY,)),
}


ASKED_BESIDES = {
    "Templates.versions": {"ec2:DescribeLaunchTemplateVersions"},
    "Fleets.start_refresh": {"ec2:DescribeLaunchTemplateVersions"},
    "RunCommand.run": {"ec2:DescribeImages", "ec2:RunInstances"},
}


def test_the_declared_calls_are_the_calls(account: Account) -> None:
    """No port method makes a call that the IAM list of its verb does not have."""
    group = account.group()
    image = account.bake()
    for method, do in DOING.items():
        account.cloud.calls.clear()
        do(account, group, image)
        actions = {call.action for call in account.cloud.calls}
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


def test_the_preflight_sees_what_is_denied(account: Account) -> None:
    """One finding for each action that is missing, and the caller's account."""
    account.cloud.deny("ec2:CreateImage")
    assert account.preflight.caller().account
    user = "arn:aws:iam::123456789012:user/ann"
    findings = PolicySimulator(account.clients).caller(user, ACTIONS["bake"])
    assert [(finding.ok, finding.text) for finding in findings] == [(False, "ec2:CreateImage is not allowed.")]
