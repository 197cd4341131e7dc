"""The world that the demo needs around its fleet: a load balancer, a launch template, a group of four."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3

from pipeline.sandbox.real import open_port

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_ssm import SSMClient

SIZE = 4
_BUDGET = 90.0  # seconds that anything here may take
_PENDING_UPDATES = "apt-get -qq update && apt-get -s upgrade | awk '/^Inst/ && /-[Ss]ecurity/ {print $2, $3, $4}'"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What was made. ``url`` is the load balancer's, ``size`` the group's."""

    url: str
    target_group: str
    group: str
    listener: str
    size: int


class Sandbox:
    """The sandbox's AWS, by boto3, with the environment that the sandbox told us to export."""

    def __init__(self, endpoint: str, region: str) -> None:
        session = boto3.Session(aws_access_key_id="sandbox", aws_secret_access_key="sandbox", region_name=region)  # noqa: S106 - the sandbox has no secrets
        self.ec2: EC2Client = session.client("ec2", endpoint_url=endpoint)
        self.autoscaling: AutoScalingClient = session.client("autoscaling", endpoint_url=endpoint)
        self.elbv2: ElasticLoadBalancingv2Client = session.client("elbv2", endpoint_url=endpoint)
        self.ssm: SSMClient = session.client("ssm", endpoint_url=endpoint)

    def build_world(self, image: str, *, group: str, size: int = SIZE) -> World:
        """Make a load balancer, a target group, a launch template and a group of so many instances, all healthy."""
        subnets = [s for s in self.ec2.describe_subnets()["Subnets"] if s["DefaultForAz"]][:2]
        balancer = self.elbv2.create_load_balancer(Name=group, Subnets=[s["SubnetId"] for s in subnets])
        arn = balancer["LoadBalancers"][0]["LoadBalancerArn"]
        target_group = self._target_group(group, subnets[0]["VpcId"])
        listener = self.elbv2.create_listener(
            LoadBalancerArn=arn,
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": target_group}],
        )["Listeners"][0]["ListenerArn"]
        template = self.ec2.create_launch_template(
            LaunchTemplateName=group, LaunchTemplateData={"ImageId": image, "InstanceType": "t3.small"}
        )["LaunchTemplate"]
        self.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName=group,
            MinSize=size,
            MaxSize=size * 2,
            DesiredCapacity=size,
            LaunchTemplate={"LaunchTemplateId": template["LaunchTemplateId"], "Version": "1"},
            VPCZoneIdentifier=",".join(s["SubnetId"] for s in subnets),
            TargetGroupARNs=[target_group],
            HealthCheckType="ELB",
            HealthCheckGracePeriod=60,
        )
        wait_for(lambda: self.healthy(target_group) == size, "the fleet to be healthy")
        name = balancer["LoadBalancers"][0]["DNSName"]
        url = f"http://{name}:{open_port(80)}/"
        return World(url=url, target_group=target_group, group=group, listener=listener, size=size)

    def make_image(self, name: str, *, family: str, behaviour: str = "healthy") -> str:
        """Make an image of the newest base and mark it as a tested one of the family, without any build."""
        bases = self.ec2.describe_images(
            Owners=["136693071363"], Filters=[{"Name": "architecture", "Values": ["x86_64"]}]
        )
        base = max(bases["Images"], key=lambda image: image["CreationDate"])["ImageId"]
        instance = self.ec2.run_instances(ImageId=base, InstanceType="t3.small", MinCount=1, MaxCount=1)["Instances"][0]
        self.ec2.get_waiter("instance_running").wait(InstanceIds=[instance["InstanceId"]])
        image = self.ec2.create_image(InstanceId=instance["InstanceId"], Name=name)["ImageId"]
        self.ec2.get_waiter("image_available").wait(ImageIds=[image])
        self.ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
        tags = {"rebake:family": family, "rebake:stage": "tested", "sandbox:behaviour": behaviour}
        self.ec2.create_tags(Resources=[image], Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
        return image

    def healthy(self, target_group: str) -> int:
        """Count the healthy targets."""
        answer = self.elbv2.describe_target_health(TargetGroupArn=target_group)
        return sum(target["TargetHealth"]["State"] == "healthy" for target in answer["TargetHealthDescriptions"])

    def weights(self, world: World) -> dict[str, int]:
        """Read the listener's weights by the names of the target groups."""
        (listener,) = self.elbv2.describe_listeners(ListenerArns=[world.listener])["Listeners"]
        groups = listener["DefaultActions"][0].get("ForwardConfig", {}).get("TargetGroups", [])
        return {one["TargetGroupArn"].split("/")[1]: one.get("Weight", 1) for one in groups}

    def green_percent(self, world: World) -> int:
        """Tell the percent of traffic that does not go to the world's first target group; -1: that stands alone."""
        weights = self.weights(world)
        blue = weights.pop(world.target_group.split("/")[1], 0)
        return 100 * sum(weights.values()) // (blue + sum(weights.values())) if weights else -1

    def standing(self, world: World) -> dict[str, object]:
        """Tell what a rollout must leave as it was: groups, sizes, images, processes, protection, weights."""
        groups = self.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        found: dict[str, object] = {"weights": self.weights(world)}
        for group in groups:
            if group.get("Status"):
                continue
            members = [one for one in group["Instances"] if one["LifecycleState"] == "InService"]
            found[group["AutoScalingGroupName"]] = (
                (group["MinSize"], group["MaxSize"], group["DesiredCapacity"], len(members)),
                sorted({one["LaunchTemplate"]["Version"] for one in members}),
                [process["ProcessName"] for process in group["SuspendedProcesses"]],
                [one["InstanceId"] for one in members if one["ProtectedFromScaleIn"]],
            )
        return found

    def pending_updates(self, group: str) -> list[str]:
        """Ask an instance of the group, through Run Command, for its pending security updates."""
        groups = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])
        instance = groups["AutoScalingGroups"][0]["Instances"][0]["InstanceId"]
        command = self.ssm.send_command(
            InstanceIds=[instance], DocumentName="AWS-RunShellScript", Parameters={"commands": [_PENDING_UPDATES]}
        )["Command"]["CommandId"]
        wait_for(
            lambda: self._invocation(command, instance)["Status"] not in {"Pending", "InProgress"}, "the update list"
        )
        done = self._invocation(command, instance)
        if done["Status"] != "Success":
            raise SystemExit(f"demo: the update list could not be read: {done['StandardErrorContent']}")
        return done["StandardOutputContent"].splitlines()

    def _invocation(self, command: str, instance: str) -> dict[str, str]:
        answer = self.ssm.get_command_invocation(CommandId=command, InstanceId=instance)
        return {key: str(answer[key]) for key in ("Status", "StandardOutputContent", "StandardErrorContent")}

    def _target_group(self, name: str, vpc: str) -> str:
        arn = self.elbv2.create_target_group(
            Name=name,
            Protocol="HTTP",
            Port=80,
            VpcId=vpc,
            HealthCheckPath="/health",
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=4,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]
        self.elbv2.modify_target_group_attributes(
            TargetGroupArn=arn, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "30"}]
        )
        return arn


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until something is so; the sandbox answers in milliseconds, so it is asked often."""
    deadline = time.monotonic() + _BUDGET
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"demo: waited {_BUDGET:.0f} s in vain for {what}")
        time.sleep(0.25)
