from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from world import World


def test_groups_are_bounded_and_unique(world: World) -> None:
    """A name is used once, and the desired capacity stays within the bounds."""
    fleet = world.fleet("web", world.base(), size=2)
    template: Any = {"LaunchTemplateId": fleet.template, "Version": "1"}
    with pytest.raises(world.autoscaling.exceptions.AlreadyExistsFault):
        world.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName="web", MinSize=0, MaxSize=1, LaunchTemplate=template, AvailabilityZones=["us-east-1a"]
        )
    for size in (5, -1):
        with pytest.raises(ClientError):
            world.autoscaling.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=size)
    with pytest.raises(world.autoscaling.exceptions.ResourceInUseFault):
        world.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="web")
    world.autoscaling.update_auto_scaling_group(AutoScalingGroupName="web", MaxSize=1, HealthCheckGracePeriod=5)
    world.wait(60)
    assert len(world.group("web")["Instances"]) == 1
    assert len(world.autoscaling.describe_auto_scaling_instances()["AutoScalingInstances"]) == 1


def test_launch_configurations_work(world: World) -> None:
    """A group on a launch configuration launches what that says."""
    world.autoscaling.create_launch_configuration(
        LaunchConfigurationName="old", ImageId=world.base(), InstanceType="t3.small"
    )
    world.autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="web",
        MinSize=1,
        MaxSize=1,
        LaunchConfigurationName="old",
        AvailabilityZones=["us-east-1a"],
    )
    world.wait(30)
    assert world.group("web")["LaunchConfigurationName"] == "old"
    assert world.group("web")["Instances"][0]["LifecycleState"] == "InService"


def test_standby_health_and_tags(world: World) -> None:
    """Standby leaves and comes back, an unhealthy member is replaced, tags are kept and found."""
    world.fleet("web", world.base(), size=2)
    first, second = (member["InstanceId"] for member in world.group("web")["Instances"])
    world.autoscaling.enter_standby(
        AutoScalingGroupName="web", InstanceIds=[first], ShouldDecrementDesiredCapacity=True
    )
    world.autoscaling.exit_standby(AutoScalingGroupName="web", InstanceIds=[first])
    world.autoscaling.set_instance_health(InstanceId=second, HealthStatus="Unhealthy")
    world.wait(60)
    members = {member["InstanceId"]: member["LifecycleState"] for member in world.group("web")["Instances"]}
    assert len(members) == 2
    assert members[first] == "InService"
    assert second not in members
    tag: Any = {"ResourceId": "web", "Key": "env", "Value": "dev", "PropagateAtLaunch": True}
    tag["ResourceType"] = "auto-scaling-group"
    world.autoscaling.create_or_update_tags(Tags=[tag])
    found = world.autoscaling.describe_auto_scaling_groups(Filters=[{"Name": "tag:env", "Values": ["dev"]}])
    assert [group["AutoScalingGroupName"] for group in found["AutoScalingGroups"]] == ["web"]
    assert world.autoscaling.describe_tags()["Tags"][0]["Value"] == "dev"
    world.autoscaling.delete_tags(Tags=[tag])
    assert world.autoscaling.describe_tags()["Tags"] == []


def test_target_groups_come_and_go(world: World) -> None:
    """Attached target groups get the instances; detached ones are drained and the instances stay."""
    fleet = world.fleet("web", world.base(), size=1, balanced=True)
    name: Any = {"AutoScalingGroupName": "web"}
    sources = world.autoscaling.describe_traffic_sources(**name)["TrafficSources"]
    assert sources[0]["State"] == "InService"
    world.autoscaling.detach_load_balancer_target_groups(TargetGroupARNs=[fleet.target_group], **name)
    world.autoscaling.attach_load_balancer_target_groups(TargetGroupARNs=[fleet.target_group], **name)
    assert world.autoscaling.describe_load_balancer_target_groups(**name)["LoadBalancerTargetGroups"]
    world.autoscaling.detach_traffic_sources(TrafficSources=[{"Identifier": fleet.target_group}], **name)
    world.autoscaling.attach_traffic_sources(TrafficSources=[{"Identifier": fleet.target_group}], **name)


def test_instances_stop_and_start(world: World) -> None:
    """A stopped instance keeps its address and starts again; an ended one cannot."""
    made = world.ec2.run_instances(ImageId=world.base(), InstanceType="t3.small", MinCount=1, MaxCount=1)
    id_ = made["Instances"][0]["InstanceId"]
    world.wait(20)

    def state() -> str:
        return world.ec2.describe_instances(InstanceIds=[id_])["Reservations"][0]["Instances"][0]["State"]["Name"]

    world.ec2.stop_instances(InstanceIds=[id_])
    world.wait(5)
    assert state() == "stopped"
    world.ec2.start_instances(InstanceIds=[id_])
    assert state() == "pending"
    world.wait(20)
    assert state() == "running"
    world.ec2.terminate_instances(InstanceIds=[id_])
    world.wait(5)
    assert state() == "terminated"
    with pytest.raises(ClientError):
        world.ec2.start_instances(InstanceIds=[id_])


def test_quotas_can_be_set(world: World) -> None:
    """A quota is what the test says it is; an unknown one does not exist."""
    quotas = world.client("service-quotas")
    world.cloud.set_quota("ec2", "L-1216C47A", 4)
    assert quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-1216C47A")["Quota"]["Value"] == 4
    with pytest.raises(ClientError):
        quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-0")


def test_copy_image(world: World) -> None:
    """A copy has its own name and snapshot, and the tags when they are asked for."""
    image = world.image("one", tags={"a": "b"})
    copy = world.ec2.copy_image(
        SourceImageId=image, SourceRegion="us-east-1", Name="two", CopyImageTags=True, Encrypted=True
    )["ImageId"]
    found = world.ec2.describe_images(ImageIds=[copy])["Images"][0]
    assert found["Tags"] == [{"Key": "a", "Value": "b"}]
    assert found["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True
