"""What a build makes for itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError
from world import World


def test_what_a_build_makes_bears_the_clouds_time(world: World) -> None:
    """Key pairs, volumes and snapshots: a sweep goes by their age."""
    now = world.cloud.clock.now()
    world.ec2.create_key_pair(KeyName="key")
    (key,) = world.ec2.describe_key_pairs()["KeyPairs"]
    volume = world.ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)
    snapshot = world.ec2.create_snapshot(VolumeId=volume["VolumeId"])
    for made in (key["CreateTime"], volume["CreateTime"], snapshot["StartTime"]):
        assert timedelta() <= made - now < timedelta(seconds=1)


def test_a_security_group_in_use_is_not_deleted(world: World) -> None:
    """Until the instance in it has ended."""
    vpc = world.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    group = world.ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
    launched = world.ec2.run_instances(
        ImageId=world.base(), InstanceType="t3.small", MinCount=1, MaxCount=1, SecurityGroupIds=[group]
    )
    with pytest.raises(ClientError, match="DependencyViolation"):
        world.ec2.delete_security_group(GroupId=group)
    world.ec2.terminate_instances(InstanceIds=[launched["Instances"][0]["InstanceId"]])
    world.wait(120)
    world.ec2.delete_security_group(GroupId=group)
