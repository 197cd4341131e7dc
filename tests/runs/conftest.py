from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import rooms
from guards import Groups, allowed
from world import World

from pipeline.aws.session import Clients, connect
from pipeline.model.settings import FleetSettings
from pipeline.sandbox.clock import ManualClock
from pipeline.sandbox.cloud import Cloud


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep them readable: clients that were told that theirs are expired read them again."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")


@pytest.fixture(scope="session")
def clients() -> Clients:
    """Real boto3 clients; making them is slow, so that all tests share them."""
    with pytest.MonkeyPatch.context() as patch:
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
            "s3",
            "secretsmanager",
            "ssm",
            "ssm_once",
            "sts",
        ):
            getattr(made, service)
    return made


GROUPS: dict[str, Groups] = {
    "test_bakes": ("bake",),
    "test_checks": ("report",),
    "test_due": ("bake", "roll", "report"),
    "test_evidence_runs": (None,),
    "test_findings": ("bake", "roll", "report"),
    "test_gate": ("bake", "report"),
    "test_good_images": ("bake", "roll"),
    "test_halts": ("roll", "gate"),
    "test_leases": ("bake", "roll", "gate"),
    "test_owned": ("bake", "roll", "gate"),
    "test_patches": ("bake",),
    "test_release": ("bake", "roll"),
    "test_revoking": ("bake", "roll", "gate"),
    "test_sla": ("bake", "roll", "report"),
    "test_sweep": ("bake",),
    "test_sweep_meanwhile": ("bake", "roll", "sweep"),
    "test_sweep_rollouts": ("bake", "roll", "sweep"),
    "test_trouble": ("bake", "roll"),
    "test_unknown_smoke": ("bake",),
    "test_wave_runs": ("bake", "roll", "gate"),
    "test_window_runs": ("bake", "roll", "gate"),
}
"""The policies of the verbs in a file; in all others it is roll's alone, and a sweep has its own everywhere."""


@pytest.fixture(autouse=True)
def _allowed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Deny everything to the verbs that the policies of their groups do not allow."""
    with allowed(GROUPS.get(request.path.stem, ("roll",))):
        yield


@pytest.fixture
def make(clients: Clients, tmp_path: Path) -> Iterator[rooms.SceneMaker]:
    """Bring a cloud up in this process and answer a maker of scenes in it."""
    with Cloud(clock=ManualClock()).in_process() as cloud:
        world = World(cloud)

        def scene(*fleets: FleetSettings, **settings: object) -> rooms.Scene:
            return rooms.scene(world, clients, tmp_path, *fleets, **settings)

        yield scene
