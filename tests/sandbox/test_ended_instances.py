from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from world import World

ONE: Any = {"InstanceType": "t3.small", "MinCount": 1, "MaxCount": 1}


def test_ended_instances_vanish_after_an_hour(world: World) -> None:
    """A terminated instance is shown for an hour, then its id is unknown; the rest of its reservation stays."""
    made = world.ec2.run_instances(ImageId=world.base(), InstanceType="t3.small", MinCount=2, MaxCount=2)
    first, second = (instance["InstanceId"] for instance in made["Instances"])
    world.wait(20)
    world.ec2.terminate_instances(InstanceIds=[first])
    world.wait(3500)
    found = world.ec2.describe_instances(InstanceIds=[first])["Reservations"][0]["Instances"][0]
    assert found["State"]["Name"] == "terminated"
    world.wait(200)
    with pytest.raises(ClientError, match=r"InvalidInstanceID\.NotFound"):
        world.ec2.describe_instances(InstanceIds=[first])
    left = world.ec2.describe_instances()["Reservations"]
    assert [instance["InstanceId"] for each in left for instance in each["Instances"]] == [second]
    world.ec2.terminate_instances(InstanceIds=[second])
    world.wait(4000)
    assert world.ec2.describe_instances()["Reservations"] == []
    assert first not in world.cloud._state.instances


def test_an_address_is_free_once_its_instance_ended(world: World) -> None:
    """The network interface goes with its instance, and the address can be had again."""
    address = world.ec2.run_instances(ImageId=world.base(), **ONE)["Instances"][0]
    with pytest.raises(ClientError, match=r"InvalidIPAddress\.InUse"):
        world.ec2.run_instances(ImageId=world.base(), PrivateIpAddress=address["PrivateIpAddress"], **ONE)
    world.ec2.terminate_instances(InstanceIds=[address["InstanceId"]])
    world.wait(10)
    again = world.ec2.run_instances(ImageId=world.base(), PrivateIpAddress=address["PrivateIpAddress"], **ONE)
    assert again["Instances"][0]["PrivateIpAddress"] == address["PrivateIpAddress"]
    assert len(world.ec2.describe_network_interfaces()["NetworkInterfaces"]) == 1


def test_a_group_outlives_its_vanished_instances(world: World) -> None:
    """A member whose replacement is suspended stays listed as unhealthy when EC2 has long forgotten it."""
    world.fleet("web", world.base(), size=1)
    (member,) = world.group("web")["Instances"]
    world.autoscaling.suspend_processes(AutoScalingGroupName="web", ScalingProcesses=["ReplaceUnhealthy"])
    world.ec2.terminate_instances(InstanceIds=[member["InstanceId"]])
    world.wait(4000)
    (left,) = world.group("web")["Instances"]
    assert (left["InstanceId"], left["HealthStatus"]) == (member["InstanceId"], "Unhealthy")
    world.autoscaling.resume_processes(AutoScalingGroupName="web")
    world.wait(60)
    assert [item["HealthStatus"] for item in world.group("web")["Instances"]] == ["Healthy"]
