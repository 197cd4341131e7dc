"""What EC2 is asked for images, and how its answers are read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aws.answers import Stub

from pipeline.aws.images import Ec2Images
from pipeline.aws.session import Clients
from pipeline.model.ids import BakeKey, ImageId, SnapshotId
from pipeline.model.images import Architecture, Image
from pipeline.sandbox.clock import ManualClock

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
        imds_v2=False,
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


def test_our_images_are_found_by_name(clients: Clients, clock: ManualClock, stub: Stub) -> None:
    """Newest first, in every state; the name may be a pattern."""
    asked = {"Owners": ["self"], "Filters": [{"Name": "name", "Values": ["web-?"]}]}
    answer_images(stub, image("web-1", 1), image("web-2", 2, State="pending", ImdsSupport="v2.0"), **asked)
    found = Ec2Images(clients, clock).named("web-?")
    assert [(one.id, one.state, one.imds_v2) for one in found] == [
        ("ami-web-2", "pending", True),
        ("ami-web-1", "available", False),
    ]


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
