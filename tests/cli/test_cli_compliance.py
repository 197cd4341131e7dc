"""`rebake report` from the outside: text, JSON, CSV, a page, and compliance items in Systems Manager."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nouns
import pytest
from commands import Command, Project
from world import World

from pipeline.cli.compliance import as_csv
from pipeline.model.compliance import ComplianceReport, Reason, State
from pipeline.model.names import TAG_FAMILY, TAG_STAGE
from pipeline.sandbox.clock import ManualClock
from pipeline.sandbox.cloud import Cloud

ALL = dict.fromkeys(State, 0)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Serve an account whose time ends about now, and point the command at it."""
    cloud = Cloud(clock=ManualClock(datetime.now(UTC) - timedelta(minutes=10)))
    with cloud.serve() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        yield World(cloud, endpoint=endpoint)


@pytest.fixture
def instances(world: World, project: Project) -> list[str]:
    """Make the fleet of three on its channel's image, scanned; one lacks a patch, one is not managed any more."""
    project(more="compliance: {findings: critical}")
    world.client("inspector2").enable(resourceTypes=["EC2"])
    tags = {TAG_FAMILY: "web", TAG_STAGE: "tested", "sandbox:patches": "hours=2", "sandbox:cve:CVE-2026-1": "high yes"}
    image = world.image("web-1", tags={**tags, "PatchGroup": "no-tag-of-an-instance"})
    world.ssm.put_parameter(Name="/rebake/web/stable", Value=image, Type="String", DataType="aws:ec2:image")
    group = [{"Key": "PatchGroup", "Value": "prod", "PropagateAtLaunch": True}]
    world.fleet("web-prod", image, size=3, Tags=group)
    found = sorted(member["InstanceId"] for member in world.group("web-prod")["Instances"])
    for id_, key, value in ((found[1], "sandbox:patches", "missing=1"), (found[2], "sandbox:agent", "absent")):
        world.ec2.create_tags(Resources=[id_], Tags=[{"Key": key, "Value": value}])
    world.cloud.calls.clear()
    return found


def test_every_instance_has_its_state_and_reasons(rebake: Command, world: World, instances: list[str]) -> None:
    """As one document; it changes nothing, and ends with 0 whatever it finds."""
    answer = rebake("report", "--json")
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    rows = {row["instance"]: (row["state"], list(row["reasons"])) for row in found["instances"]}
    assert rows == {
        instances[0]: ("compliant", []),
        instances[1]: ("non_compliant", ["patches_missing"]),
        instances[2]: ("unknown", ["agent_absent", "never_scanned"]),
    }
    states = {"non_compliant": 1, "unknown": 1, "compliant": 1}
    assert (found["by_patch_group"], found["by_account"]) == ({"prod": states}, {"123456789012": states})
    assert found["burn_down"][0]["open"] == 1
    assert world.changed == ()


def test_the_text_says_why(rebake: Command, world: World, instances: list[str]) -> None:
    """Sums first; what the caller may not ask is told as not known, and makes nothing compliant."""
    assert instances
    assert "3 instances, 1 fleet: 1 compliant, 1 not compliant, 1 unknown" in rebake("report").out
    world.cloud.deny("inspector2:*", "ssm:DescribeInstance*")
    answer = rebake("report")
    assert answer.code == 0
    assert "3 instances, 1 fleet: 3 unknown" in answer.out
    assert "The caller may not do ssm:DescribeInstanceInformation." in answer.out


@pytest.mark.usefixtures("instances")
def test_a_channel_that_may_not_be_read_is_unknown(rebake: Command, world: World) -> None:
    """Of every instance, with the action; the others of its reasons stand."""
    world.cloud.deny("ssm:GetParameter")
    answer = rebake("report", "--json")
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert found["states"]["non_compliant"] == 1
    told = {row["reasons"]["channel_unknown"] for row in found["instances"]}
    assert told == {"The caller may not do ssm:GetParameter."}
    world.cloud.deny("ssm:*", "autoscaling:DescribeInstanceRefreshes")
    answer = rebake("report", "--sla", "--json")
    assert answer.code == 0, answer.err
    why = json.loads(answer.out)["sla"]["unknown"]["web-prod"]
    assert why.startswith("The caller may not do autoscaling:DescribeInstanceRefreshes.")


@pytest.mark.usefixtures("world")
def test_a_fleet_without_a_group_hides_no_other(rebake: Command, project: Project) -> None:
    """It is listed with the cause."""
    project()
    assert "web-prod  There is no Auto Scaling group named web-prod" in rebake("report").out


def test_the_headline_is_the_time_from_a_fix(rebake: Command, instances: list[str], tmp_path: Path) -> None:
    """Where it is asked for: first in text and page, and beside all else in JSON."""
    assert instances
    page = tmp_path / "report.html"
    answer = rebake("report", "--sla", "--html", str(page))
    assert answer.out.startswith("From a fix to every fleet: ")
    assert "Fix published to every fleet" in page.read_text()
    found = json.loads(rebake("report", "--sla", "--json").out)
    assert found["sla"]["clocks"]
    assert found["instances"]


def test_a_line_for_each_instance(rebake: Command, instances: list[str]) -> None:
    """CSV as RFC 4180 has it, with a header; and not two documents on one stdout."""
    answer = rebake("report", "--csv")
    assert answer.out.count("\r\n") == 4
    rows = list(csv.DictReader(io.StringIO(answer.out)))
    assert [row["instance"] for row in rows] == instances
    assert (rows[1]["state"], rows[1]["missing"], rows[1]["details"]) == ("non_compliant", "1", "1 patch missing")
    refused = rebake("report", "--csv", "--json")
    assert (refused.code, "stdout" in json.loads(refused.out)["error"]) == (64, True)


def test_nothing_in_a_line_is_a_formula() -> None:
    """What a spreadsheet would evaluate is text there; quotes and line ends stay in their cell."""
    rows = tuple(
        nouns.compliance(f"i-{number}", Reason.OLD_IMAGE, fleet=text)
        for number, text in enumerate(('=cmd|"/c calc"!A1', "+1", "-1", "@sum", 'a "b",\r\nc'))
    )
    found = ComplianceReport(
        at=nouns.NOW,
        account="1",
        states=ALL,
        by_patch_group={},
        by_fleet={},
        by_account={},
        by_image={},
        faults={},
        blind={},
        burn_down=(),
        instances=rows,
    )
    fleets = [row["fleet"] for row in csv.DictReader(io.StringIO(as_csv(found), newline=""))]
    assert fleets == ['\'=cmd|"/c calc"!A1', "'+1", "'-1", "'@sum", 'a "b",\r\nc']


def test_it_is_published_once_somebody_says_yes(rebake: Command, world: World, instances: list[str]) -> None:
    """Instances that are not managed are left out and counted; the run stands in the journal."""
    for words, code in ((("--dry-run",), 0), ((), 64)):
        answer = rebake("report", "--publish", *words)
        assert answer.code == code
        assert "items of 2 instances to Systems Manager; 1 are not managed by it and are left out" in answer.err
        assert world.changed == ()
    answer = rebake("report", "--publish", "--yes", "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["instances"]
    items = world.ssm.list_compliance_items()["ComplianceItems"]
    assert {item["ResourceId"]: item["Status"] for item in items} == {
        instances[0]: "COMPLIANT",
        instances[1]: "NON_COMPLIANT",
    }
    (run,) = json.loads(rebake("history", "--json").out)["runs"]
    assert run["begun"]["data"]["verb"] == "report"
    assert (run["ended"]["data"]["exit_code"], run["ended"]["data"]["failed"]) == (0, {})


def test_what_systems_manager_refuses_is_told(rebake: Command, world: World, instances: list[str]) -> None:
    """One that is gone meanwhile stops no other; without the right nothing is written."""
    world.cloud.faults.fail("ssm:PutComplianceItems", "InvalidResourceId", times=1)
    answer = rebake("report", "--publish", "--yes")
    assert answer.code == 5
    assert "Written: 1 instances" in answer.err
    assert instances[0] in answer.err
    world.cloud.deny("ssm:PutComplianceItems")
    assert rebake("report", "--publish", "--yes").code == 69


def test_a_page_that_cannot_be_written(rebake: Command, project: Project) -> None:
    """Is told before AWS is asked anything."""
    project()
    answer = rebake("report", "--html", "nowhere/report.html")
    assert answer.code == 64
    assert "cannot be written" in answer.complaint()[0]
