from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from world import World

from pipeline.errors import NotFound, UsageError
from pipeline.sandbox.clock import ManualClock, WallClock
from pipeline.sandbox.cloud import Cloud
from pipeline.sandbox.machines import CommandOutput

ONE: Any = {"InstanceType": "t3.small", "MinCount": 1, "MaxCount": 1}


@pytest.fixture(scope="module")
def served() -> Iterator[World]:
    """Serve a cloud over HTTP."""
    cloud = Cloud(clock=WallClock(100))
    with cloud.serve() as endpoint:
        assert endpoint.startswith("http://127.0.0.1:")
        yield World(cloud, endpoint=endpoint)


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    """Read the code of a refusal."""
    return error.value.response["Error"]["Code"]


def test_client_token_answers_the_same_instance(world: World) -> None:
    """The same token replays; the same token with other parameters is refused."""
    base = world.base()
    first = world.ec2.run_instances(ImageId=base, ClientToken="t", **ONE)
    again = world.ec2.run_instances(ImageId=base, ClientToken="t", **ONE)
    assert first["Instances"][0]["InstanceId"] == again["Instances"][0]["InstanceId"]
    with pytest.raises(ClientError) as error:
        world.ec2.run_instances(ImageId=base, ClientToken="t", **{**ONE, "InstanceType": "t3.large"})
    assert code(error) == "IdempotentParameterMismatch"


def test_dry_run_and_denials_change_nothing(world: World) -> None:
    """A dry run is no mutating call; denials answer as EC2 and the others do."""
    base = world.base()
    with pytest.raises(ClientError) as error:
        world.ec2.run_instances(ImageId=base, DryRun=True, **ONE)
    assert code(error) == "DryRunOperation"
    assert world.changed == ()
    world.cloud.deny("ec2:RunInstances")
    with pytest.raises(ClientError) as error:
        world.ec2.run_instances(ImageId=base, DryRun=True, **ONE)
    assert code(error) == "UnauthorizedOperation"
    world.cloud.forbid_mutations()
    with pytest.raises(ClientError) as error:
        world.ssm.put_parameter(Name="/a", Value="b", Type="String")
    assert code(error) == "AccessDeniedException"
    simulated = world.client("iam").simulate_principal_policy(
        PolicySourceArn="arn:aws:iam::123456789012:user/x", ActionNames=["ec2:CreateImage", "ec2:DescribeImages"]
    )["EvaluationResults"]
    assert [result["EvalDecision"] for result in simulated] == ["implicitDeny", "allowed"]
    world.cloud.allow_all()
    world.ssm.put_parameter(Name="/a", Value="b", Type="String")
    assert [call.action for call in world.cloud.calls.matching("ssm:Put*")] == ["ssm:PutParameter"] * 2


def test_image_is_pending_until_frozen_and_its_name_is_taken(world: World) -> None:
    """CreateImage is pending until the disk is frozen; a second of that name is refused."""
    instance = world.ec2.run_instances(ImageId=world.base(), **ONE)["Instances"][0]["InstanceId"]
    world.wait(20)
    tags: Any = [{"ResourceType": kind, "Tags": [{"Key": "k", "Value": kind}]} for kind in ("image", "snapshot")]
    image = world.ec2.create_image(InstanceId=instance, Name="one", TagSpecifications=tags)["ImageId"]
    described = world.ec2.describe_images(ImageIds=[image])["Images"][0]
    assert described["State"] == "pending"
    with pytest.raises(ClientError) as error:
        world.ec2.create_image(InstanceId=instance, Name="one")
    assert code(error) == "InvalidAMIName.Duplicate"
    with pytest.raises(ClientError) as error:
        world.ec2.run_instances(ImageId=image, **ONE)
    assert code(error) == "InvalidAMIID.Unavailable"
    world.wait(30)
    described = world.ec2.describe_images(ImageIds=[image])["Images"][0]
    assert described["State"] == "available"
    snapshot = described["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    assert world.ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["Tags"] == [
        {"Key": "k", "Value": "snapshot"}
    ]


def test_new_version_drops_mapped_snapshots(world: World) -> None:
    """A version inherits from its source, but not the mapped snapshots."""
    image = world.image("one")
    snapshot = world.ec2.describe_images(ImageIds=[image])["Images"][0]["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    mapping = [{"DeviceName": "/dev/sdf", "Ebs": {"SnapshotId": snapshot, "VolumeSize": 8}}]
    template = world.template("t", image, BlockDeviceMappings=mapping)
    world.version(template, InstanceType="t3.large")
    data = world.ec2.describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"][0]
    assert data["VersionNumber"] == 2
    assert data["LaunchTemplateData"]["InstanceType"] == "t3.large"
    assert data["LaunchTemplateData"]["ImageId"] == image
    assert data["LaunchTemplateData"]["BlockDeviceMappings"] == [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 8}}]
    deleted = world.ec2.delete_launch_template_versions(LaunchTemplateId=template, Versions=["1", "2"])
    assert deleted["SuccessfullyDeletedLaunchTemplateVersions"][0]["VersionNumber"] == 2
    assert world.version(template) == 3


def test_images_retire(world: World) -> None:
    """Protection, disabling and deregistration stop launches as AWS does."""
    image = world.image("one")
    world.ec2.enable_image_deregistration_protection(ImageId=image)
    with pytest.raises(ClientError) as error:
        world.ec2.deregister_image(ImageId=image)
    assert code(error) == "OperationNotPermitted"
    world.ec2.disable_image_deregistration_protection(ImageId=image)
    world.ec2.enable_image_deprecation(ImageId=image, DeprecateAt=world.cloud.clock.now() + timedelta(days=1))
    assert "DeprecationTime" in world.ec2.describe_images(ImageIds=[image])["Images"][0]
    world.ec2.disable_image_deprecation(ImageId=image)
    world.ec2.disable_image(ImageId=image)
    with pytest.raises(ClientError) as error:
        world.ec2.run_instances(ImageId=image, **ONE)
    assert code(error) == "InvalidAMIID.Unavailable"
    world.ec2.enable_image(ImageId=image)
    world.ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
    assert world.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"] == []


def test_channels_are_checked_and_followed(world: World) -> None:
    """A parameter of type aws:ec2:image must name an image; launches follow it."""
    with pytest.raises(ClientError) as error:
        world.ssm.put_parameter(Name="/c", Value="ami-00000000", Type="String", DataType="aws:ec2:image")
    assert code(error) == "ValidationException"
    world.ssm.put_parameter(Name="/c", Value=world.base(), Type="String", DataType="aws:ec2:image")
    launched = world.ec2.run_instances(ImageId="resolve:ssm:/c", **ONE)["Instances"][0]
    assert launched["ImageId"] == world.base()
    assert launched["PrivateIpAddress"].startswith("127.31.")


def test_publishing_a_base_moves_its_public_parameter(world: World) -> None:
    """A newer base image is found by its public parameter and by owner and name."""
    before = world.base()
    newer = world.cloud.publish_base(like="debian-12-amd64", name="debian-12-amd64-20261120-2300")
    assert world.base() == newer != before
    found = world.ec2.describe_images(
        Owners=["136693071363"], Filters=[{"Name": "name", "Values": ["debian-12-amd64-*"]}]
    )
    assert {image["ImageId"] for image in found["Images"]} == {before, newer}
    with pytest.raises(NotFound):
        world.cloud.publish_base(like="plan9", name="x")


def test_commands_run_on_machines(world: World) -> None:
    """Run Command answers what the machine answers, and refuses instances without an agent."""
    world.cloud.virtual.answer = lambda script: CommandOutput(status="Failed", exit_status=3, stdout=script)
    instance = world.ec2.run_instances(ImageId=world.base(), **ONE)["Instances"][0]["InstanceId"]
    send: Any = {"DocumentName": "AWS-RunShellScript", "Parameters": {"commands": ["id"]}, "InstanceIds": [instance]}
    with pytest.raises(ClientError) as error:
        world.ssm.send_command(**send)
    assert code(error) == "InvalidInstanceId"
    world.wait(20)
    assert len(world.ssm.describe_instance_information()["InstanceInformationList"]) == 1
    command = world.ssm.send_command(**send)["Command"]["CommandId"]
    found = world.ssm.get_command_invocation(CommandId=command, InstanceId=instance)
    assert (found["Status"], found["ResponseCode"], found["StandardOutputContent"]) == ("Failed", 3, "id")
    assert len(world.ssm.list_command_invocations(CommandId=command, Details=True)["CommandInvocations"]) == 1
    world.ssm.cancel_command(CommandId=command)


def test_targets_drain_and_routes_reach_the_machines(world: World) -> None:
    """A fleet behind a balancer is healthy; a terminated member drains first; the routes are handed on."""
    fleet = world.fleet("web", world.base(), size=2, balanced=True)

    def states() -> list[str]:
        health = world.elbv2.describe_target_health(TargetGroupArn=fleet.target_group)
        return sorted(item["TargetHealth"]["State"] for item in health["TargetHealthDescriptions"])

    assert states() == ["healthy", "healthy"]
    assert world.cloud.virtual.listeners[0].address == fleet.balancer
    first = world.group("web")["Instances"][0]["InstanceId"]
    world.autoscaling.terminate_instance_in_auto_scaling_group(InstanceId=first, ShouldDecrementDesiredCapacity=False)
    assert states() == ["draining", "healthy"]
    world.wait(60)
    assert states() == ["healthy", "healthy"]
    world.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="web", ForceDelete=True)
    assert world.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"] == []


def test_new_ids_are_hidden_for_a_while(world: World) -> None:
    """Eventual consistency: a new id is not found until it is old enough."""
    world.cloud.faults.hide_new_ids(timedelta(seconds=10))
    instance = world.ec2.run_instances(ImageId=world.base(), **ONE)["Instances"][0]["InstanceId"]
    with pytest.raises(ClientError) as error:
        world.ec2.describe_instances(InstanceIds=[instance])
    assert code(error) == "InvalidInstanceID.NotFound"
    world.wait(11)
    assert world.ec2.describe_instances(InstanceIds=[instance])["Reservations"]


def test_unknown_operations_say_so(world: World) -> None:
    """An operation that neither moto nor the sandbox has is UnsupportedOperation."""
    with pytest.raises(ClientError) as error:
        world.autoscaling.describe_adjustment_types()
    assert code(error) == "UnsupportedOperation"


def test_lost_answer_over_http(served: World) -> None:
    """An answer that is lost is asked for again by the client, and the token keeps it at one instance."""
    served.cloud.faults.lose_answer("ec2:RunInstances", times=1)
    served.cloud.faults.throttle("ec2:DescribeInstances", times=1)
    served.cloud.faults.reset("ec2:DescribeImages", times=1)
    served.ec2.run_instances(ImageId=served.base(), **ONE)
    assert len(served.ec2.describe_instances()["Reservations"]) == 1
    assert served.ec2.describe_images(Owners=["amazon"])["Images"]


def test_a_cloud_is_used_once() -> None:
    """A cloud that is up, or was, cannot come up again."""
    cloud = Cloud(clock=ManualClock())
    with cloud.in_process(), pytest.raises(UsageError), cloud.serve():
        pass
