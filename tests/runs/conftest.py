from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import rooms
from world import World

from pipeline.aws.session import Clients, connect
from pipeline.model.settings import FleetSettings
from pipeline.sandbox.clock import ManualClock
from pipeline.sandbox.cloud import Cloud


@pytest.fixture(scope="session")
def clients() -> Iterator[Clients]:
    """Real boto3 clients; making them is slow, so that all tests share them."""
    with pytest.MonkeyPatch.context() as patch:  # kept set: what an expired answer reopens reads them again
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        made = connect(region="us-east-1", profile=None, endpoint=None, attempts=3)
        for service in (
            "autoscaling",
            "cloudformation",
            "cloudwatch",
            "ec2",
            "elbv2",
            "iam",
            "kms",
            "quotas",
            "ssm",
            "sts",
        ):
            getattr(made, service)
        yield made


@pytest.fixture
def make(clients: Clients, tmp_path: Path) -> Iterator[rooms.SceneMaker]:
    """Bring a cloud up in this process and answer a maker of scenes in it."""
    with Cloud(clock=ManualClock()).in_process() as cloud:
        world = World(cloud)

        def scene(*fleets: FleetSettings, **settings: object) -> rooms.Scene:
            return rooms.scene(world, clients, tmp_path, *fleets, **settings)

        yield scene
