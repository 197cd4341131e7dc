"""Who calls and what IAM would allow: the unknown is never a pass."""

from __future__ import annotations

import pytest
from aws.answers import ROLE, Stub, answer_role, answer_simulation

from pipeline.aws.preflight import LivePreflight
from pipeline.aws.session import Clients
from pipeline.errors import CredentialsError

USER = "arn:aws:iam::123456789012:user/ann"
SESSION = "arn:aws:sts::123456789012:assumed-role/deploy/run-7"


def answer_caller(stub: Stub, arn: str) -> None:
    """Let the caller be this one."""
    stub("sts").add_response("get_caller_identity", {"Account": "123456789012", "Arn": arn, "UserId": "AIDA"})


def test_the_caller_is_told(clients: Clients, stub: Stub) -> None:
    """Account and ARN, or a clear word on the credentials."""
    answer_caller(stub, USER)
    stub("sts").add_client_error("get_caller_identity", "ExpiredToken", http_status_code=403)
    preflight = LivePreflight(clients)
    assert preflight.caller().arn == USER
    with pytest.raises(CredentialsError, match="expired"):
        preflight.caller()


def test_all_actions_allowed_is_one_pass(clients: Clients, stub: Stub) -> None:
    """A user is simulated as it is."""
    answer_caller(stub, USER)
    answer_simulation(stub, USER, {"ec2:CreateTags": "allowed", "ec2:RunInstances": "allowed"})
    (found,) = LivePreflight(clients).permissions(["ec2:CreateTags", "ec2:RunInstances"])
    assert found.ok is True


def test_each_missing_action_is_named(clients: Clients, stub: Stub) -> None:
    """A session is simulated as its role, with the role's path; denials say what kind they are."""
    answer_caller(stub, SESSION)
    answer_role(stub, ROLE, "deploy")
    decisions = {"ec2:CreateTags": "allowed", "ec2:RunInstances": "implicitDeny", "ssm:SendCommand": "explicitDeny"}
    answer_simulation(stub, ROLE, decisions)
    run, send = LivePreflight(clients).permissions(list(decisions))
    assert (run.ok, run.text) == (False, "ec2:RunInstances is not allowed.")
    assert "allow ec2:RunInstances" in run.hint
    assert send.ok is False
    assert "denies it" in send.hint


def test_a_role_that_cannot_be_read_is_guessed_without_its_path(clients: Clients, stub: Stub) -> None:
    """The account's partition and number stand in the session's ARN."""
    answer_caller(stub, "arn:aws-cn:sts::123456789012:assumed-role/deploy/run-7")
    stub("iam").add_client_error("get_role", "AccessDenied", http_status_code=403)
    answer_simulation(stub, "arn:aws-cn:iam::123456789012:role/deploy", {"ec2:CreateTags": "allowed"})
    (found,) = LivePreflight(clients).permissions(["ec2:CreateTags"])
    assert found.ok is True


def test_a_condition_that_decides_is_unknown(clients: Clients, stub: Stub) -> None:
    """The simulator does not know the tags of the request to come."""
    answer_caller(stub, USER)
    answer_simulation(
        stub, USER, {"ec2:RunInstances": "implicitDeny"}, MissingContextValues=["aws:RequestTag/rebake:run"]
    )
    (found,) = LivePreflight(clients).permissions(["ec2:RunInstances"])
    assert found.ok is None
    assert "aws:RequestTag/rebake:run" in found.text


def test_a_right_that_is_given_for_named_roles_is_unknown(clients: Clients, stub: Stub) -> None:
    """iam:PassRole for every role would be a bad policy, so that its absence says nothing; a denial does."""
    for decision, expected in (("implicitDeny", None), ("explicitDeny", False)):
        answer_caller(stub, USER)
        answer_simulation(stub, USER, {"iam:PassRole": decision})
        (found,) = LivePreflight(clients).permissions(["iam:PassRole"])
        assert found.ok is expected


def test_a_denied_simulation_is_unknown(clients: Clients, stub: Stub) -> None:
    """Not being allowed to ask is not a pass."""
    answer_caller(stub, USER)
    stub("iam").add_client_error("simulate_principal_policy", "AccessDenied", http_status_code=403)
    (found,) = LivePreflight(clients).permissions(["ec2:RunInstances"])
    assert found.ok is None
    assert "iam:SimulatePrincipalPolicy" in found.hint


@pytest.mark.parametrize("arn", ["arn:aws:iam::123456789012:root", "arn:aws:sts::123456789012:federated-user/ann"])
def test_the_root_user_and_federated_users_are_unknown(clients: Clients, stub: Stub, arn: str) -> None:
    """The simulator takes users and roles only."""
    answer_caller(stub, arn)
    (found,) = LivePreflight(clients).permissions(["ec2:RunInstances"])
    assert found.ok is None


def test_many_actions_are_asked_in_batches(clients: Clients, stub: Stub) -> None:
    """One pass counts them all."""
    actions = [f"ec2:Action{number}" for number in range(60)]
    answer_caller(stub, USER)
    answer_simulation(stub, USER, dict.fromkeys(actions[:50], "allowed"))
    answer_simulation(stub, USER, dict.fromkeys(actions[50:], "allowed"))
    (found,) = LivePreflight(clients).permissions(actions)
    assert "all 60 actions" in found.text
