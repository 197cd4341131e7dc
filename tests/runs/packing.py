"""A bake that dies: the EC2 calls that Packer makes, in its order, with an end after so many of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rooms import ApiBuilder
from runs.watching import KilledError

from pipeline.model.ids import ImageId
from pipeline.model.names import TAG_PURPOSE, build_name
from pipeline.ports.builder import BuildProduct, BuildRequest

WORDS = "Temporary group for Packer"
CALLS = 10
"""So many calls a build takes that change something."""


def packers_name(at: datetime, end: str = "0000-0000-0000-000000000000") -> str:
    """Name a group as Packer does."""
    return f"packer_{int(at.timestamp()):08x}-{end}"


def tag_list(tags: dict[str, str]) -> Any:
    """Write tags as EC2 takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


@dataclass(slots=True, kw_only=True)
class DyingBuilder(ApiBuilder):
    """Packer 1.6.6, killed with its whole group after ``lives`` calls."""

    lives: int = CALLS

    def build(self, request: BuildRequest, on_line: Callable[[str], None]) -> BuildProduct:
        """Build, or be killed."""
        on_line("building")
        image = ""
        for number, done in enumerate(self._calls(request), start=1):
            image = done or image
            if number == self.lives:
                raise KilledError
        return BuildProduct(image=ImageId(image))

    def _calls(self, request: BuildRequest) -> Iterator[str]:
        ec2, now = self.world.ec2, self.world.cloud.clock.now()
        key = build_name(request.run, request.family.name)
        tags = tag_list({"Name": key, **request.tags, TAG_PURPOSE: "build"})
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        ec2.create_key_pair(KeyName=key)
        yield ""
        group = ec2.create_security_group(GroupName=packers_name(now), Description=WORDS, VpcId=vpc)["GroupId"]
        yield ""
        opened: Any = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=opened)
        yield ""
        marks: Any = [{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")]
        launched = ec2.run_instances(
            ImageId=request.source.id,
            InstanceType="t3.small",
            MinCount=1,
            MaxCount=1,
            KeyName=key,
            SecurityGroupIds=[group],
            TagSpecifications=marks,
        )
        instance = launched["Instances"][0]["InstanceId"]
        self.world.wait(60)
        yield ""
        ec2.stop_instances(InstanceIds=[instance])
        self.world.wait(60)
        yield ""
        image = ec2.create_image(InstanceId=instance, Name=request.image_name)["ImageId"]
        yield image
        mapping = ec2.describe_images(ImageIds=[image])["Images"][0]["BlockDeviceMappings"]
        snapshots = [device["Ebs"]["SnapshotId"] for device in mapping]
        ec2.create_tags(Resources=[image, *snapshots], Tags=tag_list({"Name": request.image_name, **request.tags}))
        yield image
        ec2.terminate_instances(InstanceIds=[instance])
        self.world.wait(60)
        yield image
        ec2.delete_security_group(GroupId=group)
        yield image
        ec2.delete_key_pair(KeyName=key)
        yield image
