"""One set of real boto3 clients for all tests of this room, and stubs for what they would answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from aws.account import Account
from botocore.stub import Stubber

from pipeline.aws.session import Clients, connect
from pipeline.sandbox.clock import ManualClock
from pipeline.sandbox.cloud import Cloud

_SERVICES = (
    *("autoscaling", "cloudformation", "cloudwatch", "ec2", "elbv2", "iam", "inspector2", "kms", "quotas"),
    *("secretsmanager", "sqs", "ssm", "ssm_once", "sts"),
)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep them readable: clients that were told that theirs are expired read them again."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")


@pytest.fixture(scope="session")
def clients() -> Clients:
    """Clients that try once; making them is slow, so that all tests share them."""
    with pytest.MonkeyPatch.context() as patch:  # credentials are read when a client is made: all are made here
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        made = connect(region="us-east-1", profile=None, endpoint=None, attempts=1)
        for service in _SERVICES:
            getattr(made, service)
    return made


@pytest.fixture
def clock() -> ManualClock:
    """Time that moves only by sleeping."""
    return ManualClock()


@pytest.fixture
def stub(clients: Clients) -> Iterator[Callable[[str], Stubber]]:
    """Make the stub of a service's client; everything it was told must have been asked in the end."""
    made: dict[str, Stubber] = {}

    def of(service: str) -> Stubber:
        if service not in made:
            made[service] = Stubber(getattr(clients, service))
            made[service].activate()
        return made[service]

    yield of
    for stubber in made.values():
        stubber.deactivate()
        stubber.assert_no_pending_responses()


@pytest.fixture
def account(clients: Clients) -> Iterator[Account]:
    """An account of its own for each test."""
    cloud = Cloud(clock=ManualClock())
    with cloud.in_process():
        yield Account(cloud, clients)
