"""What a mixed-instances policy becomes when a refresh moves it to another version and image."""

from __future__ import annotations

from typing import Any

import pytest
from aws.answers import Stub, answer_groups, described
from botocore.stub import ANY

from pipeline.aws.refreshes import AutoScalingRefreshes
from pipeline.aws.session import Clients
from pipeline.errors import NotPossible
from pipeline.model.fleets import Group, TemplateRef
from pipeline.model.ids import GroupName, ImageId, TemplateId
from pipeline.model.strategies import RefreshStrategy

WEB = GroupName("web")
TEMPLATE = TemplateId("lt-0abc")
MIXED = Group(name=WEB, desired=4, minimum=2, maximum=8, template=TemplateRef(id=TEMPLATE, version="3"), mixed=True)
OURS = {"LaunchTemplateId": TEMPLATE, "Version": "3"}
NEXT = {"LaunchTemplateId": TEMPLATE, "Version": "4"}


def policy(*overrides: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Make a mixed-instances policy on version 3 with these overrides."""
    named = {"LaunchTemplateName": "web", **OURS}
    return {"LaunchTemplate": {"LaunchTemplateSpecification": named, "Overrides": list(overrides)}, **more}


def start(clients: Clients, *, root_volume: bool = False) -> None:
    """Start a refresh to version 4 and its image."""
    AutoScalingRefreshes(clients).start(
        MIXED,
        template=TEMPLATE,
        version=4,
        image=ImageId("ami-new"),
        strategy=RefreshStrategy(root_volume=root_volume),
        auto_rollback=True,
    )


def expect(stub: Stub, strategy: str, *overrides: dict[str, Any], **more: Any) -> None:
    """Let the refresh be asked for with these overrides."""
    boots = {"LaunchTemplateSpecification": NEXT, "Overrides": list(overrides)}
    stub("autoscaling").add_response(
        "start_instance_refresh",
        {"InstanceRefreshId": "r-1"},
        {
            "AutoScalingGroupName": "web",
            "Strategy": strategy,
            "DesiredConfiguration": {"MixedInstancesPolicy": {"LaunchTemplate": boots, **more}},
            "Preferences": ANY,
        },
    )


def test_a_mixed_group_keeps_its_whole_policy(clients: Clients, stub: Stub) -> None:
    """AWS saves what is sent, so that only the template's version may differ."""
    distribution = {"SpotAllocationStrategy": "price-capacity-optimized"}
    small, other = {"InstanceType": "t3.small"}, {"InstanceType": "t3a.small"}
    answer_groups(stub, described(MixedInstancesPolicy=policy(small, other, InstancesDistribution=distribution)))
    expect(stub, "Rolling", small, other, InstancesDistribution=distribution)
    start(clients)


def test_overrides_get_the_new_version_and_image_and_keep_the_rest(clients: Clients, stub: Stub) -> None:
    """Only what each names itself is changed in it; the saved version says what the others boot."""
    small = {"InstanceType": "t3.small", "WeightedCapacity": "2", "ImageId": "ami-old"}
    large = {"InstanceType": "t3.large", "WeightedCapacity": "4", "LaunchTemplateSpecification": OURS}
    answer_groups(stub, described(MixedInstancesPolicy=policy(small, large)))
    saved = {"LaunchTemplateId": TEMPLATE, "VersionNumber": 3, "LaunchTemplateData": {"ImageId": "ami-old"}}
    stub("ec2").add_response(
        "describe_launch_template_versions",
        {"LaunchTemplateVersions": [saved]},
        {"LaunchTemplateId": TEMPLATE, "Versions": ["3"]},
    )
    expect(stub, "Rolling", {**small, "ImageId": "ami-new"}, {**large, "LaunchTemplateSpecification": NEXT})
    start(clients)


def test_root_volumes_are_replaced_from_every_override(clients: Clients, stub: Stub) -> None:
    """AWS wants an image in each of them."""
    answer_groups(stub, described(MixedInstancesPolicy=policy({"InstanceType": "t3.small"})))
    expect(stub, "ReplaceRootVolume", {"InstanceType": "t3.small", "ImageId": "ami-new"})
    start(clients, root_volume=True)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([{"LaunchTemplateSpecification": {"LaunchTemplateId": "lt-2"}}], "boots the launch template lt-2"),
        ([{"ImageId": "ami-arm"}, {"ImageId": "ami-x86"}], "different images: ami-arm, ami-x86"),
        ([{"InstanceRequirements": {"VCpuCount": {"Min": 1}, "MemoryMiB": {"Min": 1}}}], "by attributes"),
    ],
)
def test_overrides_that_one_image_cannot_stand_for_are_refused(
    clients: Clients, stub: Stub, overrides: list[dict[str, Any]], words: str
) -> None:
    """Nothing is started when part of the group would boot something else, or AWS would fail it later."""
    answer_groups(stub, described(MixedInstancesPolicy=policy(*overrides)))
    with pytest.raises(NotPossible, match=words):
        start(clients)
