"""Channels, secrets and Run Command: what SSM is asked, and how its answers are read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aws.answers import Stub

from pipeline.aws.channels import SsmChannels
from pipeline.aws.run_command import SsmRunCommand
from pipeline.aws.secrets import AwsSecrets
from pipeline.aws.session import Clients
from pipeline.errors import NotFound, NotPossible, TimedOut
from pipeline.model.fleets import ChannelEntry
from pipeline.model.ids import ImageId, InstanceId
from pipeline.model.settings import Secret
from pipeline.sandbox.clock import ManualClock

STABLE = "/rebake/web/stable"
HOST = InstanceId("i-0123456789abcdef0")
COMMAND = "00000000-0000-0000-0000-000000000001"


def answer_parameter(stub: Stub, value: str, number: int = 1) -> None:
    """Let the next GetParameter answer this."""
    stub("ssm").add_response("get_parameter", {"Parameter": {"Value": value, "Version": number}}, {"Name": STABLE})


def answer_command(stub: Stub, status: str, **more: Any) -> None:
    """Let the next GetCommandInvocation answer this."""
    answer = {
        "Status": status,
        "ResponseCode": -1,
        "StandardOutputContent": "",
        "StandardErrorContent": "",
        **more,
    }
    stub("ssm").add_response("get_command_invocation", answer, {"CommandId": COMMAND, "InstanceId": HOST})


def answer_sent(stub: Stub, *, timeout: int, delivery: int) -> None:
    """Let SendCommand take one script."""
    stub("ssm").add_response(
        "send_command",
        {"Command": {"CommandId": COMMAND}},
        {
            "DocumentName": "AWS-RunShellScript",
            "InstanceIds": [HOST],
            "TimeoutSeconds": delivery,
            "Parameters": {"commands": ["uptime"], "executionTimeout": [str(timeout)]},
        },
    )


def test_a_channel_names_an_image(clients: Clients, clock: ManualClock, stub: Stub) -> None:
    """A parameter that does not exist is a channel that points nowhere yet."""
    answer_parameter(stub, "ami-1")
    stub("ssm").add_client_error("get_parameter", "ParameterNotFound")
    channels = SsmChannels(clients, clock)
    assert channels.current(STABLE) == "ami-1"
    assert channels.current(STABLE) is None


def test_a_parameter_without_an_image_is_refused(clients: Clients, clock: ManualClock, stub: Stub) -> None:
    """Some public parameters hold JSON; the hint names the one to take."""
    answer_parameter(stub, '{"image_id": "ami-1"}')
    with pytest.raises(NotPossible) as raised:
        SsmChannels(clients, clock).current(STABLE)
    assert "/image_id" in raised.value.hint


def test_the_history_is_paged_newest_first(clients: Clients, clock: ManualClock, stub: Stub) -> None:
    """Who moved the channel stands in the history; no parameter has no history."""
    at = datetime(2026, 10, 1, tzinfo=UTC)
    asked = {"Name": STABLE, "MaxResults": 50}
    ssm = stub("ssm")
    entry = {"Value": "ami-1", "LastModifiedDate": at}
    ssm.add_response("get_parameter_history", {"Parameters": [{**entry, "Version": 1}], "NextToken": "n"}, asked)
    ssm.add_response(
        "get_parameter_history",
        {"Parameters": [{**entry, "Version": 2, "LastModifiedUser": "arn:me"}]},
        {**asked, "NextToken": "n"},
    )
    ssm.add_client_error("get_parameter_history", "ParameterNotFound")
    channels = SsmChannels(clients, clock)
    assert channels.history(STABLE) == (
        ChannelEntry(version=2, image=ImageId("ami-1"), at=at, by="arn:me"),
        ChannelEntry(version=1, image=ImageId("ami-1"), at=at),
    )
    assert channels.history(STABLE) == ()


def put(stub: Stub, number: int) -> None:
    """Let PutParameter answer a version."""
    stub("ssm_once").add_response(
        "put_parameter",
        {"Version": number, "Tier": "Standard"},
        {
            "Name": STABLE,
            "Value": "ami-2",
            "Type": "String",
            "DataType": "aws:ec2:image",
            "Overwrite": True,
            "Tier": "Standard",
        },
    )


def test_a_move_waits_until_aws_has_accepted_the_image(clients: Clients, clock: ManualClock, stub: Stub) -> None:
    """AWS validates after it has answered: the old version, or none, is read for a while."""
    began = clock.now()
    put(stub, 2)
    stub("ssm").add_client_error("get_parameter", "ParameterNotFound")
    answer_parameter(stub, "ami-1", 1)
    answer_parameter(stub, "ami-2", 2)
    assert SsmChannels(clients, clock).move(STABLE, ImageId("ami-2")) == 2
    assert clock.now() - began == timedelta(seconds=2)


def test_an_image_that_aws_does_not_accept_is_told(clients: Clients, clock: ManualClock, stub: Stub) -> None:
    """A refused value never appears, and AWS says nothing more: half a minute is enough."""
    put(stub, 2)
    for _ in range(31):
        answer_parameter(stub, "ami-1", 1)
    with pytest.raises(TimedOut, match="did not accept ami-2 as version 2"):
        SsmChannels(clients, clock).move(STABLE, ImageId("ami-2"))


def test_secrets_are_fetched_where_they_are(clients: Clients, stub: Stub) -> None:
    """A SecureString is decrypted; a secret is its string."""
    stub("ssm").add_response(
        "get_parameter", {"Parameter": {"Value": "hunter2"}}, {"Name": "/db", "WithDecryption": True}
    )
    stub("secretsmanager").add_response("get_secret_value", {"SecretString": "hunter3"}, {"SecretId": "db"})
    secrets = AwsSecrets(clients)
    assert secrets.reveal(Secret(service="ssm", name="/db")) == "hunter2"
    assert secrets.reveal(Secret(service="secret", name="db")) == "hunter3"


def test_missing_and_binary_secrets_are_refused(clients: Clients, stub: Stub) -> None:
    """The message names the secret, never a value."""
    manager = stub("secretsmanager")
    manager.add_client_error("get_secret_value", "ResourceNotFoundException")
    manager.add_response("get_secret_value", {"SecretBinary": b"hunter4"})
    secrets = AwsSecrets(clients)
    with pytest.raises(NotFound):
        secrets.reveal(Secret(service="secret", name="db"))
    with pytest.raises(NotPossible, match="db is binary"):
        secrets.reveal(Secret(service="secret", name="db"))


@pytest.mark.parametrize(
    ("entries", "expected"),
    [([{"PingStatus": "Online"}], True), ([{"PingStatus": "ConnectionLost"}], False), ([], False)],
)
def test_an_agent_is_online_or_not(
    clients: Clients, clock: ManualClock, stub: Stub, entries: list[dict[str, str]], *, expected: bool
) -> None:
    """An instance that never registered is not online."""
    stub("ssm").add_response(
        "describe_instance_information",
        {"InstanceInformationList": entries},
        {"Filters": [{"Key": "InstanceIds", "Values": [HOST]}]},
    )
    assert SsmRunCommand(clients, clock).online(HOST) is expected


def test_a_command_is_polled_to_its_end(clients: Clients, clock: ManualClock, stub: Stub) -> None:
    """An invocation that is not visible yet is one to wait for; the pauses grow."""
    began = clock.now()
    answer_sent(stub, timeout=60, delivery=60)
    stub("ssm").add_client_error("get_command_invocation", "InvocationDoesNotExist")
    for status in ("Pending", "InProgress"):
        answer_command(stub, status)
    answer_command(stub, "Failed", ResponseCode=3, StandardOutputContent="out", StandardErrorContent="err")
    result = SsmRunCommand(clients, clock).run(HOST, "uptime", timeout=timedelta(minutes=1))
    assert (result.status, result.exit_status, result.stdout, result.stderr) == ("Failed", 3, "out", "err")
    assert clock.now() - began == timedelta(seconds=0.2 + 0.4 + 0.8)


def test_a_command_that_does_not_end_is_cancelled(clients: Clients, clock: ManualClock, stub: Stub) -> None:
    """The delivery limit is never below AWS's 30 seconds; the wait is as long as was asked."""
    began = clock.now()
    answer_sent(stub, timeout=1, delivery=30)
    for _ in range(4):
        answer_command(stub, "InProgress")
    stub("ssm").add_response("cancel_command", {}, {"CommandId": COMMAND, "InstanceIds": [HOST]})
    with pytest.raises(TimedOut, match="within 1 s"):
        SsmRunCommand(clients, clock).run(HOST, "uptime", timeout=timedelta(seconds=1))
    assert clock.now() - began == timedelta(seconds=1)


def test_a_time_out_told_by_aws_is_one(clients: Clients, clock: ManualClock, stub: Stub) -> None:
    """The agent may end the command before we do."""
    answer_sent(stub, timeout=5, delivery=30)
    answer_command(stub, "TimedOut")
    with pytest.raises(TimedOut):
        SsmRunCommand(clients, clock).run(HOST, "uptime", timeout=timedelta(seconds=5))


def test_an_instance_that_is_not_managed_is_refused(clients: Clients, clock: ManualClock, stub: Stub) -> None:
    """The hint says what an instance needs to be managed."""
    stub("ssm").add_client_error("send_command", "InvalidInstanceId")
    with pytest.raises(NotPossible) as raised:
        SsmRunCommand(clients, clock).run(HOST, "uptime", timeout=timedelta(seconds=5))
    assert "SSM agent" in raised.value.hint
