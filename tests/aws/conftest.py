"""One set of real boto3 clients for all tests of this room, and stubs for what they would answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from botocore.stub import Stubber
from moto import mock_aws

from pipeline.aws.session import Clients, connect
from pipeline.sandbox.clock import ManualClock

_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
}


@pytest.fixture(scope="session")
def clients() -> Iterator[Clients]:
    """Clients that try once; making them is slow, so that all tests share them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        yield connect(region="eu-west-1", profile=None, endpoint=None, attempts=1)


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
def moto_aws(clients: Clients) -> Iterator[Clients]:
    """The same clients against an empty account."""
    with mock_aws():
        yield clients
