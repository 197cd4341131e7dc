"""What EC2 is asked for images and launch templates, and how its answers are read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from pipeline.aws.images import Ec2Images
from pipeline.aws.session import Clients
from pipeline.aws.templates import Ec2Templates
from pipeline.errors import NotFound
from pipeline.model.fleets import TemplateVersion
from pipeline.model.ids import BakeKey, ImageId, SnapshotId, TemplateId
from pipeline.model.images import Architecture, Image
from pipeline.sandbox.clock import ManualClock

Stub = Callable[[str], Stubber]

TEMPLATE = TemplateId("lt-0abc")
NEW = ImageId("ami-new")

OURS = Image(
    id=NEW,
    name="web",
    owner="1",
    architecture="x86_64",
    state="available",
    created=datetime(2026, 10, 1, tzinfo=UTC),
    snapshots=(SnapshotId("snap-1"), SnapshotId("snap-2")),
)


def image(name: str, day: int, **more: Any) -> dict[str, Any]:
    """Make an image as DescribeImages answers it."""
    return {
        "ImageId": f"ami-{name}",
        "Name": name,
        "OwnerId": "123456789012",
        "Architecture": "x86_64",
        "State": "available",
        "CreationDate": f"2026-10-{day:02}T12:00:00.000Z",
        **more,
    }


def answer_images(stub: Stub, *images: dict[str, Any], **asked: Any) -> None:
    """Let the next DescribeImages answer these, if it asks so."""
    everything = {"IncludeDeprecated": True, "IncludeDisabled": True}
    stub("ec2").add_response("describe_images", {"Images": list(images)}, {**everything, **asked})


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


def test_images_are_fetched_by_filter(clients: Clients, clock: ManualClock, stub: Stub) -> None:
    """An id that does not exist is simply not in the answer; mappings without snapshot are no snapshots."""
    mappings = [
        {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": "snap-1"}},
        {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"},
    ]
    answer_images(
        stub,
        image(
            "a",
            1,
            RootDeviceName="/dev/xvda",
            BlockDeviceMappings=mappings,
            StateReason={"Code": "x", "Message": "why"},
            Platform="windows",
            Tags=[{"Key": "rebake:family", "Value": "web"}],
        ),
        Owners=[],
        Filters=[{"Name": "image-id", "Values": ["ami-a", "ami-b"]}],
    )
    found = Ec2Images(clients, clock).get([ImageId("ami-b"), ImageId("ami-a"), ImageId("ami-a")])
    assert list(found) == ["ami-a"]
    entry = found[ImageId("ami-a")]
    assert entry == Image(
        id=ImageId("ami-a"),
        name="a",
        owner="123456789012",
        architecture="x86_64",
        state="available",
        created=datetime(2026, 10, 1, 12, tzinfo=UTC),
        root_device="/dev/xvda",
        snapshots=(SnapshotId("snap-1"),),
        state_reason="why",
        platform="windows",
        tags={"rebake:family": "web"},
    )


def test_no_ids_ask_nothing(clients: Clients, clock: ManualClock) -> None:
    """Nothing to fetch is no call."""
    assert Ec2Images(clients, clock).get([]) == {}


def test_the_newest_image_of_an_owner(clients: Clients, clock: ManualClock, stub: Stub) -> None:
    """The owner is always sent; deprecated images lose against any that is not, whatever their age."""
    answer_images(
        stub,
        image("old", 1),
        image("good", 2, DeprecationTime="2027-01-01T00:00:00.000Z"),
        image("withdrawn", 3, DeprecationTime="2026-10-20T00:00:00.000Z"),
        Owners=["123456789012"],
        Filters=[
            {"Name": "name", "Values": ["debian-*"]},
            {"Name": "state", "Values": ["available"]},
            {"Name": "architecture", "Values": ["arm64"]},
        ],
    )
    found = Ec2Images(clients, clock).newest(owner="123456789012", name="debian-*", architecture=Architecture.ARM64)
    assert found is not None
    assert found.id == "ami-good"


def test_a_deprecated_image_is_better_than_none(clients: Clients, clock: ManualClock, stub: Stub) -> None:
    """A release whose images are all deprecated can still be baked from; an empty answer is None."""
    stub("ec2").add_response("describe_images", {"Images": [image("a", 1, DeprecationTime="2026-10-20T00:00:00Z")]})
    stub("ec2").add_response("describe_images", {"Images": []})
    images = Ec2Images(clients, clock)
    found = images.newest(owner="amazon", name="a*", architecture=Architecture.X86_64)
    assert found is not None
    assert found.id == "ami-a"
    assert images.newest(owner="amazon", name="a*", architecture=Architecture.X86_64) is None


def test_our_images_are_found_by_tags(clients: Clients, clock: ManualClock, stub: Stub) -> None:
    """Newest first; the key narrows the family."""
    family = {"Name": "tag:rebake:family", "Values": ["web"]}
    key = {"Name": "tag:rebake:bake-key", "Values": ["4f2a"]}
    answer_images(stub, image("a", 1), image("b", 2), Owners=["self"], Filters=[family])
    answer_images(stub, Owners=["self"], Filters=[family, key])
    images = Ec2Images(clients, clock)
    assert [entry.id for entry in images.baked(family="web")] == ["ami-b", "ami-a"]
    assert images.baked(family="web", key=BakeKey("4f2a")) == ()


def test_an_image_is_found_by_its_exact_name(clients: Clients, clock: ManualClock, stub: Stub) -> None:
    """The filter takes patterns, so that the name is compared again."""
    asked = {"Owners": ["self"], "Filters": [{"Name": "name", "Values": ["web-1"]}]}
    answer_images(stub, image("web-1x", 1), image("web-1", 2, State="pending"), **asked)
    answer_images(stub, **asked)
    images = Ec2Images(clients, clock)
    found = images.named("web-1")
    assert found is not None
    assert (found.id, found.state) == ("ami-web-1", "pending")
    assert images.named("web-1") is None


def test_tags_go_on_image_and_snapshots_in_one_call(clients: Clients, clock: ManualClock, stub: Stub) -> None:
    """One call cannot leave the image tagged and its snapshots not."""
    stub("ec2").add_response(
        "create_tags",
        {},
        {"Resources": ["ami-new", "snap-1", "snap-2"], "Tags": [{"Key": "rebake:stage", "Value": "tested"}]},
    )
    images = Ec2Images(clients, clock)
    images.tag(OURS, {"rebake:stage": "tested"})
    images.tag(OURS, {})


def test_imds_v2_becomes_the_image_s_default(clients: Clients, clock: ManualClock, stub: Stub) -> None:
    """The attribute belongs to the image, so that every launch from it has it."""
    stub("ec2").add_response("modify_image_attribute", {}, {"ImageId": "ami-new", "ImdsSupport": {"Value": "v2.0"}})
    Ec2Images(clients, clock).require_imds_v2(OURS)


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
        "describe_images", {"Images": [image("new", 1, RootDeviceName="/dev/xvda")]}, {"ImageIds": ["ami-new"]}
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
