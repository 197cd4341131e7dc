"""What the account is asked for leftovers, and how each kind is removed."""

from __future__ import annotations

from typing import Any

import pytest
from aws.account import GONE, WEB, Account
from aws.answers import Stub
from aws.teams import GREEN, Teams

from pipeline.aws.leftovers import AwsLeftovers
from pipeline.aws.session import Clients
from pipeline.errors import NotPossible, StepFailed
from pipeline.model.ids import GroupName
from pipeline.model.leftovers import Kind, Resource
from pipeline.model.settings import GroupByName, GroupByTags

OURS = GroupByName(name=WEB)


def found(account: Account, *selectors: Any) -> dict[str, Resource]:
    """Index what is found."""
    return {one.id: one for one in account.leftovers.found(selectors)}


def packers(account: Account) -> str:
    """Make a group as Packer does."""
    vpc = account.world.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    made = account.world.ec2.create_security_group(GroupName="packer_1a2b3c4d-1", Description="x", VpcId=vpc)
    return made["GroupId"]


def launch(account: Account, group: str) -> str:
    """Boot an instance in a security group."""
    answer = account.world.ec2.run_instances(
        ImageId=account.base().id, InstanceType="t3.small", MinCount=1, MaxCount=1, SecurityGroupIds=[group]
    )
    return answer["Instances"][0]["InstanceId"]


def test_who_uses_what_is_told(account: Account) -> None:
    """Groups and members an image and a version, an instance its security group, an image its snapshot."""
    group, _, version = account.rolling()
    sg = packers(account)
    instance = launch(account, sg)
    all_ = found(account, OURS)
    assert all_[sg].holders == (instance,)
    image = all_[version.image]
    assert f"{version.id}:2" in image.holders
    assert all_[image.parts[0]].holders == (image.id,)
    assert set(all_[f"{version.id}:1"].holders) >= {WEB, group.members[0].id, "the template's default"}
    assert WEB in all_[f"{version.id}:2"].holders, "a refresh is bringing the group there"


@pytest.mark.parametrize(
    ("selector", "seen"),
    [
        (OURS, True),
        (GroupByTags(tags={"Service": "web"}), True),
        (GroupByTags(tags={"Service": "api"}), False),
        (GroupByName(name=GroupName("api")), False),
    ],
)
def test_versions_are_only_of_configured_fleets(account: Account, selector: Any, seen: bool) -> None:
    """Whatever others describe as ours in theirs."""
    group = account.group()
    kinds = {one.kind for one in found(account, selector).values()}
    assert (Kind.TEMPLATE_VERSION in kinds) is seen
    assert group.template is not None


def test_groups_and_target_groups_of_rollouts_are_found(account: Account) -> None:
    """With their tags, and whose they are."""
    teams = Teams(account)
    teams.copy()
    all_ = found(account, OURS)
    assert all_[GREEN].kind is Kind.GROUP
    assert all_[GREEN].parts == (teams.target_group,)
    assert WEB not in all_, "it plays no part in a rollout"
    assert teams.target_group not in all_, "its name has no digest"


def test_a_security_group_goes_when_nobody_is_in_it(account: Account) -> None:
    """False until then."""
    sg = packers(account)
    instance = launch(account, sg)
    assert not account.leftovers.remove(Kind.SECURITY_GROUP, sg)
    account.world.ec2.terminate_instances(InstanceIds=[instance])
    account.world.wait(120)
    assert account.leftovers.remove(Kind.SECURITY_GROUP, sg)
    assert sg not in found(account)


def test_an_image_goes_with_its_snapshots(account: Account) -> None:
    """In one call."""
    image = account.bake()
    account.cloud.calls.clear()
    assert account.leftovers.remove(Kind.IMAGE, image.id)
    assert [call.action for call in account.cloud.calls.mutating] == ["ec2:DeregisterImage"]
    assert not {image.id, *image.snapshots} & set(found(account))


@pytest.mark.parametrize(("kind", "id_"), GONE.items())
def test_what_is_gone_is_no_error(account: Account, kind: Kind, id_: str) -> None:
    """Somebody else was quicker."""
    assert account.leftovers.remove(kind, id_)


@pytest.mark.parametrize("kind", [Kind.GROUP, Kind.TARGET_GROUP, Kind.APPROVAL])
def test_what_has_a_port_of_its_own_is_not_removed_here(account: Account, kind: Kind) -> None:
    """It would go without its guards."""
    with pytest.raises(NotPossible, match="of its own"):
        account.leftovers.remove(kind, "x")


def test_a_version_that_is_booted_now_stays(account: Account) -> None:
    """By a group, or by a refresh that has begun since the plan: AWS itself would delete it."""
    _, _, version = account.rolling()
    for number in (1, 2):
        with pytest.raises(NotPossible, match=f"web boots version {number}"):
            account.leftovers.remove(Kind.TEMPLATE_VERSION, f"{version.id}:{number}")
    account.world.version(version.id, InstanceType="t3.large")
    assert account.leftovers.remove(Kind.TEMPLATE_VERSION, f"{version.id}:3")
    assert f"{version.id}:3" not in found(account, OURS)


def test_a_version_that_aws_keeps_is_told(clients: Clients, stub: Stub) -> None:
    """With AWS's words; one that is gone already is none."""
    error = {"Code": "launchTemplateVersionInUse", "Message": "in use"}
    for code in (error, {"Code": "launchTemplateVersionDoesNotExist"}):
        stub("autoscaling").add_response("describe_auto_scaling_groups", {"AutoScalingGroups": []})
        answer: Any = {"UnsuccessfullyDeletedLaunchTemplateVersions": [{"VersionNumber": 2, "ResponseError": code}]}
        stub("ec2").add_response("delete_launch_template_versions", answer)
    with pytest.raises(StepFailed, match="Version 2 of lt-1 stays: in use"):
        AwsLeftovers(clients).remove(Kind.TEMPLATE_VERSION, "lt-1:2")
    assert AwsLeftovers(clients).remove(Kind.TEMPLATE_VERSION, "lt-1:2")


def test_a_snapshot_that_aws_keeps_is_told(clients: Clients, stub: Stub) -> None:
    """One that another image has, too, is meant to stay."""
    for code in ("skipped", "client-error"):
        results: Any = [{"SnapshotId": "snap-1", "ReturnCode": code}]
        stub("ec2").add_response("deregister_image", {"Return": True, "DeleteSnapshotResults": results})
    assert AwsLeftovers(clients).remove(Kind.IMAGE, "ami-1")
    with pytest.raises(StepFailed, match=r"snap-1 stays \(client-error\)"):
        AwsLeftovers(clients).remove(Kind.IMAGE, "ami-1")
