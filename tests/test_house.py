"""What the root conftest promises to every other test."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import pytest_socket


def test_connections_beyond_loopback_are_refused() -> None:
    """A connection to another machine fails at once, before anything is sent."""
    with pytest.raises(pytest_socket.SocketConnectBlockedError):
        socket.create_connection(("192.0.2.1", 80), timeout=1)


def test_every_loopback_address_is_reachable() -> None:
    """The sandbox's machines live at 127.x.y.z: connecting there is allowed."""
    with socket.create_server(("127.31.7.9", 0)) as server, socket.create_connection(server.getsockname(), timeout=1):
        pass


def test_home_is_the_tests_own(home: Path) -> None:
    """HOME is a fresh folder, so no profile of the caller's is read."""
    assert Path.home() == home
    assert not (home / ".aws").exists()


def test_no_aws_setting_leaks_in() -> None:
    """Only the switch that keeps botocore away from instance metadata is set."""
    assert [name for name in os.environ if name.startswith("AWS_")] == ["AWS_EC2_METADATA_DISABLED"]
