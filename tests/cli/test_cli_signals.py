"""The verbs that speak to rollouts from outside: halt, unhalt, approve, repair, watch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import Command, Project
from world import World

from pipeline.model.names import TAG_FAMILY, TAG_STAGE, TAG_UNDO
from pipeline.sandbox.clock import WallClock
from pipeline.sandbox.cloud import Cloud

SPEED = 200
OURS = {TAG_FAMILY: "web", TAG_STAGE: "tested"}
RUN = "20261124T120000-abcd"


@pytest.fixture(scope="module")
def account() -> Iterator[tuple[World, str]]:
    """Serve one account to the whole file: every test has a group of its own in it."""
    cloud = Cloud(clock=WallClock(SPEED))
    with cloud.serve() as endpoint:
        yield World(cloud, endpoint=endpoint), endpoint


@pytest.fixture
def world(account: tuple[World, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Point the command at the account and its time; afterwards no cord is pulled any more."""
    world, endpoint = account
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("REBAKE_TIME_SCALE", str(SPEED))
    world.cloud.calls.clear()
    yield world
    for cord in world.ssm.get_parameters_by_path(Path="/rebake/andon")["Parameters"]:
        world.ssm.delete_parameter(Name=cord["Name"])


@pytest.fixture
def fleet(world: World, project: Project, request: pytest.FixtureRequest) -> str:
    """Make the group of one instance that the project's only fleet is; answer its name."""
    name = re.sub(r"\W", "-", request.node.name)[:40]
    project(group=name)
    world.fleet(name, world.base(), size=1)
    world.cloud.calls.clear()
    return name


@pytest.fixture(scope="module")
def new(account: tuple[World, str]) -> str:
    """Make an image that could be rolled."""
    return account[0].image("new", tags=OURS)


@pytest.mark.parametrize(
    ("words", "code", "said", "hint"),
    [
        (("halt", "--all"), 64, "Missing option '--reason'.", "rebake halt --help"),
        (("halt", "--all", "--reason", "x", "--yes"), 64, "No such option: --yes", "rebake halt --help"),
        (("halt", "--all", "--reason", "x", "--report", "r.html"), 64, "--report", "rebake halt --help"),
        (("halt", "--reason", "x"), 64, "exactly one of --fleet, --group, --all", "--all"),
        (("halt", "--reason", "x", "--all", "--fleet", "web-prod"), 64, "exactly one", "--all"),
        (("halt", "--reason", "x", "--fleet", "web-prd"), 64, "no fleet named web-prd", "web-prod?"),
        (("halt", "--reason", "x", "--group", "dev"), 64, "no patch group named dev", "known: none"),
        (("unhalt",), 64, "exactly one", "--all"),
        (("unhalt", "--fleet", "web-prod"), 1, "cord fleet-web-prod is not pulled", "pulled are: none"),
        (("approve",), 64, "Missing argument 'run'.", "rebake approve --help"),
        (("approve", "yes"), 64, "yes is not the id of a run", "20261123T181500-kqzt"),
        (("revoke", "ami-00000000000000000"), 64, "Missing option '--reason'.", "rebake revoke --help"),
        (("revoke", "ami-00000000000000000", "--reason", "x"), 1, "does not exist", "rebake history"),
        (("revoke", "web-prod", "--reason", "x"), 1, "web-prod", "rebake history"),
        (("repair", "web-prd", "--yes"), 64, "no fleet named web-prd", "web-prod?"),
        (("watch", "web-prd"), 64, "web-prd", "web-prod?"),
        (("watch", "--every", "0"), 64, "--every", "rebake watch --help"),
        (("roll", "web-prod", "--approve-by", "soon", "--yes"), 64, "--approve-by: 'soon'", "--approve-by 2h"),
        (("release", "--approve-by", "0s", "--yes"), 64, "--approve-by: '0s' is less than 1m", "--approve-by 2h"),
    ],
)
def test_wrong_words_change_nothing(
    rebake: Command, project: Project, world: World, words: tuple[str, ...], code: int, said: str, hint: str
) -> None:
    """One sentence, the next step, the documented code; and no call that changes anything."""
    project()
    answer = rebake(*words)
    assert answer.code == code
    sentence, advice = answer.complaint()
    assert said in sentence
    assert hint in advice
    assert [call.action for call in world.changed if not call.error] == []


def test_a_cord_from_halt_to_unhalt(rebake: Command, world: World, fleet: str, new: str) -> None:
    """Looked at first, pulled, seen in status, obeyed by a roll (6), let go, and the same roll goes on (0)."""
    words = ("halt", "--fleet", "web-prod", "--reason", "5xx are rising")
    dry = json.loads(rebake(*words, "--dry-run", "--json").out)
    assert (dry["scope"], dry["fleets"][0]["text"]) == ("fleet-web-prod", "no refresh is under way")
    assert "Would halt: fleet-web-prod" in rebake(*words, "--dry-run").out
    assert world.changed == ()
    halted = rebake(*words)
    assert (halted.code, halted.out.splitlines()[0]) == (0, "Halted: fleet-web-prod. Let go with: rebake unhalt …")
    assert "HALTED: halted (fleet-web-prod) by arn:" in rebake("status").out
    held = rebake("roll", "web-prod", "--image", new, "--yes")
    assert held.code == 6
    assert "5xx are rising" in held.out
    assert json.loads(rebake("unhalt", "--fleet", "web-prod", "--json").out) == {"scope": "fleet-web-prod"}
    assert rebake("roll", "web-prod", "--image", new, "--yes").code == 0
    assert world.versions(fleet) == ["2"]


def test_a_halt_that_cannot_reach_a_fleet_is_partial(rebake: Command, project: Project, world: World) -> None:
    """The cord is pulled all the same, and the fleet is named with what is wrong."""
    project(group="absent")
    answer = rebake("halt", "--all", "--reason", "x", "--json")
    assert answer.code == 5
    (told,) = json.loads(answer.out)["fleets"]
    assert (told["fleet"], told["ok"]) == ("web-prod", False)
    assert "absent" in told["text"]
    assert rebake("unhalt", "--all").out == "Let go: all.\n"
    assert [call.action for call in world.changed] == ["ssm:PutParameter", "ssm:DeleteParameter"]


@pytest.mark.parametrize(("words", "word"), [((), "Approved"), (("--reject", "--reason", "too late"), "Rejected")])
def test_an_answer_is_signed(
    rebake: Command, project: Project, world: World, words: tuple[str, ...], word: str
) -> None:
    """Who said what to which run, as text and as one document."""
    project()
    answer = rebake("approve", RUN, *words)
    assert answer.code == 0
    assert answer.out.startswith(f"{word}: {RUN}, as arn:")
    told = json.loads(rebake("approve", RUN, *words, "--json").out)
    assert (told["run"], told["signal"]["word"]) == (RUN, "reject" if words else "approve")
    assert json.loads(world.ssm.get_parameter(Name=f"/rebake/approvals/{RUN}")["Parameter"]["Value"])["by"]


def waiting(words: list[str], folder: Path) -> tuple[subprocess.Popen[str], str]:
    """Start a command that asks for approval; answer it and the run's id, as it says that itself."""
    command = [sys.executable, "-m", "pipeline.cli", *words]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"rebake approve (\S+)", line):
            return process, found[1]
    raise AssertionError(process.communicate())


def test_a_roll_waits_for_a_word(rebake: Command, world: World, fleet: str, new: str) -> None:
    """--approve-by says which run waits; the answer comes from another process, and then it goes on."""
    process, run = waiting(["roll", "web-prod", "--image", new, "--yes", "--json", "--approve-by", "2h"], Path.cwd())
    try:
        assert not world.cloud.calls.matching("autoscaling:StartInstanceRefresh")
        assert rebake("approve", run, "--reason", "looked at it").code == 0
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    (lane,) = json.loads(out)["fleets"]
    assert lane["results"][0]["planned"]["step"]["kind"] == "CheckGate"
    assert "looked at it" in json.dumps(lane)
    assert world.versions(fleet) == ["2"]


@pytest.mark.usefixtures("world")
def test_nobody_answers_in_time(rebake: Command, fleet: str, new: str) -> None:
    """Silence refuses when the time is over, and nothing was begun."""
    assert fleet
    answer = rebake("roll", "web-prod", "--image", new, "--yes", "--approve-by", "1m")
    assert answer.code == 3
    assert "nobody approved it" in answer.out


def left_behind(
    world: World, group: str, record: str = '{"run":"r","min":0,"pinned":1,"resume":["AZRebalance"]}'
) -> None:
    """Leave on a group what a killed run leaves."""
    kind: Any = {"ResourceType": "auto-scaling-group", "PropagateAtLaunch": False}
    tags: Any = [{"ResourceId": group, "Key": TAG_UNDO, "Value": record, **kind}]
    world.autoscaling.create_or_update_tags(Tags=tags)
    world.autoscaling.update_auto_scaling_group(AutoScalingGroupName=group, MinSize=1)
    world.autoscaling.suspend_processes(AutoScalingGroupName=group, ScalingProcesses=["AZRebalance"])
    world.cloud.calls.clear()


def test_repair_is_looked_at_first_and_then_done(rebake: Command, world: World, fleet: str) -> None:
    """--dry-run says what would be put back and does nothing; then it is put back; then nothing is left to do."""
    left_behind(world, fleet)
    dry = rebake("repair", "--dry-run", "--json")
    assert dry.code == 0
    (lane,) = json.loads(dry.out)["plan"]["waves"][0]["lanes"]
    assert [one["step"]["kind"] for one in lane["steps"]] == ["PutBack"]
    assert world.changed == ()
    unasked = rebake("repair")
    assert (unasked.code, unasked.complaint()[0]) == (64, "Nobody is there to approve the plan.")
    done = rebake("repair", "web-prod", "--yes")
    assert done.code == 0
    assert "minimum 0, resumed AZRebalance" in done.out
    group = world.group(fleet)
    assert (group["MinSize"], group["SuspendedProcesses"]) == (0, [])
    again = rebake("repair")
    assert (again.code, again.out.splitlines()[-1]) == (0, "Plan: nothing to do.")
    assert "nothing to put back" in again.out


def test_repair_tells_of_a_record_that_it_cannot_read(rebake: Command, world: World, fleet: str) -> None:
    """Somebody else's words in the tag: one sentence, a hint, code 1; of all fleets, it stops no other."""
    left_behind(world, fleet, "do not touch")
    answer = rebake("repair", "web-prod", "--yes")
    assert answer.code == 1
    assert f"of group {fleet} is no record of a rollout: do not touch" in answer.complaint()[0]
    every = rebake("repair", "--yes")
    assert every.code == 1
    assert "1 blocked" in every.out
    assert world.changed == ()


def documents(text: str) -> list[Any]:
    """Read one JSON document after the other."""
    decoder, found = json.JSONDecoder(), []
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:]
    return found


def test_watching_ends_with_the_rollout(rebake: Command, world: World, fleet: str, new: str) -> None:
    """A line, or a document, at each change, until nothing is under way; looking changes nothing."""
    quiet = rebake("watch", "web-prod", "--until-done")
    assert quiet.code == 0
    (line,) = quiet.out.splitlines()
    assert line.endswith(f"web-prod: 1/1 healthy, 1 on {world.base()}")
    group = world.group(fleet)
    version = world.version(group["LaunchTemplate"]["LaunchTemplateId"], ImageId=new)
    world.autoscaling.start_instance_refresh(
        AutoScalingGroupName=fleet,
        DesiredConfiguration={
            "LaunchTemplate": {
                "LaunchTemplateId": group["LaunchTemplate"]["LaunchTemplateId"],
                "Version": str(version),
            }
        },
        Preferences={"InstanceWarmup": 300},
    )
    world.cloud.calls.clear()
    answer = rebake("watch", "--json", "--until-done", "--every", "20")
    assert answer.code == 0
    seen = [family["fleets"][0] for found in documents(answer.out) for family in found["families"]]
    assert len(seen) > 1
    assert seen[0]["refresh"]["status"] in {"Pending", "InProgress"}
    assert (seen[-1]["refresh"]["status"], list(seen[-1]["by_image"])) == ("Successful", [new])
    assert world.changed == ()


def test_an_image_is_looked_at_and_revoked(rebake: Command, project: Project, world: World) -> None:
    """A dry run changes nothing; the second word on it tells of the first; it is not promoted any more."""
    project()
    image = world.image("bad", tags=OURS)
    world.cloud.calls.clear()
    words = ("revoke", image, "--reason", "CVE-2026-1")
    assert "would be revoked" in rebake(*words, "--dry-run").out
    assert world.changed == ()
    assert {"target": image, "text": "is revoked", "ok": True} in json.loads(rebake(*words, "--json").out)["targets"]
    assert "was revoked (CVE-2026-1; by arn:" in rebake(*words).out
    refused = rebake("promote", "web", "--image", image, "--yes")
    assert (refused.code, "was revoked" in refused.complaint()[0]) == (3, True)


@pytest.mark.usefixtures("world")
def test_watching_on_a_terminal_is_a_table(rebake: Command, fleet: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row a fleet and the latest changes below; a halted one says by whom."""
    assert fleet
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    assert rebake("halt", "--all", "--reason", "look first").code == 0
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", rebake("watch", "--until-done").out)
    assert "fleet" in shown.splitlines()[0]
    assert "web-prod" in shown.splitlines()[1]
    assert "1/1" in shown
    assert "look first" in shown
