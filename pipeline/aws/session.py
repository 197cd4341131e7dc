"""The way to AWS: one session, its clients made when they are first used."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import TYPE_CHECKING, Any

import boto3
from botocore import exceptions as boto
from botocore.config import Config

import pipeline
from pipeline.aws.failures import EXPIRED, translated

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_sts import STSClient

_ATTEMPTS, _REGION = "AWS_MAX_ATTEMPTS", "AWS_REGION"
_CONNECT_SECONDS = 5
# RunInstances and CreateImage answer late under load; a shorter limit would only turn slow answers into lost ones.
_READ_SECONDS = 60
_CONNECTIONS = 25
# Nothing depends on the journal: a rollout must not stand still for long where S3 does not answer.
_BRIEF = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
_ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1})
_READS = ("BatchGet", "Describe", "Get", "List", "Simulate")
_PASSING = ContextVar("passing", default=False)


class Clients:
    """One boto3 session and its clients; safe to share between threads.

    Credentials that have expired and do not refresh themselves (variables, a file) are looked up anew: whoever signs
    in again during a run of hours lets it go on.
    """

    def __init__(
        self, session: Callable[[], boto3.Session], *, endpoint: str | None, config: Config, named: bool = False
    ) -> None:
        self._open = session
        self._session = session()
        self._named = named
        self._endpoint = endpoint
        self._config = config
        self._made: dict[str, Any] = {}
        self._lock = Lock()
        self._guards: list[Callable[[], None]] = []

    @property
    def region(self) -> str:
        """The region that all regional clients speak to."""
        return self.ec2.meta.region_name

    @translated("sts")
    def environment(self) -> Mapping[str, str]:
        """Answer the credentials of the profile that was named, as they are now, as environment variables.

        Empty where none was named: another program then finds its own by AWS's usual chain, and can refresh them.

        Raises:
            CredentialsError: the profile has none, or they cannot be refreshed.
        """
        if not self._named:
            return {}
        with self._lock:
            found = self._session.get_credentials()
        if found is None:
            raise boto.NoCredentialsError
        frozen = found.get_frozen_credentials()
        values = {
            "AWS_ACCESS_KEY_ID": frozen.access_key,
            "AWS_SECRET_ACCESS_KEY": frozen.secret_key,
            "AWS_SESSION_TOKEN": frozen.token,
        }
        return {name: value for name, value in values.items() if value}

    @property
    def ec2(self) -> EC2Client:
        """Images, instances and launch templates."""
        client: EC2Client = self._client("ec2")
        return client

    @property
    def autoscaling(self) -> AutoScalingClient:
        """Auto Scaling groups and instance refreshes."""
        client: AutoScalingClient = self._client("autoscaling")
        return client

    @property
    def elbv2(self) -> ElasticLoadBalancingv2Client:
        """Application and network load balancers."""
        client: ElasticLoadBalancingv2Client = self._client("elbv2")
        return client

    @property
    def cloudwatch(self) -> CloudWatchClient:
        """Alarms and metrics."""
        client: CloudWatchClient = self._client("cloudwatch")
        return client

    @property
    def cloudformation(self) -> CloudFormationClient:
        """Stacks and change sets."""
        client: CloudFormationClient = self._client("cloudformation")
        return client

    @property
    def ssm(self) -> SSMClient:
        """Parameters and Run Command."""
        client: SSMClient = self._client("ssm")
        return client

    @property
    def sts(self) -> STSClient:
        """Who calls."""
        client: STSClient = self._client("sts")
        return client

    @property
    def iam(self) -> IAMClient:
        """Roles, profiles and the policy simulator."""
        client: IAMClient = self._client("iam")
        return client

    @property
    def kms(self) -> KMSClient:
        """Keys."""
        client: KMSClient = self._client("kms")
        return client

    @property
    def quotas(self) -> ServiceQuotasClient:
        """Service Quotas."""
        client: ServiceQuotasClient = self._client("service-quotas")
        return client

    @property
    def s3(self) -> Any:
        """Buckets; few calls are used, so its stubs are not a dependency."""
        return self._client("s3")

    @property
    def inspector2(self) -> Any:
        """Amazon Inspector; three calls of it are used, so its stubs are not a dependency."""
        return self._client("inspector2")

    @property
    def s3_briefly(self) -> Any:
        """Buckets, for what nothing depends on: it gives up within seconds."""
        return self._client("s3", brief=True)

    @property
    def ssm_once(self) -> Any:
        """Systems Manager, for writes that a retry would do twice: it tries once."""
        return self._client("ssm", once=True)

    @property
    def sqs(self) -> Any:
        """Queues; two calls of it are used, so its stubs are not a dependency."""
        return self._client("sqs")

    @property
    def secretsmanager(self) -> Any:
        """Secrets Manager; one call of it is used, so its stubs are not a dependency."""
        return self._client("secretsmanager")

    @translated("sts")
    def _client(self, service: str, *, brief: bool = False, once: bool = False) -> Any:
        # Clients may be shared by threads, but a session may not make two at once (boto3 guide, "Multithreading").
        with self._lock:
            name = f"{service} briefly" if brief else f"{service} once" if once else service
            if name not in self._made:
                make: Any = self._session.client
                config = self._config.merge(_BRIEF) if brief else self._config.merge(_ONCE) if once else self._config
                client = make(service, endpoint_url=self._endpoint, config=config)
                client.meta.events.register("before-call", self._before)
                client.meta.events.register("after-call", self._after)
                self._made[name] = client
            return self._made[name]

    @contextmanager
    def guarded(self, check: Callable[[], None]) -> Iterator[None]:
        """Call the check before every call that changes something, until the block ends; its errors stop the call."""
        self._guards.append(check)
        try:
            yield
        finally:
            self._guards.pop()

    @contextmanager
    def unguarded(self) -> Iterator[None]:
        """Let this thread's calls pass unchecked until the block ends: they are what a check is made of."""
        passing = _PASSING.set(True)
        try:
            yield
        finally:
            _PASSING.reset(passing)

    def _after(self, parsed: Any, **_: Any) -> None:
        if parsed.get("Error", {}).get("Code") in EXPIRED:
            with self._lock:
                self._session = self._open()
                self._made.clear()

    def _before(self, model: Any, **_: Any) -> None:
        if self._guards and not _PASSING.get() and not model.name.startswith(_READS):
            self._guards[-1]()


@translated("sts")
def connect(*, region: str | None, profile: str | None, endpoint: str | None, attempts: int = 8) -> Clients:
    """Open a session; nothing is called yet.

    ``endpoint`` is one URL for all services (a sandbox), None for AWS. ``attempts`` counts the first try too and
    covers throttling, 5xx and lost connections; the waits between them are botocore's (``adaptive``).

    Raises:
        UsageError: the profile does not exist.
    """
    retries: Any = {"mode": "adaptive"}
    if _ATTEMPTS not in os.environ:  # AWS's own variable wins, but botocore lets what is stated here win
        retries["total_max_attempts"] = attempts
    config = Config(
        retries=retries,
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        max_pool_connections=_CONNECTIONS,
        user_agent_extra=f"rebake/{pipeline.__version__}",
    )
    chosen = region or os.environ.get(_REGION)  # every other SDK reads it; botocore knows AWS_DEFAULT_REGION only
    return Clients(
        lambda: boto3.Session(profile_name=profile, region_name=chosen),
        endpoint=endpoint,
        config=config,
        named=profile is not None,
    )
