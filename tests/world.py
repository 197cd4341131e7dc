"""Builds things in a sandbox cloud through boto3: what a user's account holds before Rebake comes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

from pipeline.sandbox.calls import Call
from pipeline.sandbox.clock import SandboxClock
from pipeline.sandbox.cloud import Cloud

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.client import AutoScalingClient
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef, InstanceRefreshTypeDef
    from mypy_boto3_cloudwatch.client import CloudWatchClient
    from mypy_boto3_ec2.client import EC2Client
    from mypy_boto3_elbv2.client import ElasticLoadBalancingv2Client
    from mypy_boto3_ssm.client import SSMClient

DEBIAN = "/aws/service/debian/release/12/latest/amd64"
REGION = "us-east-1"


@cache
def client(service: str, region: str, endpoint: str | None) -> Any:
    """Make a client once for all tests: making one takes longer than most tests."""
    session = boto3.Session(aws_access_key_id="sandbox", aws_secret_access_key="sandbox", region_name=region)
    make: Any = session.client
    return make(service, endpoint_url=endpoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """An Auto Scaling group with what belongs to it; the last three are empty for one without a load balancer."""

    group: str
    template: str
    version: int
    image: str
    target_group: str = ""
    listener: str = ""
    balancer: str = ""


class World:
    """An account in a cloud, seen through boto3. ``endpoint`` None means: the cloud is up in this process."""

    def __init__(self, cloud: Cloud[Any], *, endpoint: str | None = None, region: str = REGION) -> None:
        self.cloud = cloud
        self._clock: SandboxClock = cloud.clock
        self._at = (region, endpoint)
        self.ec2: EC2Client = self.client("ec2")
        self.autoscaling: AutoScalingClient = self.client("autoscaling")
        self.elbv2: ElasticLoadBalancingv2Client = self.client("elbv2")
        self.ssm: SSMClient = self.client("ssm")
        self.cloudwatch: CloudWatchClient = self.client("cloudwatch")

    @property
    def changed(self) -> tuple[Call, ...]:
        """The calls that asked for a change, but those that say who works on what."""
        calls = self.cloud.calls.mutating
        return tuple(call for call in calls if "/leases/" not in json.dumps(call.parameters, default=str))

    def client(self, service: str) -> Any:
        """Make a client of any service."""
        return client(service, *self._at)

    def wait(self, seconds: float) -> None:
        """Let the cloud's time pass."""
        self._clock.sleep(timedelta(seconds=seconds))

    def base(self, parameter: str = DEBIAN) -> str:
        """Look the newest base image up."""
        return self.ssm.get_parameter(Name=parameter)["Parameter"]["Value"]

    def image(self, name: str, *, behaviour: str = "", tags: dict[str, str] | None = None) -> str:
        """Make an image of one's own of the Debian base, available when this returns (half a minute passes)."""
        instance = self.ec2.run_instances(ImageId=self.base(), InstanceType="t3.small", MinCount=1, MaxCount=1)
        id_ = instance["Instances"][0]["InstanceId"]
        self.wait(self.cloud.virtual.boot_time.total_seconds() + 1)
        every = dict(tags or {}) | ({"sandbox:behaviour": behaviour} if behaviour else {})
        image = self.ec2.create_image(InstanceId=id_, Name=name)["ImageId"]
        if every:
            marks = [{"Key": key, "Value": value} for key, value in every.items()]
            mappings = self.ec2.describe_images(ImageIds=[image])["Images"][0]["BlockDeviceMappings"]
            disks = [mapping["Ebs"]["SnapshotId"] for mapping in mappings if "Ebs" in mapping]
            self.ec2.create_tags(Resources=[image, *disks], Tags=marks)  # type: ignore[arg-type] # plain dicts will do
        self.wait(self.cloud.virtual.freeze_time.total_seconds() + 1)
        self.ec2.terminate_instances(InstanceIds=[id_])
        return image

    def template(self, name: str, image: str, **data: Any) -> str:
        """Make a launch template with a first version."""
        wanted: Any = {"ImageId": image, "InstanceType": "t3.small", **data}
        made = self.ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=wanted)
        return made["LaunchTemplate"]["LaunchTemplateId"]

    def version(self, template: str, **data: Any) -> int:
        """Make a version from the newest one."""
        wanted: Any = data
        made = self.ec2.create_launch_template_version(
            LaunchTemplateId=template, SourceVersion="$Latest", LaunchTemplateData=wanted
        )
        return made["LaunchTemplateVersion"]["VersionNumber"]

    def fleet(
        self, name: str, image: str, *, size: int = 4, balanced: bool = False, settle: float = 60, **group: Any
    ) -> Fleet:
        """Make a group of ``size`` on an image, balanced or not, and let it settle."""
        template = self.template(name, image)
        fleet = Fleet(group=name, template=template, version=1, image=image)
        if balanced:
            fleet = self._balanced(name, template, image)
            group = {"TargetGroupARNs": [fleet.target_group], "HealthCheckType": "ELB", **group}
        wanted: dict[str, Any] = {
            "AutoScalingGroupName": name,
            "MinSize": 0,
            "MaxSize": max(2 * size, 4),
            "DesiredCapacity": size,
            "LaunchTemplate": {"LaunchTemplateId": template, "Version": "1"},
            "AvailabilityZones": ["us-east-1a", "us-east-1b"],
            **group,
        }
        self.autoscaling.create_auto_scaling_group(**wanted)
        self.wait(settle)
        return fleet

    def _balanced(self, name: str, template: str, image: str) -> Fleet:
        subnets = self.ec2.describe_subnets()["Subnets"][:2]
        made = self.elbv2.create_load_balancer(Name=name, Subnets=[subnet["SubnetId"] for subnet in subnets])
        balancer = made["LoadBalancers"][0]
        target_group = self.elbv2.create_target_group(
            Name=name, Protocol="HTTP", Port=8080, VpcId=subnets[0]["VpcId"], HealthCheckPath="/health"
        )["TargetGroups"][0]["TargetGroupArn"]
        self.elbv2.modify_target_group_attributes(
            TargetGroupArn=target_group,
            Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "20"}],
        )
        listener = self.elbv2.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Protocol="HTTP",
            Port=8000,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": target_group}],
        )["Listeners"][0]["ListenerArn"]
        return Fleet(
            group=name,
            template=template,
            version=1,
            image=image,
            target_group=target_group,
            listener=listener,
            balancer=balancer["DNSName"],
        )

    def group(self, name: str) -> AutoScalingGroupTypeDef:
        """Look a group up."""
        return self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0]

    def versions(self, name: str) -> list[str]:
        """List the launch template versions of a group's instances in service, sorted."""
        return sorted(
            member["LaunchTemplate"]["Version"]
            for member in self.group(name)["Instances"]
            if member["LifecycleState"] == "InService"
        )

    def start(self, fleet: Fleet, version: int | str | None = None, **preferences: Any) -> str:
        """Start a refresh, towards a version of the fleet's template when one is given."""
        more: dict[str, Any] = {}
        if version is not None:
            template = {"LaunchTemplateId": fleet.template, "Version": str(version)}
            more["DesiredConfiguration"] = {"LaunchTemplate": template}
        if preferences:
            more["Preferences"] = preferences
        started = self.autoscaling.start_instance_refresh(AutoScalingGroupName=fleet.group, **more)
        return started["InstanceRefreshId"]

    def refresh(self, name: str) -> InstanceRefreshTypeDef:
        """Look the newest refresh of a group up."""
        return self.autoscaling.describe_instance_refreshes(AutoScalingGroupName=name)["InstanceRefreshes"][0]
