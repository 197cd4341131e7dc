"""What holds for every test: its own home, no AWS settings from outside, loopback only, the same examples each run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from quick import quick_boto

ROOT = Path(__file__).parents[1]
LOOPBACK = ["127.0.0.0/8", "::1", "localhost"]
FOREIGN = re.compile(r"AWS_|REBAKE_|PACKER_|PKR_|MOTO_|(https?|all|no)_proxy$", re.IGNORECASE)

settings.register_profile("same-each-run", derandomize=True, database=None, deadline=None, max_examples=60)
settings.load_profile("same-each-run")


def pytest_configure() -> None:
    """Clear the environment before the first fixture of a session or module can read it."""
    for name in [name for name in os.environ if FOREIGN.match(name)]:
        del os.environ[name]
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"  # botocore would otherwise wait for an instance's metadata
    os.environ["CHECKPOINT_DISABLE"] = "1"  # Packer would otherwise ask its maker for news
    # Root file systems take half a minute to make and can be made again at any time: they are kept between runs.
    os.environ.setdefault("XDG_CACHE_HOME", str(Path.home() / ".cache"))


@pytest.hookimpl(tryfirst=True)  # before -m chooses by markers
def pytest_itemcollected(item: pytest.Item) -> None:
    """Refuse connections that leave the machine, unless marked ``mirror``; mark what boots machines.

    Machines have addresses of the whole host, so two workers would boot them on top of each other.
    """
    if not item.get_closest_marker("mirror"):
        item.add_marker(pytest.mark.allow_hosts(LOOPBACK))
    if "sandbox_real" in item.path.parts or item.get_closest_marker("userland"):
        item.add_marker(pytest.mark.machines)


@pytest.fixture(scope="session", autouse=True)
def _quick() -> Iterator[None]:
    """Let botocore be quick for all tests."""
    with quick_boto():
        yield


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a home of its own: nothing of the caller's is read, nothing is left in it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    return tmp_path
