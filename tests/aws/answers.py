"""Answers of AWS that several test files need."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.stub import Stubber

Stub = Callable[[str], Stubber]
ROLE = "arn:aws:iam::123456789012:role/ci/deploy"
AT = datetime(2026, 11, 2, 12, tzinfo=UTC)


def described(**more: Any) -> dict[str, Any]:
    """Make a group as DescribeAutoScalingGroups answers it."""
    return {
        "AutoScalingGroupName": "web",
        "MinSize": 2,
        "MaxSize": 8,
        "DesiredCapacity": 4,
        "DefaultCooldown": 300,
        "AvailabilityZones": ["us-east-1a"],
        "HealthCheckType": "ELB",
        "CreatedTime": AT,
        **more,
    }


def answer_groups(stub: Stub, *groups: dict[str, Any], asked: dict[str, Any] | None = None) -> None:
    """Let the next DescribeAutoScalingGroups answer these."""
    stub("autoscaling").add_response("describe_auto_scaling_groups", {"AutoScalingGroups": list(groups)}, asked)


def answer_role(stub: Stub, arn: str, name: str) -> None:
    """Let GetRole answer a role."""
    role = {"Path": "/", "RoleName": name, "RoleId": "AROA1234567890123456", "Arn": arn, "CreateDate": AT}
    stub("iam").add_response("get_role", {"Role": role}, {"RoleName": name})


def answer_simulation(stub: Stub, arn: str, decisions: dict[str, str], **more: Any) -> None:
    """Let the policy simulator decide so."""
    results = [{"EvalActionName": action, "EvalDecision": made, **more} for action, made in decisions.items()]
    stub("iam").add_response(
        "simulate_principal_policy",
        {"EvaluationResults": results},
        {"PolicySourceArn": arn, "ActionNames": list(decisions)},
    )
