"""Changes of groups that are put back, on the sandbox."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from aws.account import NOBODY, WEB, Account
from aws.answers import Stub

from pipeline.aws.changes import AutoScalingChanges
from pipeline.aws.session import Clients
from pipeline.errors import NotPossible
from pipeline.model.fleets import Group, TemplateRef
from pipeline.model.ids import GroupName, InstanceId, TemplateId
from pipeline.model.settings import GroupByName


@pytest.fixture
def group(account: Account) -> Group:
    """A group of two, of one at least and four at most."""
    return account.group()


def seen(account: Account) -> Group:
    """Look at the group."""
    return account.fleets.find(GroupByName(name=WEB))


def test_a_minimum_lifts_the_desired_capacity_and_never_lowers_it(account: Account, group: Group) -> None:
    """A size that scaling has chosen meanwhile stays, unless one is asked for."""
    account.changes.resize(group.name, minimum=3)
    assert (seen(account).minimum, seen(account).desired) == (3, 3)
    account.changes.resize(group.name, minimum=1)
    assert (seen(account).minimum, seen(account).desired) == (1, 3)
    account.changes.resize(group.name, minimum=0, desired=0)
    assert (seen(account).minimum, seen(account).desired) == (0, 0)


def test_processes_are_suspended_and_resumed_by_name(account: Account, group: Group) -> None:
    """No name at all would mean all of them: then nothing is asked."""
    account.changes.suspend(group.name, ["AZRebalance", "AlarmNotification"])
    account.changes.suspend(group.name, [])
    account.changes.resume(group.name, [])
    assert set(seen(account).suspended) == {"AZRebalance", "AlarmNotification"}
    account.changes.resume(group.name, ["AZRebalance"])
    assert seen(account).suspended == ("AlarmNotification",)


def test_members_are_protected_and_one_that_is_gone_is_no_error(account: Account, group: Group) -> None:
    """AWS refuses the whole call for it; the others are protected nevertheless."""
    ids = [member.id for member in group.members]
    account.changes.protect(group.name, [*ids, NOBODY], protected=True)
    assert {member.protected for member in seen(account).members} == {True}
    account.changes.protect(group.name, [NOBODY], protected=False)
    account.changes.protect(group.name, ids, protected=False)
    assert {member.protected for member in seen(account).members} == {False}


def test_a_member_that_is_leaving_is_left_out(account: Account, group: Group) -> None:
    """What is on its way out cannot be protected."""
    ids = [member.id for member in group.members]
    account.world.autoscaling.terminate_instance_in_auto_scaling_group(
        InstanceId=ids[0], ShouldDecrementDesiredCapacity=True
    )
    account.cloud.clock.advance(timedelta(seconds=1))
    account.changes.protect(group.name, ids, protected=True)
    assert [member.protected for member in seen(account).standing] == [True]


def test_members_are_protected_fifty_at_a_time(clients: Clients, stub: Stub) -> None:
    """More ids are refused; so is a call whose members are all there, which is told."""
    members = [InstanceId(f"i-{number:03}") for number in range(51)]
    scaling = stub("autoscaling")
    for batch in (members[:50], members[50:]):
        asked = {"AutoScalingGroupName": "web", "InstanceIds": batch, "ProtectedFromScaleIn": True}
        scaling.add_response("set_instance_protection", {}, asked)
    AutoScalingChanges(clients).protect(WEB, members, protected=True)


def test_a_refusal_that_is_not_about_a_member_is_told(account: Account, group: Group) -> None:
    """Leaving members out would not help."""
    account.cloud.faults.fail("autoscaling:SetInstanceProtection", "LimitExceeded")
    with pytest.raises(NotPossible):
        account.changes.protect(group.name, [group.members[0].id], protected=True)


def test_tags_of_several_groups_are_written_in_one_call(account: Account, group: Group) -> None:
    """So that two groups change their roles together; instances do not get them."""
    other = account.group(GroupName("web-2"))
    account.cloud.calls.clear()
    account.changes.tag({group.name: {"rebake:role": "blue"}, other.name: {"rebake:role": "live"}})
    account.changes.tag({group.name: {}})
    assert [call.action for call in account.cloud.calls] == ["autoscaling:CreateOrUpdateTags"]
    assert account.world.group(WEB)["Tags"][-1]["PropagateAtLaunch"] is False
    assert account.fleets.named(other.name)[0].role == "live"
    account.changes.untag(group.name, ["rebake:role", "never"])
    account.changes.untag(group.name, [])
    assert seen(account).tags == {"Service": "web"}


def test_a_version_is_saved_on_a_group(account: Account, group: Group) -> None:
    """Nothing is replaced by it: what boots from now on is of that version."""
    version = account.next_version(group, account.bake())
    account.changes.set_version(group, version.number)
    assert seen(account).template == TemplateRef(id=version.id, version="2")


def test_a_version_is_saved_with_the_whole_policy(account: Account) -> None:
    """An override that names an image gets the version's."""
    template = account.world.template("mixed", account.base().id)
    specification: Any = {"LaunchTemplateId": template, "Version": "1"}
    overrides: Any = [{"InstanceType": "t3.small", "ImageId": account.base().id}]
    account.world.autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=WEB,
        MinSize=0,
        MaxSize=1,
        AvailabilityZones=["us-east-1a"],
        MixedInstancesPolicy={"LaunchTemplate": {"LaunchTemplateSpecification": specification, "Overrides": overrides}},
    )
    image = account.bake()
    version = account.world.version(template, ImageId=image.id)
    account.changes.set_version(seen(account), version)
    assert seen(account).template == TemplateRef(id=TemplateId(template), version="2")
    assert seen(account).override_images == (image.id,)


def test_a_launch_configuration_has_no_versions(clients: Clients) -> None:
    """Nothing is asked of AWS."""
    old = Group(name=WEB, desired=1, minimum=1, maximum=1, template=None, launch_configuration="old")
    with pytest.raises(NotPossible, match="boots from a launch configuration"):
        AutoScalingChanges(clients).set_version(old, 2)
