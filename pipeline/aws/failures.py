"""The one door through which AWS's failures leave this room: told apart by error code, never by text.

Codes are those of the services' models and of "Error codes for the Amazon EC2 API" and "Common error types".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

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

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnauthorizedAccess"})

EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})

_REFUSED_CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)

_THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TooManyUpdates",
    }
)

_HELD = frozenset({"InstanceRefreshInProgress"})

# Names of "it is not there" that do not contain NotFound.
_ABSENT = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "DoesNotExistException",
        "InvalidAMIID.Unavailable",
        "InvocationDoesNotExist",
        "NoSuchEntity",
        "NoSuchResourceException",
        "QueueDoesNotExist",
    }
)

_UNAVAILABLE = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "RequestTimeout",
        "ResourceContention",
        "ScalingActivityInProgress",
        "ServiceUnavailable",
        "Unavailable",
    }
)

_CAPACITY_HINT = "name further instance types, or a subnet in another zone, and run again"
_QUOTA_HINT = "ask for a higher quota (Service Quotas, Amazon EC2) or free capacity, and run again"

LAUNCH_FAILURES = {
    "InsufficientInstanceCapacity": ("AWS has no capacity left for this instance type in this zone", _CAPACITY_HINT),
    "InsufficientHostCapacity": ("the dedicated hosts have no capacity left", _CAPACITY_HINT),
    "InsufficientFreeAddressesInSubnet": ("the subnet has no free address left", "choose another subnet"),
    "InstanceLimitExceeded": ("the account's limit of running instances is reached", _QUOTA_HINT),
    "VcpuLimitExceeded": ("the account's vCPU quota is reached", _QUOTA_HINT),
    "MaxSpotInstanceCountExceeded": ("the account's Spot quota is reached", _QUOTA_HINT),
    "VolumeLimitExceeded": ("the account's volume storage quota is reached", _QUOTA_HINT),
    "SpotMaxPriceTooLow": ("the Spot price is above the maximum price", "raise the maximum price, or remove it"),
    "UnfulfillableCapacity": ("AWS has no Spot capacity left that matches", _CAPACITY_HINT),
    "Unsupported": ("the zone does not offer this instance type", _CAPACITY_HINT),
}
"""Launches that AWS understood and could not carry out: code -> (cause, next step)."""

_QUEUE_HINT = "correct `events: {queue: …}`: the URL of a queue of this Region"

_HINTS = {
    "AWS.SimpleQueueService.NonExistentQueue": _QUEUE_HINT,
    "QueueDoesNotExist": _QUEUE_HINT,
    "InvalidDocument": "see: aws ssm list-documents --filters Key=DocumentType,Values=ChangeCalendar",
    "InvalidInstanceId": "the instance must run, with its SSM agent online (see ssm:DescribeInstanceInformation)",
    "IrreversibleInstanceRefresh": "roll forward to the previous launch template version instead",
    "IdempotentParameterMismatch": "an earlier, different request used this token; change an input and run again",
    "LimitExceeded": "ask for a higher quota in Service Quotas",
    "ParameterMaxVersionLimitExceeded": "remove the label from the parameter's oldest version",
}

_CREDENTIAL_FAILURES = (
    boto.CredentialRetrievalError,
    boto.NoAuthTokenError,
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.SSOError,
    boto.TokenRetrievalError,
    boto.UnknownCredentialError,
)

_LOST = (boto.ConnectionError, boto.HTTPClientError, ResponseParserError)

_SERVER_ERROR = 500

# IAM's names are those of the operations, but for these.
_ACTIONS = {"DeleteMessageBatch": "DeleteMessage", "ListObjectsV2": "ListBucket"}


@contextmanager
def translated(service: str) -> Iterator[None]:
    """Turn boto3's exceptions into this project's; works as a decorator, too.

    ``service`` is the IAM prefix of the actions called inside (``ec2``, ``autoscaling``).
    """
    try:
        yield
    except boto.ClientError as failure:
        raise _answered(service, failure) from failure
    except (boto.BotoCoreError, ResponseParserError) as failure:
        raise _unanswered(failure) from failure


def launch_failure(code: str, words: str) -> StepFailed | None:
    """Decode why a launch failed, from an error code or an instance's state reason code (``Server.…``, ``Client.…``).

    None for codes that say nothing of a failed launch.
    """
    bare = code.removeprefix("Client.").removeprefix("Server.")
    if code == "Client.InternalError":
        return StepFailed(
            f"AWS could not create the instance's encrypted volume: {words}.",
            hint="the KMS key must be enabled and its policy must let whoever launches use it (kms:CreateGrant)",
        )
    if bare in LAUNCH_FAILURES:
        cause, hint = LAUNCH_FAILURES[bare]
        return StepFailed(f"AWS could not launch the instance: {cause} ({bare}).", hint=hint)
    return None


def _answered(service: str, failure: boto.ClientError) -> RebakeError:
    error = failure.response.get("Error", {})
    code = error.get("Code", "Unknown")
    words = (error.get("Message") or code).rstrip(".")
    action = f"{service}:{_ACTIONS.get(failure.operation_name, failure.operation_name)}"
    status = failure.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    launch = launch_failure(code, words) if failure.operation_name == "RunInstances" else None
    if launch is not None:  # before the status: AWS answers a lack of capacity with HTTP 500
        return launch
    known = _about_the_caller(action, code, words) or _about_the_moment(action, code, words, status)
    if known is not None:
        return known
    message = f"AWS refused {action}: {words} ({code})."
    kind = NotFound if code in _ABSENT or "NotFound" in code else NotPossible
    return kind(message, hint=_HINTS.get(code, ""))


def _about_the_caller(action: str, code: str, words: str) -> RebakeError | None:
    if code in _DENIED:
        hint = f"allow {action} (and iam:PassRole where a role is handed over) for the caller. AWS says: {words}."
        if action.startswith("ec2:"):
            hint += " `aws sts decode-authorization-message` decodes the encoded part."
        return AccessDenied(action, f"The caller may not do {action}.", hint=hint)
    if code in EXPIRED:
        return CredentialsError("The AWS credentials have expired.", hint="sign in again (`aws sso login`); run again")
    if code in _REFUSED_CREDENTIALS:
        return CredentialsError(
            f"AWS refuses the credentials for {action}: {words} ({code}).",
            hint="check `aws sts get-caller-identity`, the machine's clock, and that the region is enabled",
        )
    return None


def _about_the_moment(action: str, code: str, words: str, status: int) -> RebakeError | None:
    if code in _THROTTLED:
        return Throttled(f"AWS kept throttling {action}.", hint="run again in a few minutes; nothing is lost")
    if code in _HELD:
        return HeldError("Another instance refresh of this group runs.", hint="wait for it, or cancel it")
    if code in _UNAVAILABLE or status >= _SERVER_ERROR:
        return Unavailable(f"AWS could not answer {action}: {words} ({code}).", hint="run again to go on")
    return None


def _unanswered(failure: Exception) -> RebakeError:
    words = str(failure).rstrip(".")
    if isinstance(failure, _CREDENTIAL_FAILURES):
        return CredentialsError(
            f"There are no usable AWS credentials: {words}.", hint="sign in (`aws sso login`), or set AWS_PROFILE"
        )
    if isinstance(failure, boto.ProfileNotFound):
        return UsageError(f"{words}.", hint="`aws configure list-profiles` lists them")
    if isinstance(failure, boto.NoRegionError | boto.InvalidRegionError):
        return UsageError(f"{words}.", hint="give --region, set AWS_REGION, or set defaults.region in rebake.yaml")
    if isinstance(failure, boto.ParamValidationError):
        return NotPossible(f"The request is malformed: {words}.")
    if isinstance(failure, _LOST):
        return Unavailable(
            f"AWS cannot be reached: {words}.", hint="check the network and the region; run again to go on"
        )
    return Unavailable(f"The call to AWS failed: {words}.", hint="follow what it says; run again to go on")
