"""What the reader is told when something is wrong: one sentence, the next step, the exit code; and nothing is left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import Command, Project
from world import Fleet, World

from pipeline.model.names import TAG_FAMILY, TAG_STAGE
from pipeline.sandbox.clock import ManualClock
from pipeline.sandbox.cloud import Cloud

NOWHERE = "ami-0123456789abcdef0"


@pytest.fixture(scope="module")
def account() -> Iterator[tuple[World, str]]:
    """Serve one account to the whole file: every test has a group of its own in it."""
    cloud = Cloud(clock=ManualClock())
    with cloud.serve() as endpoint:
        yield World(cloud, endpoint=endpoint), endpoint


@pytest.fixture
def world(account: tuple[World, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Point the command at the account; afterwards nothing is denied or broken any more."""
    world, endpoint = account
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    yield world
    world.cloud.allow_all()
    world.cloud.faults.clear()


@pytest.fixture(scope="module")
def tested(account: tuple[World, str]) -> str:
    """Make an image that could be rolled."""
    return account[0].image("tested", tags={TAG_FAMILY: "web", TAG_STAGE: "tested"})


def changes(world: World) -> list[str]:
    """List the mutating calls since the last reset."""
    return [call.action for call in world.changed]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 1\nfamilys: {}\n", "rebake.yaml:2: familys"),
        ("version: 1\nfamilies: {web: [}\n", "rebake.yaml:2"),
        ("", "rebake.yaml:1: is empty"),
        ("version: 1\nfleets:\n  a: {gates: []}\n", "rebake.yaml:3: fleets.a.gates: is empty: a condition that asks"),
        ("version: 1\nfleets: {a: {strategy: {channel_only: true, stack: {parameter: P}}}}\n", "say exactly one of"),
        ("version: 1\npatch_groups: {a: {wave: 1}, b: {wave: 1}}\n", "rebake.yaml:2: patch_groups.b.wave: is the wave"),
        ("version: 1\nlimits: {fleets: 200%}\n", "rebake.yaml:2: limits.fleets: must be at least 1"),
    ],
    ids=["unknown key", "bad YAML", "empty", "no gates", "two strategies", "two waves", "limits"],
)
def test_a_faulty_file_is_told_by_line(rebake: Command, project: Project, text: str, said: str) -> None:
    """Unknown keys and bad YAML are told with file, line and field, before AWS is asked anything."""
    project().joinpath("rebake.yaml").write_text(text)
    answer = rebake("plan")
    assert answer.code == 64
    *faults, hint = answer.err.splitlines()
    assert any(said in fault for fault in faults)
    assert "rebake schema" in hint or "rebake init" in hint


def test_no_file_at_all_leads_to_init(rebake: Command, project: Project) -> None:
    """In a folder without rebake.yaml the next step is `rebake init`."""
    project().joinpath("rebake.yaml").unlink()
    answer = rebake("release", "--yes")
    assert answer.code == 64
    assert answer.err.splitlines()[0] == "rebake.yaml: no such file"
    assert "rebake init" in answer.err.splitlines()[1]


def test_a_missing_template_is_told(rebake: Command, project: Project) -> None:
    """A template that is neither built in nor a path of the project is told with its line."""
    project(template="debain-12")
    answer = rebake("plan")
    assert answer.code == 64
    assert "rebake.yaml:4: families.web.template" in answer.err
    assert "debian-12" in answer.err


def test_an_undefined_variable_is_named(rebake: Command, project: Project, world: World) -> None:
    """A template of the user's own that asks for a variable nobody defined is told by its name and line."""
    folder = project(template="./own.pkr.hcl.j2")
    (folder / "own.pkr.hcl.j2").write_text("# a comment\nlocals { version = <{ app_vresion }> }\n")
    world.cloud.calls.clear()
    answer = rebake("bake", "web", "--yes")
    assert answer.code == 64
    assert "app_vresion" in answer.err
    assert "own.pkr.hcl.j2" in answer.err
    assert answer.err.splitlines()[-1].startswith("  -> ")
    assert changes(world) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rol", "web-prod"), "rol"),
        (("plan", "--jsn"), "--jsn"),
        (("roll",), "fleet"),
        (("rollback", "web-prod", "--to", "two"), "--to"),
    ],
    ids=["verb", "option", "argument", "number"],
)
def test_wrong_words_are_wrong_usage(rebake: Command, words: tuple[str, ...], said: str) -> None:
    """Unknown verbs and options, missing arguments and wrong values end with 64 and lead to the help."""
    answer = rebake(*words)
    assert answer.code == 64
    sentence, hint = answer.complaint()
    assert said in sentence
    assert "--help" in hint


@pytest.mark.parametrize(
    ("words", "guess"),
    [
        (("bake", "wbe"), "did you mean web?"),
        (("roll", "web-prd"), "did you mean web-prod?"),
        (("status", "xyz"), "known: web, web-prod"),
        (("plan", "xyz"), "known: web"),
    ],
)
def test_an_unknown_name_brings_the_nearest(
    rebake: Command, project: Project, world: World, words: tuple[str, ...], guess: str
) -> None:
    """A family or fleet that the file does not have is told with the nearest name it has."""
    project()
    world.cloud.calls.clear()
    answer = rebake(*words)
    assert answer.code == 64
    sentence, hint = answer.complaint()
    assert words[1] in sentence
    assert hint == guess
    assert changes(world) == []


@pytest.mark.parametrize("scale", ["fast", "0", "-1", "nan", "inf"])
def test_a_broken_time_scale_is_told(
    rebake: Command, project: Project, world: World, monkeypatch: pytest.MonkeyPatch, scale: str
) -> None:
    """REBAKE_TIME_SCALE must be a number that time can be multiplied by."""
    project()
    monkeypatch.setenv("REBAKE_TIME_SCALE", scale)
    world.cloud.calls.clear()
    answer = rebake("status")
    assert answer.code == 64
    sentence, hint = answer.complaint()
    assert f"'{scale}'" in sentence
    assert "REBAKE_TIME_SCALE" in hint
    assert len(world.cloud.calls) == 0


@pytest.mark.parametrize(
    "report", ["nowhere/report.html", ".", "report.json"], ids=["no such folder", "a folder", "its data"]
)
def test_a_report_that_cannot_be_written_stops_the_run_before_it_begins(
    rebake: Command, project: Project, world: World, report: str
) -> None:
    """An hour's run must not end in "cannot be written": it is tried first."""
    project()
    world.cloud.calls.clear()
    answer = rebake("release", "--yes", "--report", report)
    assert answer.code == 64
    sentence, _ = answer.complaint()
    assert report in sentence
    assert len(world.cloud.calls) == 0


def test_a_missing_region_is_told(
    rebake: Command, project: Project, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a region nothing can be asked; the variable that the hint names is read."""
    project()
    monkeypatch.delenv("AWS_REGION")
    world.cloud.calls.clear()
    answer = rebake("status")
    assert answer.code == 64
    sentence, hint = answer.complaint()
    assert sentence == "You must specify a region."
    assert "set AWS_REGION" in hint
    assert len(world.cloud.calls) == 0


def test_without_a_terminal_somebody_must_say_yes(rebake: Command, project: Project, world: World) -> None:
    """In a pipeline nobody can be asked: nothing is done, and --yes is the next step."""
    project()
    world.fleet("web-prod", world.base(), size=1)
    world.cloud.calls.clear()
    answer = rebake("release")
    assert answer.code == 64
    sentence, hint = answer.complaint()
    assert sentence == "Nobody is there to approve the plan."
    assert "--yes" in hint
    assert changes(world) == []


def roll(rebake: Command, world: World, image: str, *, code: int) -> tuple[str, str]:
    """Roll and answer the complaint; no mutating call may have been made."""
    world.cloud.calls.clear()
    answer = rebake("roll", "web-prod", "--image", image, "--yes", "--json")
    assert answer.code == code, answer.err
    document = json.loads(answer.out)
    assert (document["error"], document["hint"]) == answer.complaint()
    assert document["exit_code"] == code
    assert changes(world) == []
    return answer.complaint()


def test_an_image_that_does_not_exist(rebake: Command, project: Project, world: World) -> None:
    """A mistyped image id is told as such."""
    world.fleet("typo", world.base(), size=1)
    project(group="typo")
    sentence, hint = roll(rebake, world, NOWHERE, code=1)
    assert sentence == f"{NOWHERE} does not exist, or this account may not see it."
    assert hint == "see: rebake history web"


def test_a_source_image_that_does_not_exist(rebake: Command, project: Project, world: World) -> None:
    """A source rule that matches nothing names the rule."""
    project(source=f"{{image: {NOWHERE}}}")
    world.cloud.calls.clear()
    answer = rebake("bake", "web", "--yes")
    assert answer.code == 1
    assert NOWHERE in answer.complaint()[0]
    assert changes(world) == []


@pytest.mark.parametrize("verb", ["roll", "promote", "smoke"])
def test_an_image_that_is_not_ours(rebake: Command, project: Project, world: World, verb: str) -> None:
    """An image that was not baked here is neither rolled, nor promoted, nor tested."""
    world.fleet(f"ours-{verb}", world.base(), size=1)
    project(group=f"ours-{verb}")
    world.cloud.calls.clear()
    answer = rebake(verb, "web-prod" if verb == "roll" else "web", "--image", world.base(), "--yes")
    assert answer.code == 1
    sentence, hint = answer.complaint()
    assert "baked here" in sentence
    assert "rebake" in hint
    assert changes(world) == []


def test_a_group_that_does_not_exist(rebake: Command, project: Project, world: World, tested: str) -> None:
    """The group's name and where it stands in the file are told."""
    project(group="absent")
    sentence, hint = roll(rebake, world, tested, code=1)
    assert "absent" in sentence
    assert hint


def group(world: World, name: str, image: str, **wanted: Any) -> None:
    """Make a group of one instance with a way of launching of its own."""
    del image
    world.autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=0,
        MaxSize=2,
        DesiredCapacity=1,
        AvailabilityZones=["us-east-1a"],
        **wanted,
    )
    world.wait(60)


def test_a_group_on_a_launch_configuration(rebake: Command, project: Project, world: World, tested: str) -> None:
    """A launch configuration has no versions: the group must move to a launch template first."""
    world.autoscaling.create_launch_configuration(
        LaunchConfigurationName="old-style", ImageId=world.base(), InstanceType="t3.small"
    )
    group(world, "configured", tested, LaunchConfigurationName="old-style")
    project(group="configured")
    sentence, hint = roll(rebake, world, tested, code=1)
    assert "launch configuration old-style" in sentence
    assert "launch template" in hint


@pytest.mark.parametrize("version", ["$Latest", "$Default"])
def test_a_group_that_follows_a_moving_version(
    rebake: Command, project: Project, world: World, tested: str, version: str
) -> None:
    """AWS cannot roll back a group whose saved version moves."""
    name = f"follows-{version[1:]}"
    template = world.template(name, world.base())
    group(world, name, tested, LaunchTemplate={"LaunchTemplateId": template, "Version": version})
    project(group=name)
    sentence, hint = roll(rebake, world, tested, code=1)
    assert version in sentence
    assert "numbered version" in hint


def mixed(world: World, name: str, *overrides: dict[str, Any]) -> None:
    """Make a mixed-instances group."""
    base = {"LaunchTemplateId": world.template(name, world.base()), "Version": "1"}
    policy = {"LaunchTemplate": {"LaunchTemplateSpecification": base, "Overrides": list(overrides)}}
    group(world, name, "", MixedInstancesPolicy=policy)


def test_overrides_with_templates_of_their_own(rebake: Command, project: Project, world: World, tested: str) -> None:
    """One image cannot serve overrides that have templates of their own."""
    other = {"LaunchTemplateId": world.template("other", world.base()), "Version": "1"}
    mixed(world, "own-templates", {"InstanceType": "t3.small", "LaunchTemplateSpecification": other})
    project(group="own-templates")
    sentence, hint = roll(rebake, world, tested, code=1)
    assert "own-templates" in sentence
    assert "overrides" in hint


def test_plain_overrides_can_be_rolled(rebake: Command, project: Project, world: World, tested: str) -> None:
    """A mixed-instances group whose overrides only name types is planned like any other."""
    mixed(world, "plain", {"InstanceType": "t3.small"}, {"InstanceType": "t3a.small"})
    project(group="plain")
    answer = rebake("roll", "web-prod", "--image", tested, "--dry-run")
    assert answer.code == 0, answer.err
    assert "instance refresh" in answer.out


def refreshing(world: World, name: str) -> Fleet:
    """Make a fleet that somebody else refreshes."""
    fleet = world.fleet(name, world.base(), size=2)
    world.start(fleet, 1, SkipMatching=False)
    return fleet


def test_a_refresh_that_runs_already(rebake: Command, project: Project, world: World, tested: str) -> None:
    """Somebody else's refresh holds the fleet: exit 6, and the way on."""
    refreshing(world, "held")
    project(group="held")
    sentence, hint = roll(rebake, world, tested, code=6)
    assert "goes to" in sentence
    assert "rebake rollback web-prod" in hint


def test_a_missing_permission_is_named(rebake: Command, project: Project, world: World, tested: str) -> None:
    """The missing IAM action stands in the sentence and in the hint."""
    world.fleet("denied", world.base(), size=1)
    project(group="denied")
    world.cloud.deny("ec2:DescribeLaunchTemplateVersions")
    sentence, hint = roll(rebake, world, tested, code=69)
    assert sentence == "The caller may not do ec2:DescribeLaunchTemplateVersions."
    assert hint.startswith("allow ec2:DescribeLaunchTemplateVersions")


def test_a_permission_that_is_missing_in_the_middle(
    rebake: Command, project: Project, world: World, tested: str, home: Path
) -> None:
    """Stopped after a step: what was done is told in JSON, in text and in the report, and the same again goes on."""
    world.fleet("stopped", world.base(), size=1)
    folder = project(group="stopped")
    world.cloud.deny("autoscaling:StartInstanceRefresh")
    words = ("roll", "web-prod", "--image", tested, "--yes")
    answer = rebake(*words, "--json", "--report", "report.html")
    assert answer.code == 69
    document = json.loads(answer.out)
    assert [step["planned"]["step"]["kind"] for step in document["fleets"][0]["results"]] == ["CreateTemplateVersion"]
    assert document["error"] == "The caller may not do autoscaling:StartInstanceRefresh." == answer.complaint()[0]
    assert document["exit_code"] == 69
    page = (folder / "report.html").read_text()
    assert "The caller may not do autoscaling:StartInstanceRefresh." in page
    assert "stopped</dd>" in page
    again = rebake(*words)
    assert again.code == 69
    assert "template" in again.out
    assert "nothing to do: version 2" in again.out
    assert not list(home.rglob("*.new"))


def test_expired_credentials(rebake: Command, project: Project, world: World, tested: str) -> None:
    """Credentials that ran out are told with how to sign in again."""
    project(group="any")
    world.cloud.faults.fail("*", "ExpiredToken")
    sentence, hint = roll(rebake, world, tested, code=69)
    assert sentence == "The AWS credentials have expired."
    assert "aws sso login" in hint


def test_throttling_that_does_not_end(
    rebake: Command, project: Project, world: World, tested: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the retry budget (AWS_MAX_ATTEMPTS) the throttled call is named."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    project(group="any")
    world.cloud.faults.throttle("autoscaling:*")
    sentence, hint = roll(rebake, world, tested, code=69)
    assert sentence == "AWS kept throttling autoscaling:DescribeAutoScalingGroups."
    assert "run again" in hint


def bake(rebake: Command, world: World) -> tuple[str, str]:
    """Bake in vain and answer the complaint; no mutating call may have been made."""
    world.cloud.calls.clear()
    answer = rebake("bake", "web", "--yes")
    assert answer.code == 69, answer.err
    assert changes(world) == []
    return answer.complaint()


def test_packer_that_is_missing(
    rebake: Command, project: Project, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Packer nothing is begun."""
    monkeypatch.setenv("PATH", str(project()))
    sentence, hint = bake(rebake, world)
    assert sentence == "Packer is not installed"
    assert "scripts/get-packer" in hint


@pytest.mark.parametrize(
    ("version", "said"), [("Packer v1.5.4", "older than 1.6"), ("cracklib 2.9", "not HashiCorp's Packer")]
)
def test_packer_that_will_not_do(
    rebake: Command, project: Project, world: World, monkeypatch: pytest.MonkeyPatch, version: str, said: str
) -> None:
    """A Packer that is too old, or another program of that name (cracklib has one), is not used."""
    packer = project() / "packer"
    packer.write_text(f"#!/bin/sh\necho '{version}'\n")
    packer.chmod(0o755)
    monkeypatch.setenv("REBAKE_PACKER", str(packer))
    sentence, hint = bake(rebake, world)
    assert said in sentence
    assert "scripts/get-packer" in hint


def test_a_live_check_tells_the_same_beforehand(
    rebake: Command, project: Project, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`check --live` finds the missing Packer and the missing group, each with its next step, changing nothing."""
    monkeypatch.setenv("PATH", str(project(group="absent")))
    world.cloud.calls.clear()
    answer = rebake("check", "--live")
    assert answer.code == 1
    assert "Packer is not installed" in answer.out
    assert "absent" in answer.out
    assert answer.out.count("->") >= 2
    assert changes(world) == []
