"""Packer suffers the cloud's weather, too: a bake that is run again as a scheduler does ends with one image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path, PurePath

import nouns
import pytest
import rooms
from packers import AMAZON
from world import World

from pipeline import wiring
from pipeline.aws.session import connect
from pipeline.errors import ExitCode, RebakeError
from pipeline.model.settings import Baseline
from pipeline.records.events import Recorder
from pipeline.runs import plans
from pipeline.runs.apply import apply, exit_code
from pipeline.sandbox.clock import WallClock
from pipeline.sandbox.cloud import Cloud
from pipeline.sandbox.faults import Faults

SPEED = 50.0
_RUNS = 6

WEATHERS: dict[str, Callable[[Faults], None]] = {
    "throttled": lambda faults: faults.throttle("ec2:*", share=0.3),
    "500s": lambda faults: faults.fail("ec2:*", "InternalError", share=0.2),
    "reset": lambda faults: faults.reset("ec2:*", share=0.2),
    "answers lost": lambda faults: faults.lose_answer("ec2:*", share=0.2),
    "image's answer lost": lambda faults: faults.lose_answer("ec2:CreateImage", times=1),
    "late ids": lambda faults: faults.hide_new_ids(timedelta(seconds=2 * SPEED)),
}


@pytest.mark.packer
@pytest.mark.parametrize("weather", WEATHERS)
def test_a_bake_ends_with_one_image(
    packer: Path, tmp_path: Path, weather: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it was run: one candidate with its tags, nothing that runs, and a second plan that is empty."""
    for name, value in (("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_POLL_DELAY_SECONDS", "1")):
        monkeypatch.setenv(name, value)
    template = tmp_path / "own.pkr.hcl"
    template.write_text(AMAZON)
    usual = nouns.family()
    build = replace(usual.build, instance_profile="builds")
    family = replace(usual, template=str(template), baseline=Baseline.NONE, build=build)
    settings = rooms.configuration(families={"web": family}, root=PurePath(tmp_path))
    cloud = Cloud(clock=WallClock(SPEED))
    cloud.virtual.boot_time = cloud.virtual.freeze_time = timedelta()
    with cloud.serve() as endpoint:
        world = World(cloud, endpoint=endpoint)
        world.client("iam").create_instance_profile(InstanceProfileName="builds")

        def bake() -> ExitCode:
            clients = connect(region="us-east-1", profile=None, endpoint=endpoint)
            room = wiring.assemble(
                settings,
                clients,
                clock=cloud.clock,
                progress=Recorder(),
                endpoint=endpoint,
                packer=str(packer),
                state=tmp_path / "state",
            )
            try:
                plan = plans.for_bake(room, "web")
                return exit_code(plan, apply(room, plan))
            except RebakeError as error:
                return error.exit_code

        WEATHERS[weather](cloud.faults)
        codes = [bake()]
        while codes[-1] is not ExitCode.DONE and len(codes) < _RUNS:
            codes.append(bake())
        cloud.faults.clear()
        codes.append(bake())
        assert codes[-1] is ExitCode.DONE, codes
        images = world.ec2.describe_images(Owners=["self"])["Images"]
        assert [image["State"] for image in images] == ["available"], codes
        assert {"Key": "rebake:stage", "Value": "candidate"} in images[0]["Tags"]
        listed = world.ec2.describe_instances()["Reservations"]
        assert {one["State"]["Name"] for group in listed for one in group["Instances"]} <= {"terminated"}, codes
