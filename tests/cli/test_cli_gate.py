"""The release gate as pipelines call it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest
from commands import Command, Project
from world import World

from pipeline.model.names import TAG_FAMILY, TAG_STAGE
from pipeline.sandbox.clock import WallClock
from pipeline.sandbox.cloud import Cloud

SPEED = 200
GATE = "    channel: stable\nrelease_gate: [smoke_tested: {}, {max_age: 1d}, {findings: {}}]"


@pytest.fixture(scope="module")
def account() -> Iterator[tuple[World, str]]:
    """Serve one account to the whole file."""
    cloud = Cloud(clock=WallClock(SPEED))
    with cloud.serve() as endpoint:
        yield World(cloud, endpoint=endpoint), endpoint


@pytest.fixture
def world(account: tuple[World, str], monkeypatch: pytest.MonkeyPatch) -> World:
    """Point the command at the account."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", account[1])
    monkeypatch.setenv("REBAKE_TIME_SCALE", str(SPEED))
    return account[0]


def test_a_pipeline_gets_its_verdict(rebake: Command, project: Project, world: World) -> None:
    """Unknown ends with 3 as a refusal does, and is no pass in JUnit nor in SARIF; known and good ends with 0."""
    folder = project(more=GATE)
    image = world.image("proven", tags={TAG_FAMILY: "web", TAG_STAGE: "tested"})
    words = ("gate", "--image", image, "--junit", "gate.xml", "--sarif", "gate.sarif")
    answer = rebake(*words)
    assert answer.code == 3
    assert re.search(rf"{image} +{image} +unknown +findings +its vulnerabilities are not known", answer.out)
    assert "0 of 1 images pass" in answer.out
    suite = ET.parse(folder / "gate.xml").find("testsuite")  # noqa: S314 - written by the command under test
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "0", "1")
    (run,) = json.loads((folder / "gate.sarif").read_text())["runs"]
    assert [(one["ruleId"], one["level"]) for one in run["results"]] == [("findings", "warning")]
    world.client("inspector2").enable(resourceTypes=["EC2"])
    assert rebake(*words).code == 0
    (run,) = json.loads((folder / "gate.sarif").read_text())["runs"]
    assert run["results"] == []
    body = json.loads(rebake("gate", "--image", image, "--json").out)
    assert (body["passes"], body["judged"][0]["verdicts"][0]["answer"]) == (True, "pass")


def test_a_fleet_on_a_foreign_image_is_refused(rebake: Command, project: Project, world: World) -> None:
    """It is a failure in JUnit, and an error at the configuration file in SARIF."""
    folder = project(more=GATE)
    world.fleet("web-prod", world.base(), size=1)
    assert rebake("gate", "--fleet", "web-prod", "--junit", "gate.xml", "--sarif", "gate.sarif").code == 3
    assert "not ours" in (folder / "gate.xml").read_text()
    (run,) = json.loads((folder / "gate.sarif").read_text())["runs"]
    refused = next(one for one in run["results"] if one["level"] == "error")
    assert refused["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "rebake.yaml"


@pytest.mark.parametrize(
    ("words", "code", "said", "hint"),
    [
        ((), 64, "exactly one of --image, --fleet, --group", "rebake gate --help"),
        (("--image", "ami-00000000000000000", "--fleet", "web-prod"), 64, "exactly one of", "rebake gate --help"),
        (("--image", ""), 64, "What to ask about is empty.", "a variable of the pipeline's"),
        (("--group", ""), 64, "What to ask about is empty.", "a variable of the pipeline's"),
        (("--fleet", "web-prd"), 64, "no fleet named web-prd", "web-prod?"),
        (("--group", "dev"), 64, "no patch group named dev", "known: none"),
        (("--image", "ami-00000000000000000"), 1, "does not exist", "rebake history"),
        (("--image", "latest"), 1, "latest", "rebake history"),
        (("--fleet", "web-prod", "--junit", "no/such/folder.xml"), 64, "cannot be written", "folder that exists"),
    ],
)
@pytest.mark.usefixtures("world")
def test_wrong_words_are_told(
    rebake: Command, project: Project, words: tuple[str, ...], code: int, said: str, hint: str
) -> None:
    """One sentence, the next step, the documented code."""
    project(more=GATE)
    answer = rebake("gate", *words)
    assert answer.code == code
    sentence, advice = answer.complaint()
    assert said in sentence
    assert hint in advice


@pytest.mark.usefixtures("world")
def test_a_file_without_rules_has_no_gate(rebake: Command, project: Project) -> None:
    """Nothing asked is nothing proven."""
    project()
    answer = rebake("gate", "--fleet", "web-prod")
    assert (answer.code, "no release gate" in answer.complaint()[0]) == (64, True)
