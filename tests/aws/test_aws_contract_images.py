"""Images, templates and channels as their callers know them, on the sandbox."""

from __future__ import annotations

from datetime import timedelta

import pytest
from aws.account import STABLE, Account

from pipeline.errors import NotFound, RebakeError, Unavailable
from pipeline.model.ids import ImageId, TemplateId
from pipeline.model.images import Architecture
from pipeline.model.names import TAG_FAMILY
from pipeline.sandbox.bases import DEBIAN


def test_public_images_are_found_by_owner(account: Account) -> None:
    """An owner that has no such image has none; another architecture is another image."""
    base = account.base()
    assert base.owner == DEBIAN
    arm = account.images.newest(owner=DEBIAN, name="debian-12-*", architecture=Architecture.ARM64)
    assert arm is not None
    assert arm.id != base.id
    assert account.images.newest(owner="self", name="debian-12-*", architecture=Architecture.X86_64) is None


def test_a_newer_base_is_the_newest(account: Account) -> None:
    """Publishing one moves the answer; the old one can still be fetched."""
    old = account.base()
    account.cloud.clock.advance(timedelta(days=1))
    account.cloud.publish_base(like="debian-12-amd64", name="debian-12-amd64-20261201-1")
    new = account.base()
    assert new.name == "debian-12-amd64-20261201-1"
    assert set(account.images.get([old.id, new.id, ImageId("ami-00000000000000000")])) == {old.id, new.id}


def test_images_of_ours_are_found_by_family_and_name(account: Account) -> None:
    """Tags written on an image are read back, and stand on its snapshots."""
    image = account.bake()
    assert image.state == "available"
    assert image.snapshots
    account.images.tag(image, {TAG_FAMILY: "web"})
    account.images.require_imds_v2(image)
    assert [found.id for found in account.images.baked(family="web")] == [image.id]
    assert account.images.baked(family="other") == ()
    assert [(found.id, found.imds_v2) for found in account.images.named("web-?")] == [(image.id, True)]
    assert account.images.named("web-??") == ()
    snapshot = account.clients.ec2.describe_snapshots(SnapshotIds=list(image.snapshots))["Snapshots"][0]
    assert {"Key": TAG_FAMILY, "Value": "web"} in snapshot["Tags"]


def test_template_versions_inherit_and_replay(account: Account) -> None:
    """A new version keeps type and data volume, changes the image, and is made once for one token."""
    source = account.template()
    image = account.bake()
    made = account.templates.create_version(source, image=image.id, description="rebake web", token="t1")
    again = account.templates.create_version(source, image=image.id, description="rebake web", token="t1")
    assert (made.number, made.image, made.description) == (2, image.id, "rebake web")
    assert again.number == 2
    assert made.mapped_snapshots == source.mapped_snapshots
    assert list(made.mapped_snapshots) == ["/dev/sdf"]
    assert [version.number for version in account.templates.versions(source.id)] == [2, 1]
    latest = account.templates.version(source.id, "$Latest")
    assert (latest.number, latest.instance_type) == (2, "t3.small")
    default = account.templates.version(source.id, "$Default")
    assert (default.number, default.default) == (1, True)


def test_templates_that_do_not_exist_are_not_found(account: Account) -> None:
    """Neither a template nor a version of one."""
    with pytest.raises(NotFound):
        account.templates.version(TemplateId("lt-00000000000000000"), "1")
    with pytest.raises(NotFound):
        account.templates.version(account.template().id, "9")


def test_a_channel_moves_and_remembers(account: Account) -> None:
    """Every move is a version; an image that does not exist is refused and the channel stays."""
    first, second = account.base(), account.bake()
    assert account.channels.current(STABLE) is None
    assert account.channels.history(STABLE) == ()
    assert account.channels.move(STABLE, first.id) == 1
    assert account.channels.move(STABLE, second.id) == 2
    assert account.channels.current(STABLE) == second.id
    assert [(entry.version, entry.image) for entry in account.channels.history(STABLE)] == [
        (2, second.id),
        (1, first.id),
    ]
    with pytest.raises(RebakeError):
        account.channels.move(STABLE, ImageId("ami-00000000000000000"))
    assert account.channels.current(STABLE) == second.id


def test_a_move_whose_answer_is_lost_is_one_version(account: Account) -> None:
    """A retry by the SDK would write it again; one that was never executed is written in the end, or told."""
    image, other = account.base().id, account.bake().id
    faults = account.cloud.faults
    faults.lose_answer("ssm:PutParameter", times=1)
    assert account.channels.move(STABLE, image) == 1
    faults.reset("ssm:PutParameter", times=3)
    assert account.channels.move(STABLE, other) == 2
    faults.throttle("ssm:PutParameter")
    with pytest.raises(Unavailable):
        account.channels.move(STABLE, image)
    assert [entry.image for entry in account.channels.history(STABLE)] == [other, image]


def test_public_parameters_are_channels_to_read(account: Account) -> None:
    """The one of a distribution names its newest image."""
    image = account.channels.current("/aws/service/debian/release/12/latest/amd64")
    assert image == account.base().id
