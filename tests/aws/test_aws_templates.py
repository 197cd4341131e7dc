"""What EC2 is asked for launch templates, and how its answers are read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from aws.answers import Stub

from pipeline.aws.session import Clients
from pipeline.aws.templates import Ec2Templates
from pipeline.errors import NotFound
from pipeline.model.fleets import TemplateVersion
from pipeline.model.ids import ImageId, SnapshotId, TemplateId

TEMPLATE = TemplateId("lt-0abc")
NEW = ImageId("ami-new")


def version(number: int, **data: Any) -> dict[str, Any]:
    """Make a launch template version as AWS answers it."""
    return {
        "LaunchTemplateId": TEMPLATE,
        "VersionNumber": number,
        "VersionDescription": f"number {number}",
        "DefaultVersion": number == 1,
        "CreateTime": datetime(2026, 10, number, tzinfo=UTC),
        "LaunchTemplateData": data,
    }


def test_a_template_version_is_read(clients: Clients, stub: Stub) -> None:
    """Image aliases stay as they are written; the profile is a name or an ARN."""
    data = {
        "ImageId": "resolve:ssm:/rebake/web/stable",
        "InstanceType": "t3.small",
        "IamInstanceProfile": {"Arn": "arn:aws:iam::1:instance-profile/web"},
        "UserData": "IyEvYmluL3No",
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20}},
            {"DeviceName": "/dev/sdf", "Ebs": {"SnapshotId": "snap-data"}},
        ],
    }
    stub("ec2").add_response(
        "describe_launch_template_versions",
        {"LaunchTemplateVersions": [version(3, **data)]},
        {"LaunchTemplateId": TEMPLATE, "Versions": ["$Latest"]},
    )
    assert Ec2Templates(clients).version(TEMPLATE, "$Latest") == TemplateVersion(
        id=TEMPLATE,
        number=3,
        image="resolve:ssm:/rebake/web/stable",
        description="number 3",
        created=datetime(2026, 10, 3, tzinfo=UTC),
        instance_type="t3.small",
        instance_profile="arn:aws:iam::1:instance-profile/web",
        user_data="IyEvYmluL3No",
        mapped_snapshots={"/dev/sdf": SnapshotId("snap-data")},
    )


def test_a_missing_version_is_not_found(clients: Clients, stub: Stub) -> None:
    """An error of AWS and an empty answer mean the same."""
    ec2 = stub("ec2")
    ec2.add_client_error("describe_launch_template_versions", "InvalidLaunchTemplateId.VersionNotFound")
    ec2.add_response("describe_launch_template_versions", {"LaunchTemplateVersions": []})
    for _ in range(2):
        with pytest.raises(NotFound):
            Ec2Templates(clients).version(TEMPLATE, "99")


def test_versions_are_paged_newest_first(clients: Clients, stub: Stub) -> None:
    """Pages are as large as AWS allows."""
    asked = {"LaunchTemplateId": TEMPLATE, "MaxResults": 200}
    ec2 = stub("ec2")
    ec2.add_response(
        "describe_launch_template_versions", {"LaunchTemplateVersions": [version(1)], "NextToken": "n"}, asked
    )
    ec2.add_response(
        "describe_launch_template_versions", {"LaunchTemplateVersions": [version(2)]}, {**asked, "NextToken": "n"}
    )
    found = Ec2Templates(clients).versions(TEMPLATE)
    assert [entry.number for entry in found] == [2, 1]
    assert found[1].default


def test_a_version_without_mapped_snapshots_states_only_the_image(clients: Clients, stub: Stub) -> None:
    """Everything else is inherited from the source version."""
    stub("ec2").add_response(
        "create_launch_template_version",
        {"LaunchTemplateVersion": version(4, ImageId="ami-new")},
        {
            "LaunchTemplateId": TEMPLATE,
            "SourceVersion": "3",
            "VersionDescription": "rebake web",
            "LaunchTemplateData": {"ImageId": "ami-new"},
            "ClientToken": "token",
        },
    )
    source = TemplateVersion(id=TEMPLATE, number=3, image="ami-old")
    made = Ec2Templates(clients).create_version(source, image=NEW, description="rebake web", token="token")
    assert (made.number, made.image) == (4, "ami-new")


@pytest.mark.parametrize(
    ("root", "stated"),
    [
        ({"SnapshotId": "snap-root", "VolumeSize": 20, "VolumeType": "gp3"}, {"VolumeSize": 20, "VolumeType": "gp3"}),
        ({"SnapshotId": "snap-root"}, None),
    ],
)
def test_mapped_snapshots_are_stated_again_except_the_root(
    clients: Clients, stub: Stub, root: dict[str, Any], stated: dict[str, Any] | None
) -> None:
    """AWS drops snapshots that are not stated; the old root's must not come back under the new image."""
    others = [
        {"DeviceName": "/dev/sdf", "Ebs": {"SnapshotId": "snap-data", "DeleteOnTermination": True}},
        {"DeviceName": "/dev/sdg", "VirtualName": "ephemeral0"},
    ]
    ec2 = stub("ec2")
    ec2.add_response(
        "describe_launch_template_versions",
        {
            "LaunchTemplateVersions": [
                version(3, BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": root}, *others])
            ]
        },
        {"LaunchTemplateId": TEMPLATE, "Versions": ["3"]},
    )
    ec2.add_response(
        "describe_images",
        {"Images": [{"ImageId": "ami-new", "RootDeviceName": "/dev/xvda"}]},
        {"ImageIds": ["ami-new"]},
    )
    first = [{"DeviceName": "/dev/xvda", "Ebs": stated}] if stated else []
    ec2.add_response(
        "create_launch_template_version",
        {"LaunchTemplateVersion": version(4)},
        {
            "LaunchTemplateId": TEMPLATE,
            "SourceVersion": "3",
            "VersionDescription": "d",
            "LaunchTemplateData": {"ImageId": "ami-new", "BlockDeviceMappings": [*first, *others]},
            "ClientToken": "token",
        },
    )
    source = TemplateVersion(
        id=TEMPLATE, number=3, image="ami-old", mapped_snapshots={"/dev/sdf": SnapshotId("snap-data")}
    )
    Ec2Templates(clients).create_version(source, image=NEW, description="d", token="token")


def test_a_version_for_an_image_that_is_gone_is_refused(clients: Clients, stub: Stub) -> None:
    """Its root device cannot be known, so nothing is made."""
    mappings = [{"DeviceName": "/dev/sdf", "Ebs": {"SnapshotId": "snap-data"}}]
    ec2 = stub("ec2")
    ec2.add_response(
        "describe_launch_template_versions", {"LaunchTemplateVersions": [version(3, BlockDeviceMappings=mappings)]}
    )
    ec2.add_response("describe_images", {"Images": []})
    source = TemplateVersion(
        id=TEMPLATE, number=3, image="ami-old", mapped_snapshots={"/dev/sdf": SnapshotId("snap-data")}
    )
    with pytest.raises(NotFound, match="ami-new"):
        Ec2Templates(clients).create_version(source, image=NEW, description="d", token="token")
