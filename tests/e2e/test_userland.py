"""The main job with nothing but the control plane simulated: real Packer, real SSH, real apt, real instances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path, PurePath
from typing import Any

import nouns
import pytest
import rooms
from world import World

from pipeline import wiring
from pipeline.aws.session import connect
from pipeline.errors import ExitCode
from pipeline.model.baselines import ApprovalRule, PatchBaseline, Property, Verdict
from pipeline.model.evidence import Proof
from pipeline.model.images import Stage
from pipeline.model.settings import (
    Baseline,
    BaselineChoice,
    BuildSettings,
    Connect,
    Family,
    HttpProbe,
    Settings,
    SmokeSettings,
)
from pipeline.records.events import Recorder
from pipeline.runs import plans
from pipeline.runs.apply import apply, exit_code
from pipeline.runs.baselines import patches
from pipeline.runs.diff import diff
from pipeline.runs.room import Room
from pipeline.sandbox.clock import WallClock
from pipeline.sandbox.cloud import Cloud
from pipeline.sandbox.machines import Tier
from pipeline.sandbox.real import open_machines, open_port, probe

SPEED = 20.0

pytestmark = [
    pytest.mark.packer,
    pytest.mark.userland,
    pytest.mark.mirror,
    pytest.mark.skipif(probe().tier is not Tier.USERLAND, reason=probe().reason),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    """Serve a cloud of Debian userlands on loopback."""
    folder = tmp_path_factory.mktemp("userlands")
    cloud = Cloud(clock=WallClock(SPEED), machines=open_machines(Tier.USERLAND, state_dir=folder, speed=SPEED))
    with cloud.serve() as endpoint:
        yield World(cloud, endpoint=endpoint), endpoint


def web(baseline: BaselineChoice, **smoke: Any) -> Family:
    """Configure a family that Packer reaches over SSH on the instance's own address."""
    return replace(
        nouns.family(),
        baseline=baseline,
        build=BuildSettings(
            instance_types=("t3.small",),
            connect=Connect.PRIVATE_IP,
            timeout=timedelta(minutes=10),
            source_cidr="127.0.0.0/8",
            ssh_port=2222,
        ),
        smoke=SmokeSettings(timeout=timedelta(hours=2), **smoke),
    )


def room(served: tuple[World, str], packer: Path, state: Path, family: Family) -> Room:
    """Open a room on the sandbox with one of the Packers, everything else as a user's own command would have it."""
    world, endpoint = served
    settings: Settings = rooms.configuration(families={"web": family}, root=PurePath(state))
    clients = connect(region="us-east-1", profile=None, endpoint=endpoint)
    return wiring.assemble(
        settings,
        clients,
        clock=world.cloud.clock,
        progress=Recorder(),
        endpoint=endpoint,
        packer=str(packer),
        state=state,
    )


@pytest.fixture(autouse=True)
def exported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Export what `rebake sandbox up` tells to export."""
    for name, value in (("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_POLL_DELAY_SECONDS", "1")):
        monkeypatch.setenv(name, value)


def test_an_unpatched_image_is_baked_and_found_wanting(served: tuple[World, str], packer: Path, tmp_path: Path) -> None:
    """Each Packer bakes; the hygiene suite, on an instance booted from it, finds exactly the pending updates."""
    opened = room(served, packer, tmp_path, web(Baseline.NONE))
    plan = plans.for_bake(opened, "web", force=True)
    result = apply(opened, plan)
    assert exit_code(plan, result) is ExitCode.DONE, result.last
    image = opened.family("web").baked[0]
    plan = plans.for_smoke(opened, "web", image=image.id)
    result = apply(opened, plan)
    assert exit_code(plan, result) is ExitCode.REFUSED
    assert "pending" in getattr(result.last, "reason", "")
    assert opened.family("web").baked[0].stage is Stage.REJECTED
    assert leftovers(served[0]) == []


def test_a_patched_image_is_proven(served: tuple[World, str], packer: Path, tmp_path: Path) -> None:
    """Patched by apt over SSH, the image has nothing pending, serves pages, and says what changed in it."""
    probes = (HttpProbe(port=open_port(80), path="/", status=200, within=timedelta(minutes=30)),)
    opened = room(served, packer, tmp_path, web(Baseline.SECURITY, probes=probes))
    plan = plans.for_release(opened, ("web",), force=True)
    result = apply(opened, plan)
    assert exit_code(plan, result) is ExitCode.DONE, result.last
    image = opened.family("web").baked[0]
    assert image.stage is Stage.TESTED
    assert image.source_image is not None
    openssl = next(one for one in diff(opened, image.source_image, image.id) if one.name == "openssl")
    assert all(cve.startswith("CVE-") for cve in openssl.cves)
    assert opened.tools.evidence.provenance(image).proof is Proof.UNSIGNED
    assert leftovers(served[0]) == []


def test_a_bake_installs_exactly_what_is_approved(served: tuple[World, str], packer: Path, tmp_path: Path) -> None:
    """Of apt's real offer one is rejected and one waits: neither is installed, all approved are, and hygiene agrees."""
    rules = (
        ApprovalRule(filters={Property.NAME: ("openssl", "libssl3", "tzdata")}),
        ApprovalRule(filters={Property.NAME: ("nginx*",)}, after=timedelta(days=3650)),
    )
    ours = PatchBaseline(name="ours", rules=rules, rejected=("tzdata",))
    opened = room(served, packer, tmp_path, web(ours))
    resolution = patches(opened, "web", survey_within=timedelta())
    assert leftovers(served[0]) == []
    by_name = {decision.patch.name: decision for decision in resolution.decisions}
    assert by_name["tzdata"].verdict is Verdict.REJECTED
    assert (released := by_name["nginx"].patch.released) is not None
    assert by_name["nginx"].until == released + timedelta(days=3650)
    assert {package.name for package in resolution.install} == {"openssl", "libssl3"}
    assert by_name["openssl"].patch.cves

    plan = plans.for_release(
        opened, ("web",), force=True
    )  # the other Packer's image would do, were it not for its list
    result = apply(opened, plan)
    assert exit_code(plan, result) is ExitCode.DONE, result.last
    (image, *_) = opened.family("web").baked
    assert image.stage is Stage.TESTED
    assert image.source_image is not None
    changes = diff(opened, image.source_image, image.id)
    assert next(one for one in changes if one.name == "openssl").cves, "its changelog names what was mended"
    changed = {change.name: change.after for change in changes}
    assert changed == {package.name: package.version for package in resolution.install}
    assert plans.for_bake(opened, "web").empty, "the same survey and approvals are the same bake"
    assert leftovers(served[0]) == []


def leftovers(world: World) -> list[str]:
    """List instances, key pairs and groups that a bake or a smoke test left."""
    alive = world.ec2.describe_instances(
        Filters=[{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
    )
    found = [instance["InstanceId"] for group in alive["Reservations"] for instance in group["Instances"]]
    found += [key["KeyName"] for key in world.ec2.describe_key_pairs()["KeyPairs"]]
    groups = world.ec2.describe_security_groups()["SecurityGroups"]
    return found + [group["GroupName"] for group in groups if group["GroupName"] != "default"]
