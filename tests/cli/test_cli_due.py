"""Who is due, from the outside: exit codes, text, JSON, and the release that only they get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Command, Project
from world import World

from pipeline.model.names import TAG_BAKE_KEY, TAG_FAMILY, TAG_SOURCE_IMAGE, TAG_STAGE
from pipeline.sandbox.clock import WallClock
from pipeline.sandbox.cloud import Cloud

SPEED = 200


@pytest.fixture(scope="module")
def account() -> Iterator[tuple[World, str]]:
    """Serve one account to the whole file."""
    cloud = Cloud(clock=WallClock(SPEED))
    with cloud.serve() as endpoint:
        yield World(cloud, endpoint=endpoint), endpoint


@pytest.fixture
def folder(account: tuple[World, str], project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a project with one family and no fleet that matters, and point the command at the account."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", account[1])
    monkeypatch.setenv("REBAKE_TIME_SCALE", str(SPEED))
    path = project(more="    findings: high\n")
    text = (path / "rebake.yaml").read_text()
    (path / "rebake.yaml").write_text(text[: text.index("fleets:")])
    return path


@pytest.mark.usefixtures("folder")
def test_the_exit_code_tells_due_from_unknown_from_neither(rebake: Command, account: tuple[World, str]) -> None:
    """2, 5 and 0; a release of those that are due has nothing to do, and says so, unless something is in doubt."""
    world = account[0]
    answer = rebake("due", "--json")
    (found,) = json.loads(answer.out)["families"]
    assert (answer.code, [one["trigger"] for one in found["reasons"]]) == (2, ["never baked"])
    step = json.loads(rebake("release", "--if-due", "--dry-run", "--json").out)["plan"]["steps"][0]["step"]
    tags = {TAG_FAMILY: "web", TAG_BAKE_KEY: step["bake_key"], TAG_SOURCE_IMAGE: step["source_image"]}
    image = world.image("tested", tags=tags | {TAG_STAGE: "tested"})
    world.ec2.modify_image_attribute(ImageId=image, ImdsSupport={"Value": "v2.0"})
    assert rebake("promote", "web", "--yes").code == 0
    answer = rebake("due", "web")
    assert (answer.code, answer.out.split()[:3]) == (5, ["web", "unknown", "vulnerability"])
    answer = rebake("release", "--if-due", "--yes")
    assert (answer.code, "has not scanned" in answer.out) == (5, True)
    world.client("inspector2").enable(resourceTypes=["EC2"])
    answer = rebake("due")
    assert (answer.code, answer.out) == (0, "web  -    nothing is due\n")
    answer = rebake("release", "--if-due", "--yes")
    assert (answer.code, answer.out.splitlines()[0]) == (0, "web  -  nothing is due")


@pytest.mark.usefixtures("folder")
def test_the_clocks_of_fixes_have_codes_of_their_own(rebake: Command) -> None:
    """Without a fleet there is nothing to be late for, and one document says so."""
    answer = rebake("sla", "--json")
    assert (answer.code, json.loads(answer.out)["clocks"]) == (0, [])
    assert rebake("sla").out.startswith("From a fix to every fleet: nothing with a time to keep is known.")


def test_what_is_wrong_is_said_in_one_sentence(rebake: Command, folder: Path) -> None:
    """A family that is not there, options that contradict each other, too short a pause."""
    assert rebake("due", "wob").complaint() == ("The configuration has no family named wob.", "did you mean web?")
    answer = rebake("release", "--if-due", "--force", "--yes")
    assert (answer.code, answer.complaint()[0]) == (64, "--if-due and --force contradict each other.")
    assert rebake("watch-sources", "--every", "5").code == 64
    (folder / "rebake.yaml").write_text((folder / "rebake.yaml").read_text() + "events: {queue: https://q.example/q}\n")
    assert rebake("watch-sources", "wob").code == 64
