"""`rebake patches` and `rebake baselines` from the outside."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from commands import Command, Project
from world import World, client

from pipeline.model.ids import ImageId
from pipeline.model.packages import OperatingSystem, Package, Patch, Survey
from pipeline.records.evidence import FileObjects, KeptEvidence
from pipeline.records.places import state_dir
from pipeline.sandbox.clock import WallClock
from pipeline.sandbox.cloud import Cloud

NOW = datetime.now(UTC)
OURS = """    baseline: ours
baselines:
  ours: {rules: [{after: 7d}], approved: [curl], rejected: ["tz*"]}
"""
WRITABLE = OURS.replace("after: 7d", "priority: required") + "patch_groups: {prod: {wave: 1, baseline: ours}}\n"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Serve an account, and point the command at it."""
    cloud = Cloud(clock=WallClock())
    with cloud.serve() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        yield World(cloud, endpoint=endpoint)


@pytest.fixture
def surveyed(project: Project, world: World) -> None:
    """Keep a survey of the source image: one patch of each fate, and one that comes along."""
    project(more=OURS)
    images = world.ec2.describe_images(Owners=["136693071363"])["Images"]
    images = [one for one in images if one["Architecture"] == "x86_64" and one["Name"].startswith("debian-12")]
    source = ImageId(max(images, key=lambda image: image["CreationDate"])["ImageId"])
    old = NOW - timedelta(days=30)
    needs = (Package(name="libnew1", version="1"),)
    patches = (
        Patch(name="curl", version="8", installed="7", released=NOW, security=True),
        Patch(name="nginx", version="1.22-2", installed="1.22-1", released=NOW - timedelta(days=1), security=True),
        Patch(name="openssl", version="3.0.22", released=old, cves=("CVE-2026-1",), security=True, needs=needs),
        Patch(name="tzdata", version="2026f", installed="2026b", released=old, security=True),
    )
    survey = Survey(image=source, at=NOW, system=OperatingSystem.DEBIAN, patches=patches)
    KeptEvidence(FileObjects(state_dir() / "evidence")).keep_survey(survey)


@pytest.mark.usefixtures("surveyed")
def test_patches_are_shown_by_fate(rebake: Command) -> None:
    """Approved with what comes along, held back until a moment, rejected; each by its rule."""
    answer = rebake("patches", "web")
    assert answer.code == 0, answer.err
    head, approved, held, rejected = answer.out.split("\n\n")
    assert head.startswith("Baseline ours, surveyed ")
    assert approved.startswith("Approved: 3\n")
    assert "approved list: curl" in approved
    assert "rule 1: 7 days have passed since its release; 1 CVE" in approved
    assert "needed by openssl" in approved
    until = f"{NOW + timedelta(days=6):%Y-%m-%d %H:%M} UTC"
    assert f"until {until}; rule 1: waits 7 days from its release" in held
    assert "rejected list: tz*" in rejected


@pytest.mark.usefixtures("surveyed")
def test_patches_as_json(rebake: Command) -> None:
    """One document: every decision with verdict, rule, reason and moment, and the exact packages."""
    found = json.loads(rebake("patches", "web", "--json").out)["patches"]
    verdicts = {one["patch"]["name"]: one["verdict"] for one in found["decisions"]}
    assert verdicts == {
        "curl": "approved",
        "libnew1": "dependency",
        "nginx": "held back",
        "openssl": "approved",
        "tzdata": "rejected",
    }
    (held,) = (one for one in found["decisions"] if one["verdict"] == "held back")
    assert datetime.fromisoformat(held["until"]) == NOW + timedelta(days=6)
    assert [package["name"] for package in found["install"]] == ["curl", "libnew1", "openssl"]


@pytest.mark.usefixtures("surveyed")
def test_a_dry_run_and_a_plan_go_by_the_kept_survey(rebake: Command, world: World) -> None:
    """Nothing is booted to show what would be done."""
    world.cloud.forbid_mutations()
    for words, code in ((("bake", "web", "--dry-run"), 0), (("plan",), 2)):
        answer = rebake(*words)
        assert answer.code == code, answer.err
        assert "3 packages to install, 1 held back, 1 rejected" in answer.out


def test_without_a_survey_the_next_step_is_told(rebake: Command, project: Project, world: World) -> None:
    """Reading boots nothing by itself."""
    project(more=OURS)
    world.cloud.forbid_mutations()
    answer = rebake("patches", "web")
    assert answer.code == 1
    sentence, hint = answer.complaint()
    assert "was never surveyed here" in sentence
    assert hint.endswith("rebake patches web --survey")


@pytest.mark.usefixtures("world")
def test_baselines_are_written_to_ssm(rebake: Command, project: Project) -> None:
    """A plan first, then SSM says what the file says, and again there is nothing to do."""
    project(more=WRITABLE)
    assert "rebake-ours-debian does not exist in SSM; for patch group prod" in rebake("baselines", "--dry-run").out
    answer = rebake("baselines", "--yes")
    assert answer.code == 0, answer.err
    ssm = client("ssm", "us-east-1", os.environ["AWS_ENDPOINT_URL"])
    chosen = ssm.get_patch_baseline_for_patch_group(PatchGroup="prod", OperatingSystem="DEBIAN")["BaselineId"]
    assert ssm.get_patch_baseline(BaselineId=chosen)["RejectedPatches"] == ["tz*"]
    assert "Plan: nothing to do." in rebake("baselines", "--yes").out
    project(more=OURS)
    refused = rebake("baselines", "ours", "--yes")
    assert "knows no dates" in refused.complaint()[0]
