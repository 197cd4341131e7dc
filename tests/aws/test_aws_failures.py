"""Every failure of AWS becomes one of our errors, by code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aws.account import Account
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from pipeline.aws.failures import launch_failure, translated
from pipeline.aws.session import Clients, connect
from pipeline.errors import (
    AccessDenied,
    CredentialsError,
    HeldError,
    NotFound,
    NotPossible,
    RebakeError,
    StepFailed,
    Throttled,
    Unavailable,
    UsageError,
)


def answered(
    code: str, *, status: int = 400, words: str = "the words of AWS", operation: str = "Describe"
) -> Exception:
    """Make what boto3 raises for an error answer."""
    return boto.ClientError(
        {
            "Error": {"Code": code, "Message": words},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "",
                "HostId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        operation,
    )


def caught(failure: Exception, service: str = "ec2") -> RebakeError:
    """Pass a failure through the door."""
    with pytest.raises(RebakeError) as raised, translated(service):
        raise failure
    return raised.value


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("AccessDenied", 403, AccessDenied),
        ("AccessDeniedException", 400, AccessDenied),
        ("UnauthorizedOperation", 403, AccessDenied),
        ("ExpiredToken", 403, CredentialsError),
        ("ExpiredTokenException", 400, CredentialsError),
        ("RequestExpired", 400, CredentialsError),
        ("InvalidClientTokenId", 403, CredentialsError),
        ("UnrecognizedClientException", 400, CredentialsError),
        ("SignatureDoesNotMatch", 403, CredentialsError),
        ("AuthFailure", 401, CredentialsError),
        ("RequestLimitExceeded", 503, Throttled),
        ("Throttling", 400, Throttled),
        ("ThrottlingException", 400, Throttled),
        ("TooManyRequestsException", 429, Throttled),
        ("InternalError", 500, Unavailable),
        ("ResourceContention", 500, Unavailable),
        ("SomethingNew", 502, Unavailable),
        ("InstanceRefreshInProgress", 400, HeldError),
        ("InvalidAMIID.NotFound", 400, NotFound),
        ("InvalidAMIID.Unavailable", 400, NotFound),
        ("InvalidLaunchTemplateId.VersionNotFound", 400, NotFound),
        ("ParameterNotFound", 400, NotFound),
        ("ResourceNotFoundException", 400, NotFound),
        ("NotFoundException", 400, NotFound),
        ("NoSuchEntity", 404, NotFound),
        ("ActiveInstanceRefreshNotFound", 400, NotFound),
        ("ValidationError", 400, NotPossible),
        ("IrreversibleInstanceRefresh", 400, NotPossible),
        ("InvalidInstanceId", 400, NotPossible),
        ("InvalidAMIID.Malformed", 400, NotPossible),
        ("InsufficientInstanceCapacity", 500, Unavailable),
    ],
)
def test_an_error_code_decides_the_error(code: str, status: int, expected: type[RebakeError]) -> None:
    """The code, and where it is unknown the HTTP status, choose the class; the text never does."""
    assert type(caught(answered(code, status=status))) is expected


@pytest.mark.parametrize(
    "code", ["InsufficientInstanceCapacity", "VcpuLimitExceeded", "InstanceLimitExceeded", "Unsupported"]
)
def test_a_launch_that_aws_cannot_carry_out_is_a_failed_step(code: str) -> None:
    """The cause and a way out are named, whatever the HTTP status says."""
    error = caught(answered(code, status=500, operation="RunInstances"))
    assert type(error) is StepFailed
    assert code in error.message
    assert error.hint


def test_a_missing_action_is_named() -> None:
    """The reader learns which action to allow, and how to read EC2's encoded reason."""
    error = caught(answered("UnauthorizedOperation", operation="CreateImage", words="Encoded: abc"))
    assert isinstance(error, AccessDenied)
    assert error.action == "ec2:CreateImage"
    assert error.message == "The caller may not do ec2:CreateImage."
    assert "decode-authorization-message" in error.hint
    assert "Encoded: abc" in error.hint


def test_only_ec2_encodes_its_reasons() -> None:
    """Other services say in plain words which policy is missing."""
    error = caught(answered("AccessDeniedException", operation="SendCommand"), "ssm")
    assert "ssm:SendCommand" in error.message
    assert "decode" not in error.hint


def test_what_aws_refuses_keeps_its_words() -> None:
    """A refusal without a translation still says what AWS said, once, with the code."""
    error = caught(answered("ValidationError", words="Min is above max.", operation="StartInstanceRefresh"))
    assert error.message == "AWS refused ec2:StartInstanceRefresh: Min is above max (ValidationError)."


def test_an_answer_without_words_shows_its_code() -> None:
    """An empty message does not make an empty sentence."""
    assert "Odd (Odd)" in caught(answered("Odd", words="")).message


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (boto.NoCredentialsError(), CredentialsError),
        (boto.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), CredentialsError),
        (boto.UnauthorizedSSOTokenError(), CredentialsError),
        (boto.SSOTokenLoadError(error_msg="expired"), CredentialsError),
        (boto.TokenRetrievalError(provider="sso", error_msg="expired"), CredentialsError),
        (boto.CredentialRetrievalError(provider="process", error_msg="exit 1"), CredentialsError),
        (boto.ProfileNotFound(profile="x"), UsageError),
        (boto.NoRegionError(), UsageError),
        (boto.InvalidRegionError(region_name="x y"), UsageError),
        (boto.EndpointConnectionError(endpoint_url="https://ec2.invalid"), Unavailable),
        (boto.ConnectTimeoutError(endpoint_url="https://ec2.invalid"), Unavailable),
        (boto.ReadTimeoutError(endpoint_url="https://ec2.invalid"), Unavailable),
        (boto.ConnectionClosedError(endpoint_url="https://ec2.invalid"), Unavailable),
        (ResponseParserError("not XML"), Unavailable),
        (boto.DataNotFoundError(data_path="x"), Unavailable),
        (boto.ParamValidationError(report="Missing Name"), NotPossible),
    ],
)
def test_a_call_without_an_answer_has_a_cause_too(failure: Exception, expected: type[RebakeError]) -> None:
    """Credentials, region and network are told apart by botocore's exception."""
    error = caught(failure)
    assert type(error) is expected
    assert error.message.endswith(".")


def test_other_exceptions_pass_the_door() -> None:
    """A fault of our own must not look like one of AWS."""
    with pytest.raises(ZeroDivisionError), translated("ec2"):
        raise ZeroDivisionError


def test_a_volume_key_that_cannot_be_used_is_decoded() -> None:
    """AWS says only "Client error on launch" when a KMS grant is missing."""
    failure = launch_failure("Client.InternalError", "Client error on launch")
    assert failure is not None
    assert "KMS" in failure.hint


def test_a_state_reason_carries_a_prefix() -> None:
    """The same cause has the prefix Server. in an instance's state reason."""
    failure = launch_failure("Server.InsufficientInstanceCapacity", "")
    assert failure is not None
    assert "capacity" in failure.message


def test_an_ordinary_state_reason_is_no_failure() -> None:
    """An instance that somebody terminated did not fail to launch."""
    assert launch_failure("Client.UserInitiatedShutdown", "User initiated") is None


def test_a_profile_that_does_not_exist_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session is refused before anything is called."""
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(UsageError, match="nobody"):
        connect(region=None, profile="nobody", endpoint=None)


def test_no_region_is_wrong_usage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The hint names the three places where a region can be given."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    nowhere = connect(region=None, profile=None, endpoint=None)
    with pytest.raises(UsageError) as raised:
        _ = nowhere.kms
    assert "--region" in raised.value.hint


def test_one_client_serves_everybody(clients: Clients) -> None:
    """Clients are made once, speak to one region and tell AWS who calls."""
    assert clients.ec2 is clients.ec2
    assert clients.region == "us-east-1"
    config: Any = clients.ssm.meta.config
    assert config.retries == {"mode": "adaptive", "total_max_attempts": 1}
    assert config.user_agent_extra.startswith("rebake/")


def test_all_services_may_share_one_endpoint() -> None:
    """A sandbox answers for all services at one URL."""
    there = connect(region="us-east-1", profile=None, endpoint="http://127.0.0.1:5000")
    assert there.sts.meta.endpoint_url == "http://127.0.0.1:5000"


def test_nobody_listening_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection says that AWS cannot be reached."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    away = connect(region="us-east-1", profile=None, endpoint="http://127.0.0.1:1", attempts=1)
    with pytest.raises(Unavailable, match="cannot be reached"), translated("sts"):
        away.sts.get_caller_identity()


def test_a_named_profile_signs_for_other_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its credentials come as environment variables; without a name nothing comes, and an empty profile is told."""
    shared = tmp_path / "credentials"
    shared.write_text("[prod]\naws_access_key_id = AKIA1\naws_secret_access_key = s\naws_session_token = t\n")
    config = tmp_path / "config"
    config.write_text("[profile empty]\nregion = eu-west-1\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(shared))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert connect(region="eu-west-1", profile="prod", endpoint=None).environment() == {
        "AWS_ACCESS_KEY_ID": "AKIA1",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_SESSION_TOKEN": "t",
    }
    assert connect(region="eu-west-1", profile=None, endpoint=None).environment() == {}
    with pytest.raises(CredentialsError):
        connect(region="eu-west-1", profile="empty", endpoint=None).environment()


def test_credentials_that_expired_are_looked_up_anew(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that somebody renews in the middle of a run is read again; until then they are expired."""
    file = tmp_path / "credentials"
    file.write_text("[prod]\naws_access_key_id = OLD\naws_secret_access_key = x\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    clients = connect(region="us-east-1", profile="prod", endpoint=None, attempts=1)
    account.cloud.faults.fail("sts:GetCallerIdentity", "ExpiredToken", times=1)
    assert clients.environment()["AWS_ACCESS_KEY_ID"] == "OLD"
    file.write_text("[prod]\naws_access_key_id = NEW\naws_secret_access_key = x\n")
    with pytest.raises(CredentialsError, match="expired"), translated("sts"):
        clients.sts.get_caller_identity()
    assert clients.environment()["AWS_ACCESS_KEY_ID"] == "NEW"
    assert clients.sts.get_caller_identity()["Account"]
