from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ClientError
from world import World


def test_everybody_is_a_user(world: World) -> None:
    """Without keys of one's own one is an IAM user, whom the policy simulator knows; a role assumed is itself."""
    assert world.client("sts").get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:user/sandbox"
    role = world.client("iam").create_role(RoleName="ops", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    keys = world.client("sts").assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], "us-east-1")
    assert session.client("sts").get_caller_identity()["Arn"].endswith(":assumed-role/ops/me")


def test_the_first_group_makes_the_service_linked_role(world: World) -> None:
    """AWSServiceRoleForAutoScaling does not exist before the first group, and is made once."""
    iam = world.client("iam")
    with pytest.raises(ClientError):
        iam.get_role(RoleName="AWSServiceRoleForAutoScaling")
    world.fleet("one", world.base(), size=0, settle=0)
    made = iam.get_role(RoleName="AWSServiceRoleForAutoScaling")["Role"]
    world.fleet("two", world.base(), size=0, settle=0)
    assert iam.get_role(RoleName="AWSServiceRoleForAutoScaling")["Role"]["RoleId"] == made["RoleId"]
    assert world.group("one")["ServiceLinkedRoleARN"] == made["Arn"]
