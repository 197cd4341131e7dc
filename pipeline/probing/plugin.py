"""In the child: the pytest plugin that gives testinfra its ``ssm`` connection and the hygiene suite its services."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from testinfra.backend import BACKENDS

BACKENDS["ssm"] = "pipeline.probing.backend.SsmBackend"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the names of services that must run."""
    parser.addoption("--required-service", action="append", default=[], help="a service that must run (repeatable)")


@pytest.fixture(scope="session")
def required_services(request: pytest.FixtureRequest) -> Sequence[str]:
    """The services that the configuration requires."""
    services: list[str] = request.config.getoption("--required-service")
    return services
