from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from world import World

from pipeline.sandbox.clock import ManualClock
from pipeline.sandbox.cloud import Cloud


@pytest.fixture
def cloud() -> Iterator[Cloud[ManualClock]]:
    """Bring a cloud up in this process, on a clock that stands until it is moved."""
    with Cloud(clock=ManualClock()).in_process() as cloud:
        yield cloud


@pytest.fixture
def world(cloud: Cloud[ManualClock]) -> World:
    """Open an account in the cloud."""
    return World(cloud)


@pytest.fixture
def prompt(world: World) -> World:
    """Open an account whose machines boot at once, so that only warm-up takes time."""
    world.cloud.virtual.boot_time = timedelta()
    return world
