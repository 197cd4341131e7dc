from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from world import World

from pipeline.sandbox.machines import CommandOutput

ONE: Any = {"InstanceType": "t3.small", "MinCount": 1, "MaxCount": 1}
ZONES: Any = {"AvailabilityZones": ["us-east-1a"], "MinSize": 0, "MaxSize": 4}


def refused(call: Any, *arguments: Any, **parameters: Any) -> str:
    """Make a call that must be refused, and answer the code."""
    with pytest.raises(ClientError) as error:
        call(*arguments, **parameters)
    return error.value.response["Error"]["Code"]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"InstanceType": "t9.huge"}, "InvalidParameterValue"),
        ({"InstanceType": "t4g.small"}, "InvalidParameterValue"),
        ({"KeyName": "none"}, "InvalidKeyPair.NotFound"),
        ({"ImageId": "ami-00000000"}, "InvalidAMIID.NotFound"),
        ({"ImageId": "debian"}, "InvalidAMIID.Malformed"),
        ({"ImageId": "resolve:ssm:/none"}, "InvalidParameterValue"),
        ({"MinCount": 2}, "InvalidParameterValue"),
        ({"LaunchTemplate": {"LaunchTemplateName": "none"}}, "InvalidLaunchTemplateName.NotFoundException"),
        ({"LaunchTemplate": {"LaunchTemplateId": "lt-00000000"}}, "InvalidLaunchTemplateId.NotFound"),
    ],
)
def test_launches_that_are_refused(world: World, asked: dict[str, Any], code: str) -> None:
    """A launch names what exists and fits together, or is refused with EC2's code; nothing is launched."""
    assert refused(world.ec2.run_instances, **{"ImageId": world.base(), **ONE, **asked}) == code
    assert world.ec2.describe_instances()["Reservations"] == []


def test_key_pairs_reach_the_machine(world: World) -> None:
    """The public key of a launch's key pair is the machine's authorized key."""
    world.ec2.create_key_pair(KeyName="mine")
    id_ = world.ec2.run_instances(ImageId=world.base(), KeyName="mine", **ONE)["Instances"][0]["InstanceId"]
    assert world.cloud.virtual.spec(id_).authorized_keys[0].startswith("ssh-rsa ")


def test_instances_that_ended_neither_stop_nor_go_protected(world: World) -> None:
    """A protected instance is not terminated; one that has ended cannot be stopped."""
    kept = world.ec2.run_instances(ImageId=world.base(), DisableApiTermination=True, **ONE)["Instances"][0]
    assert refused(world.ec2.terminate_instances, InstanceIds=[kept["InstanceId"]]) == "OperationNotPermitted"
    gone = world.ec2.run_instances(ImageId=world.base(), **ONE)["Instances"][0]["InstanceId"]
    world.ec2.terminate_instances(InstanceIds=[gone])
    world.wait(10)
    assert refused(world.ec2.stop_instances, InstanceIds=[gone]) == "IncorrectInstanceState"


def test_devices_are_laid_over_the_images_own(world: World) -> None:
    """A launch changes the root device, adds one, and leaves one out."""
    mapping: Any = [
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 30}},
        {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5}},
        {"DeviceName": "/dev/sdg", "NoDevice": ""},
    ]
    world.ec2.run_instances(ImageId=world.base(), BlockDeviceMappings=mapping, **ONE)
    assert sorted(volume["Size"] for volume in world.ec2.describe_volumes()["Volumes"]) == [5, 30]


def test_templates_are_named_once_and_paged(world: World) -> None:
    """Id and name together are refused, versions come by range, alias and page, the default one stays."""
    template = world.template("web", world.base())
    for _ in range(3):
        world.version(template, InstanceType="t3.medium")
    describe = world.ec2.describe_launch_template_versions
    both: Any = {"LaunchTemplateId": template, "LaunchTemplateName": "web"}
    assert refused(describe, **both) == "InvalidParameterCombination"
    assert refused(describe) == "MissingParameter"
    assert refused(describe, Versions=["1"]) == "InvalidParameterValue"
    assert refused(describe, LaunchTemplateId=template, Versions=["9"]) == "InvalidLaunchTemplateId.VersionNotFound"
    assert [each["VersionNumber"] for each in describe(Versions=["$Latest"])["LaunchTemplateVersions"]] == [4]
    ranged = describe(LaunchTemplateName="web", MinVersion="2", MaxVersion="3")["LaunchTemplateVersions"]
    assert [each["VersionNumber"] for each in ranged] == [3, 2]
    first = describe(LaunchTemplateId=template, MaxResults=3)
    rest = describe(LaunchTemplateId=template, NextToken=first["NextToken"])
    assert [each["VersionNumber"] for each in rest["LaunchTemplateVersions"]] == [1]
    deleted = world.ec2.delete_launch_template_versions(LaunchTemplateId=template, Versions=["1", "9"])
    failures = deleted["UnsuccessfullyDeletedLaunchTemplateVersions"]
    assert [failure["VersionNumber"] for failure in failures] == [1, 9]
    found = world.ec2.describe_launch_templates(LaunchTemplateNames=["web"])["LaunchTemplates"][0]
    assert (found["DefaultVersionNumber"], found["LatestVersionNumber"]) == (1, 4)
    assert refused(world.ec2.describe_launch_templates, LaunchTemplateIds=["lt-00000000"]).endswith("NotFound")


def test_aliases_are_resolved_when_asked(world: World) -> None:
    """A version says its alias, or on request the image that it means now."""
    template = world.template("web", "resolve:ssm:/aws/service/debian/release/12/latest/amd64")

    def image(*, resolve: bool) -> str:
        found = world.ec2.describe_launch_template_versions(LaunchTemplateId=template, ResolveAlias=resolve)
        return found["LaunchTemplateVersions"][0]["LaunchTemplateData"]["ImageId"]

    assert image(resolve=False).startswith("resolve:ssm:")
    assert image(resolve=True) == world.base()


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"MinSize": 5},
        {"DesiredCapacity": 9},
        {"MinSize": 2, "DesiredCapacity": 1},
        {"AvailabilityZones": ["mars-1a"]},
        {"LaunchConfigurationName": "none"},
        {"InstanceId": "i-00000000"},
        {"TargetGroupARNs": ["arn:none"]},
        {"LaunchTemplate": {"LaunchTemplateId": "lt-0", "LaunchTemplateName": "web"}},
    ],
)
def test_groups_that_are_refused(world: World, asked: dict[str, Any]) -> None:
    """A group needs something to launch, somewhere to launch it, and sizes that agree."""
    world.template("web", world.base())
    template: Any = (
        {}
        if {"LaunchConfigurationName", "InstanceId"} & asked.keys() or not asked
        else {"LaunchTemplate": {"LaunchTemplateName": "web"}}
    )
    create = world.autoscaling.create_auto_scaling_group
    assert refused(create, AutoScalingGroupName="web", **{**ZONES, **template, **asked}) == "ValidationError"
    assert world.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"] == []


def test_a_template_without_an_image_makes_no_group(world: World) -> None:
    """A launch template must be fully formed."""
    made = world.ec2.create_launch_template(LaunchTemplateName="bare", LaunchTemplateData={"InstanceType": "t3.small"})
    template: Any = {"LaunchTemplateId": made["LaunchTemplate"]["LaunchTemplateId"]}
    create = world.autoscaling.create_auto_scaling_group
    assert refused(create, AutoScalingGroupName="web", LaunchTemplate=template, **ZONES) == "ValidationError"


def test_groups_are_updated_in_every_part(world: World) -> None:
    """Subnets, health check, warm-up, maintenance policy and protection are rewritten; subnets decide the zone."""
    world.fleet("web", world.base(), size=1)
    subnet = world.ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": ["us-east-1c"]}])["Subnets"][0]
    world.autoscaling.update_auto_scaling_group(
        AutoScalingGroupName="web",
        VPCZoneIdentifier=subnet["SubnetId"],
        HealthCheckType="ELB",
        DefaultInstanceWarmup=30,
        InstanceMaintenancePolicy={"MinHealthyPercentage": 90, "MaxHealthyPercentage": 120},
        NewInstancesProtectedFromScaleIn=True,
        DesiredCapacity=2,
    )
    world.wait(60)
    group = world.group("web")
    assert (group["HealthCheckType"], group["DefaultInstanceWarmup"]) == ("ELB", 30)
    assert group["InstanceMaintenancePolicy"] == {"MinHealthyPercentage": 90, "MaxHealthyPercentage": 120}
    newest = group["Instances"][-1]
    assert (newest["AvailabilityZone"], newest["ProtectedFromScaleIn"]) == ("us-east-1c", True)


def test_members_are_named_and_in_the_right_state(world: World) -> None:
    """Standby, protection and termination ask for a member in the right state and for room below the minimum."""
    world.fleet("web", world.base(), size=1, MinSize=1)
    name: Any = {"AutoScalingGroupName": "web"}
    (member,) = [each["InstanceId"] for each in world.group("web")["Instances"]]
    asg = world.autoscaling
    down: Any = {"InstanceIds": [member], "ShouldDecrementDesiredCapacity": True}
    assert refused(asg.enter_standby, **name, **down) == "ValidationError"
    assert refused(asg.exit_standby, **name, InstanceIds=[member]) == "ValidationError"
    end = asg.terminate_instance_in_auto_scaling_group
    assert refused(end, InstanceId=member, ShouldDecrementDesiredCapacity=True) == "ValidationError"
    assert refused(end, InstanceId="i-00000000", ShouldDecrementDesiredCapacity=True) == "ValidationError"
    assert refused(asg.suspend_processes, **name, ScalingProcesses=["Sleep"]) == "ValidationError"
    assert refused(asg.attach_load_balancer_target_groups, **name, TargetGroupARNs=["x"]) == "ValidationError"
    assert refused(asg.detach_load_balancer_target_groups, **name, TargetGroupARNs=["x"]) == "ValidationError"
    asg.update_auto_scaling_group(**name, MinSize=0)
    asg.enter_standby(**name, **down)
    assert refused(asg.enter_standby, **name, **down) == "ValidationError"
    asg.exit_standby(**name, InstanceIds=[member])
    world.wait(30)
    asg.terminate_instance_in_auto_scaling_group(InstanceId=member, ShouldDecrementDesiredCapacity=True)
    world.wait(30)
    assert world.group("web")["Instances"] == []


def test_health_reports_respect_the_grace_period(world: World) -> None:
    """Within the grace period a report of bad health counts only when told not to respect it."""
    world.fleet("web", world.base(), size=1, HealthCheckGracePeriod=3600)
    (member,) = [each["InstanceId"] for each in world.group("web")["Instances"]]
    world.autoscaling.set_instance_health(InstanceId=member, HealthStatus="Unhealthy")
    world.wait(30)
    assert [each["InstanceId"] for each in world.group("web")["Instances"]] == [member]
    world.autoscaling.set_instance_health(InstanceId=member, HealthStatus="Unhealthy", ShouldRespectGracePeriod=False)
    world.wait(60)
    assert member not in [each["InstanceId"] for each in world.group("web")["Instances"]]


def test_groups_are_found_by_tag_and_paged(world: World) -> None:
    """Groups and tags are filtered by key, value and name, and come in pages."""
    for name in ("a", "b", "c"):
        tags: Any = [{"Key": "team", "Value": name, "PropagateAtLaunch": False}]
        world.fleet(f"fleet-{name}", world.base(), size=0, settle=0, Tags=tags)
    describe = world.autoscaling.describe_auto_scaling_groups

    def named(*filters: Any) -> list[str]:
        return [group["AutoScalingGroupName"] for group in describe(Filters=list(filters))["AutoScalingGroups"]]

    assert named({"Name": "tag-key", "Values": ["team"]}) == ["fleet-a", "fleet-b", "fleet-c"]
    assert named({"Name": "tag-value", "Values": ["b"]}) == ["fleet-b"]
    assert named({"Name": "tag:team", "Values": ["a", "c"]}) == ["fleet-a", "fleet-c"]
    first = describe(MaxRecords=2)
    rest = describe(NextToken=first["NextToken"])["AutoScalingGroups"]
    assert [group["AutoScalingGroupName"] for group in rest] == ["fleet-c"]
    found = world.autoscaling.describe_tags(Filters=[{"Name": "auto-scaling-group", "Values": ["fleet-b"]}])["Tags"]
    assert [tag["Value"] for tag in found] == ["b"]


def test_commands_find_their_targets_and_refuse_the_rest(world: World) -> None:
    """Run Command takes instances by tag or id, a folder and a time; unknown documents and ids are refused."""
    scripts: list[str] = []

    def answer(script: str) -> CommandOutput:
        scripts.append(script)
        return CommandOutput(status="Success", exit_status=0)

    world.cloud.virtual.answer = answer
    marks: Any = [{"ResourceType": "instance", "Tags": [{"Key": "role", "Value": "web"}]}]
    id_ = world.ec2.run_instances(ImageId=world.base(), TagSpecifications=marks, **ONE)["Instances"][0]["InstanceId"]
    world.wait(20)
    send: Any = world.ssm.send_command
    shell: Any = {"DocumentName": "AWS-RunShellScript"}
    body = {"commands": ["id"], "workingDirectory": ["/tmp"], "executionTimeout": ["60"]}
    for key, values in (("tag:role", ["web"]), ("InstanceIds", [id_])):
        made = send(**shell, Targets=[{"Key": key, "Values": values}], Parameters=body)["Command"]
        assert made["InstanceIds"] == [id_]
    assert scripts == ["cd /tmp || exit 1\nid"] * 2
    assert send(**shell, Targets=[{"Key": "tag:role", "Values": ["db"]}])["Command"]["TargetCount"] == 0
    assert refused(send, DocumentName="AWS-Nothing", InstanceIds=[id_]) == "InvalidDocument"
    assert refused(send, **shell, Targets=[{"Key": "InstanceIds", "Values": [id_] * 51}]) == "ValidationException"
    assert refused(world.ssm.cancel_command, CommandId="0" * 36) == "InvalidCommandId"
    missing: Any = {"CommandId": "0" * 36, "InstanceId": id_}
    assert refused(world.ssm.get_command_invocation, **missing) == "InvocationDoesNotExist"
