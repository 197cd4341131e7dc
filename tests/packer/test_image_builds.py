"""Builds of images against the sandbox's API, and what is refused before Packer starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from packers import AMAZON

from pipeline.aws.calls import PACKER, PREFLIGHT
from pipeline.aws.policies import policy
from pipeline.errors import ConfigError, ToolMissing
from pipeline.model.ids import ImageId
from pipeline.model.packages import Package
from pipeline.model.settings import Connect, Family, Secret
from pipeline.packer.builder import PackerBuilder
from pipeline.ports.builder import BuildRequest
from pipeline.sandbox.clock import WallClock
from pipeline.sandbox.cloud import Cloud

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import TagTypeDef

NOT_CALLED = {
    "ec2:CreateTags@launch",  # no call: AWS asks for it at a launch with tags
    "iam:PassRole",  # likewise, at one with a profile
    "ec2:DeleteSnapshot",  # of an image that could not be finished
    "ec2:DeregisterImage",  # likewise
    "ec2:DescribeInstanceStatus",  # through Session Manager, and on AWS for Windows
    "ec2:DescribeRegions",  # where an endpoint is not of a sandbox
    "ec2:DescribeSnapshots",  # of images that are copied or shared
    "ec2:DescribeSubnets",  # where one is named
    "ec2:DescribeTags",  # by builders of volumes
    "ec2:ModifyImageAttribute",  # of images that are shared
    "ec2:ModifyInstanceAttribute",  # for enhanced networking
}
"""What Packer's policy has for cases that no sandbox makes."""


def tags(pairs: Iterable[TagTypeDef]) -> dict[str, str]:
    """Answer AWS's list of tags as a mapping."""
    return {pair["Key"]: pair["Value"] for pair in pairs}


@pytest.mark.packer
def test_an_image_of_a_template_of_ones_own(
    packer: Path,
    tmp_path: Path,
    family: Family,
    sandbox: str,
    builder_for: Callable[..., PackerBuilder],
    request_for: Callable[..., BuildRequest],
) -> None:
    """Image, tags, package lists and log come back; instance, key and security group are gone."""
    template = tmp_path / "own.pkr.hcl"
    template.write_text(AMAZON)
    session = boto3.Session("testing", "testing", region_name="eu-west-1")
    session.client("iam", endpoint_url=sandbox).create_instance_profile(InstanceProfileName="builds")
    ec2 = session.client("ec2", endpoint_url=sandbox)
    source = ImageId(ec2.describe_images()["Images"][0]["ImageId"])
    builder = builder_for(packer, endpoint=sandbox)
    own = replace(family, template=str(template), build=replace(family.build, instance_profile="builds"))
    request = request_for(own, builder, tags={"note": "a ${b}"})
    product = builder.build(replace(request, source=replace(request.source, id=source)), lambda _: None)

    assert product.lists.before == (Package(name="xz", version="5.4"),)
    assert product.lists.after == (Package(name="bash", version="5.2"), Package(name="xz", version="5.6"))
    assert product.log == tmp_path / "logs" / "20261123T181500-kqzt-web.log"
    (image,) = ec2.describe_images(ImageIds=[product.image])["Images"]
    assert image["Name"] == request.image_name
    assert tags(image["Tags"]) == {
        "Name": request.image_name,
        "note": "a ${b}",
        "rebake:bake-key": request.key,
        "rebake:family": "web",
        "rebake:purpose": "image",
        "rebake:run": request.run,
        "rebake:source-image": source,
        "rebake:stage": "candidate",
    }
    (instance,) = ec2.describe_instances()["Reservations"][0]["Instances"]
    assert instance["State"]["Name"] == "terminated"
    assert tags(instance["Tags"]).items() >= {"rebake:purpose": "build", "rebake:run": request.run}.items()
    assert not ec2.describe_key_pairs()["KeyPairs"]
    assert [group["GroupName"] for group in ec2.describe_security_groups()["SecurityGroups"]] == ["default"]


@pytest.mark.packer
def test_a_bake_has_the_rights_of_its_policy_and_needs_them(
    packer: Path,
    tmp_path: Path,
    family: Family,
    builder_for: Callable[..., PackerBuilder],
    request_for: Callable[..., BuildRequest],
) -> None:
    """Each Packer bakes under the policy of bakes, and calls everything in it but what stands above with its reason."""
    template = tmp_path / "own.pkr.hcl"
    template.write_text(AMAZON)
    own = replace(family, template=str(template))
    cloud = Cloud(clock=WallClock())
    cloud.virtual.boot_time = cloud.virtual.freeze_time = timedelta()
    cloud.restrict("testing", policy("bake", None, region=None))
    with cloud.serve() as endpoint:
        ec2 = boto3.Session("others", "others", region_name="eu-west-1").client("ec2", endpoint_url=endpoint)
        source = ImageId(ec2.describe_images()["Images"][0]["ImageId"])
        cloud.calls.clear()
        builder = builder_for(packer, endpoint=endpoint)
        request = request_for(own, builder)
        builder.build(replace(request, source=replace(request.source, id=source)), lambda _: None)
        called = {call.action for call in cloud.calls}
    assert called <= {*PACKER, *PREFLIGHT}  # a newer one asks who calls, which needs no permission
    assert set(PACKER) - called == NOT_CALLED


@pytest.mark.packer
def test_a_template_that_packer_refuses(
    packer: Path,
    tmp_path: Path,
    family: Family,
    builder_for: Callable[..., PackerBuilder],
    request_for: Callable[..., BuildRequest],
) -> None:
    """Validation hands on Packer's own words and builds nothing."""
    template = tmp_path / "bad.pkr.hcl"
    template.write_text('build {\n  sources = ["source.null.nowhere"]\n}\n')
    builder = builder_for(packer)
    with pytest.raises(ConfigError, match=r"Packer refuses the template: (?s:.*)nowhere"):
        builder.validate(request_for(replace(family, template=str(template)), builder))


def test_session_manager_needs_its_plugin(
    tmp_path: Path,
    family: Family,
    builder_for: Callable[..., PackerBuilder],
    request_for: Callable[..., BuildRequest],
) -> None:
    """A missing session-manager-plugin is told before anything is started."""
    tunnelled = replace(family, build=replace(family.build, connect=Connect.SESSION_MANAGER))
    builder = builder_for(environment={"PATH": str(tmp_path)})
    with pytest.raises(ToolMissing, match="session-manager-plugin") as told:
        builder.build(request_for(tunnelled, builder), lambda _: None)
    assert "private-ip" in told.value.hint


def test_an_unresolved_secret(
    family: Family, builder_for: Callable[..., PackerBuilder], request_for: Callable[..., BuildRequest], tmp_path: Path
) -> None:
    """A secret without a value is told by its variable's name."""
    packer = tmp_path / "packer"
    packer.write_text("#!/bin/sh\necho Packer v1.6.6")
    packer.chmod(0o755)
    builder = builder_for(packer)
    wanting = replace(family, variables={"token": Secret(service="ssm", name="/token")})
    with pytest.raises(ConfigError, match=r"families\.web\.variables\.token: the secret was not resolved"):
        builder.validate(request_for(wanting, builder))


def test_a_tag_that_packer_would_evaluate(
    family: Family, builder_for: Callable[..., PackerBuilder], request_for: Callable[..., BuildRequest], tmp_path: Path
) -> None:
    """Braces in a tag are refused: Packer renders tags several times, and no quoting survives that."""
    packer = tmp_path / "packer"
    packer.write_text("#!/bin/sh\necho Packer v1.6.6")
    packer.chmod(0o755)
    builder = builder_for(packer)
    with pytest.raises(ConfigError, match=r"the tag 'note' contains \{\{"):
        builder.validate(request_for(family, builder, tags={"note": "{{ x }}"}))
