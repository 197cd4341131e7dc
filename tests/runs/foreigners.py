"""What others have in the account, as much like leftovers of ours as can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from runs.packing import WORDS, packers_name, tag_list
from world import World

from pipeline.model.names import TAG_FAMILY, TAG_ORIGIN, TAG_PURPOSE, TAG_ROLE, TAG_RUN

RUN = "20261101T000000-kqzt"
TAGS = (
    {TAG_PURPOSE: "build", TAG_FAMILY: "web"},
    {TAG_RUN: "nightly", TAG_PURPOSE: "build", TAG_FAMILY: "web"},
    {TAG_RUN: RUN.upper(), TAG_PURPOSE: "smoke", TAG_FAMILY: "web"},
    {"Rebake:Run": RUN, "rebake-purpose": "build", "Name": f"rebake-{RUN}-web"},
    {TAG_RUN: RUN, TAG_PURPOSE: "serving", TAG_FAMILY: "web"},
)
"""Almost the tags of a build; none is whole."""

Maker = Callable[[World, str, Mapping[str, str]], None]


def instance(world: World, name: str, tags: Mapping[str, str]) -> None:
    """Boot an instance, in a group of Packer's that somebody else's build has made."""
    vpc = world.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    hours = timedelta(hours=1 + sum(map(ord, name)) % 20)
    packers = packers_name(world.cloud.clock.now() - hours, f"ffff-{abs(hash(name)) % 10**6}")
    group = world.ec2.create_security_group(GroupName=packers, Description=WORDS, VpcId=vpc)["GroupId"]
    world.ec2.run_instances(
        ImageId=world.base(),
        InstanceType="t3.small",
        MinCount=1,
        MaxCount=1,
        SecurityGroupIds=[group],
        TagSpecifications=[{"ResourceType": "instance", "Tags": tag_list({**tags, "Name": name})}],
    )


def volume(world: World, name: str, tags: Mapping[str, str]) -> None:
    """Make a volume that is attached to nothing, and a snapshot of it."""
    marks: Any = [{"ResourceType": "volume", "Tags": tag_list({**tags, "Name": name})}]
    made = world.ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, TagSpecifications=marks)["VolumeId"]
    text = "Created by CreateImage(i-0123456789abcdef0) for ami-0123456789abcdef0"
    snapshot = world.ec2.create_snapshot(VolumeId=made, Description=text)["SnapshotId"]
    world.ec2.create_tags(Resources=[snapshot], Tags=tag_list({TAG_FAMILY: "web", **tags}))


def key_pair(world: World, name: str, tags: Mapping[str, str]) -> None:  # noqa: ARG001 - of one shape with the others
    """Make a key pair."""
    world.ec2.create_key_pair(KeyName=f"rebake-{name}")
    world.ec2.create_key_pair(KeyName=f"my-rebake-{RUN}-{name}")


def security_group(world: World, name: str, tags: Mapping[str, str]) -> None:
    """Make a group that is called like one of Packer's, and one of another Packer's."""
    vpc = world.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    hours = timedelta(hours=30 + sum(map(ord, name)) % 20)
    for called, words in ((f"packer_{name}", WORDS), (packers_name(world.cloud.clock.now() - hours, "aaaa"), WORDS)):
        group = world.ec2.create_security_group(GroupName=called, Description=words, VpcId=vpc)["GroupId"]
        world.ec2.create_tags(Resources=[group], Tags=tag_list({"Name": name, **tags}))


def image(world: World, name: str, tags: Mapping[str, str]) -> None:
    """Make an image with a name like ours and some of our tags; and one of ours that was copied by hand."""
    world.image(f"web-{name}", tags=dict(tags))
    stamp = f"{world.cloud.clock.now():%Y%m%dT%H%M%SZ}"
    source = world.image(f"golden-{name}")
    world.ec2.copy_image(Name=f"web-{stamp}-4f2a91c0", SourceImageId=source, SourceRegion="us-east-1")
    world.image(f"api-{stamp}-4f2a91c0")


def template(world: World, name: str, tags: Mapping[str, str]) -> None:  # noqa: ARG001 - as above
    """Make a launch template with many versions described like ours, of no fleet's."""
    made = world.template(name, world.base())
    for number in range(7):
        world.ec2.create_launch_template_version(
            LaunchTemplateId=made,
            SourceVersion="1",
            VersionDescription=f"rebake web {world.base()} {RUN} from {number + 1}",
            LaunchTemplateData={"InstanceType": "t3.small"},
        )


def group(world: World, name: str, tags: Mapping[str, str]) -> None:
    """Make a group without traffic that is called like a green one, with a target group called like a green one's."""
    subnets = world.ec2.describe_subnets()["Subnets"][:1]
    made = world.elbv2.create_target_group(
        Name=f"{name}-0a1b2c3d",
        Protocol="HTTP",
        Port=80,
        VpcId=subnets[0]["VpcId"],
        Tags=tag_list({**tags, TAG_ORIGIN: name}),
    )["TargetGroups"][0]["TargetGroupArn"]
    marks = {**tags, TAG_ROLE: "green", TAG_ORIGIN: "web"}
    world.fleet(
        f"{name}-v2",
        world.base(),
        size=1,
        TargetGroupARNs=[made],
        Tags=[{**tag, "PropagateAtLaunch": True} for tag in tag_list(marks)],
    )


def parameter(world: World, name: str, tags: Mapping[str, str]) -> None:  # noqa: ARG001 - as above
    """Write a parameter where answers to runs are."""
    world.ssm.put_parameter(Name=f"/rebake/approvals/{name}", Value="yes", Type="String")


MAKERS: tuple[Maker, ...] = (instance, volume, key_pair, security_group, image, template, group, parameter)
