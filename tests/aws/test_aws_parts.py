"""The table of what a group is made of: complete, and explicit about what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.aws.parts import PARTS, Fate, adapted, created, obstacles, suspended
from pipeline.aws.session import Clients

REFUSED: dict[str, dict[str, Any]] = {
    "boots from a launch configuration": {"LaunchConfigurationName": "old"},
    "is attached to a classic load balancer": {"LoadBalancerNames": ["old"]},
    "traffic source of type vpc-lattice": {"TrafficSources": [{"Identifier": "arn:1", "Type": "vpc-lattice"}]},
    "is in 2 target groups": {"TargetGroupARNs": ["arn:1", "arn:2"]},
    "is in 0 target groups": {"TargetGroupARNs": []},
    "is managed by another service": {"Operator": {"Principal": "eks"}},
    "has Hibernation, which this version of rebake does not know": {"Hibernation": False},
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_copied_is_said(words: str) -> None:
    """An attribute that AWS may add one day is named, and never dropped silently."""
    entry = {"AutoScalingGroupName": "web", "TargetGroupARNs": ["arn:1"], "Tags": [], **REFUSED[words]}
    (sentence,) = obstacles(entry, [], [])
    assert sentence.startswith("web ")
    assert words in sentence
    assert sentence.endswith(".")


def test_a_hook_of_codedeploy_is_refused() -> None:
    """CodeDeploy would not know of the copy, whose instances would wait for it in vain."""
    hook = {"LifecycleHookName": "CodeDeploy-managed-automatic-launch-deployment-hook-web-1"}
    entry = {"AutoScalingGroupName": "web", "TargetGroupARNs": ["arn:1"]}
    (sentence,) = obstacles(entry, [hook], [])
    assert "CodeDeploy" in sentence


def test_the_table_knows_every_attribute_of_a_group(clients: Clients) -> None:
    """And everything that can be given at a creation is kept or written."""
    model: Any = clients.autoscaling.meta.service_model
    described = set(model.shape_for("AutoScalingGroup").members)
    assert set(PARTS) == described
    given = set(model.operation_model("CreateAutoScalingGroup").input_shape.members)
    states = {part for part, fate in PARTS.items() if fate is Fate.STATE}
    assert states & given == {"AvailabilityZoneIds"}


def test_a_role_of_one_s_own_and_a_zonal_shift_are_kept() -> None:
    """The usual role needs no right to hand it over; what AWS checks of a zonal shift it has checked before."""
    sizes = {"DesiredCapacity": 7, "MaxSize": 5}
    role = "arn:aws:iam::1:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
    usual = created({**sizes, "ServiceLinkedRoleARN": role}, {})
    assert usual == {"DesiredCapacity": 7, "MinSize": 7, "MaxSize": 7, "Tags": []}
    shift = {"AvailabilityZoneImpairmentPolicy": {"ZonalShiftEnabled": True}}
    own = created({**sizes, **shift, "ServiceLinkedRoleARN": f"{role}_web"}, {})
    assert own["ServiceLinkedRoleARN"] == f"{role}_web"
    assert own["SkipZonalShiftValidation"] is True


def test_only_names_of_the_group_are_adapted() -> None:
    """A metric that happens to be called like the group keeps its name."""
    metric = {
        "Id": "web",
        "MetricStat": {"Dimensions": [{"Name": "Service", "Value": "web"}], "Stat": "Sum"},
        "Expression": "m1 / 2",
        "ReturnData": True,
    }
    assert adapted([metric], name=("web", "web-v2"), label=("targetgroup/a/1", "targetgroup/b/2")) == [metric]


def test_a_tag_of_somebody_else_says_nothing_of_suspended_processes() -> None:
    """All that are suspended are then the group's own."""
    entry = {
        "SuspendedProcesses": [{"ProcessName": "AZRebalance"}],
        "Tags": [{"Key": "rebake:undo", "Value": "please"}],
    }
    assert suspended(entry) == ["AZRebalance"]
