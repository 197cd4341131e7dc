"""Managed nodes as Systems Manager answers them, and many fleets at once."""

from __future__ import annotations

from datetime import timedelta

import nouns
import pytest
from aws.account import WEB, Account

from pipeline.errors import AccessDenied, NotFound, RebakeError
from pipeline.model.compliance import Agent, PatchState, Reason
from pipeline.model.findings import Severity
from pipeline.model.ids import GroupName, InstanceId, RunId
from pipeline.model.names import TAG_ORIGIN, TAG_ROLE
from pipeline.model.settings import GroupByName, GroupByTags, GroupSelector

RUN = RunId("20261123T181500-kqzt")


@pytest.fixture
def ids(account: Account) -> list[InstanceId]:
    """Three instances: a good one with a scan, one whose agent is silent, one that is not managed."""
    found = sorted(account.launch(token=f"t{number}") for number in range(3))
    account.world.wait(60)
    for id_, key, value in (
        (found[0], "sandbox:patches", "missing=2 failed=1 hours=3"),
        (found[1], "sandbox:agent", "ConnectionLost"),
        (found[2], "sandbox:agent", "absent"),
    ):
        account.world.ec2.create_tags(Resources=[id_], Tags=[{"Key": key, "Value": value}])
    return found


def test_agents_and_patches(account: Account, ids: list[InstanceId]) -> None:
    """What Systems Manager does not know is not in the answer, and neither is what nobody has scanned."""
    now = account.cloud.clock.now()
    online, silent = Agent(status="Online", seen=now), Agent(status="ConnectionLost", seen=now)
    assert account.nodes.agents(ids) == {ids[0]: online, ids[1]: silent}
    assert (online.silent, silent.silent) == (False, True)
    scanned = PatchState(scanned=now - timedelta(hours=3), missing=2, failed=1)
    assert account.nodes.patches(ids) == {ids[0]: scanned}


def test_fifty_instances_are_asked_about_in_a_call(account: Account) -> None:
    """Ids that are gone are no error."""
    gone = [InstanceId(f"i-{number:017x}") for number in range(120)]
    assert (account.nodes.agents(gone), account.nodes.patches(gone)) == ({}, {})
    assert len(account.cloud.calls.matching("ssm:DescribeInstance*")) == 6


def test_compliance_items_take_the_place_of_those_before(account: Account, ids: list[InstanceId]) -> None:
    """One for each reason, unknown ones as not compliant; one that says so where all is well."""
    at = account.cloud.clock.now()
    account.nodes.publish(nouns.compliance(ids[0], Reason.OLD_IMAGE, Reason.NEVER_SCANNED), at, RUN)
    items = account.world.ssm.list_compliance_items(ResourceIds=[ids[0]])["ComplianceItems"]
    assert [(item["Id"], item["Status"], item["Severity"]) for item in items] == [
        ("old_image", "NON_COMPLIANT", "HIGH"),
        ("never_scanned", "NON_COMPLIANT", "UNSPECIFIED"),
    ]
    assert items[1]["Title"] == "unknown: text of never_scanned"
    assert {item["ComplianceType"] for item in items} == {"Custom:Rebake"}
    account.nodes.publish(nouns.compliance(ids[0]), at, RUN)
    (item,) = account.world.ssm.list_compliance_items(ResourceIds=[ids[0]])["ComplianceItems"]
    assert (item["Status"], item["ExecutionSummary"]["ExecutionId"]) == ("COMPLIANT", RUN)


def test_what_is_not_managed_has_no_items(account: Account, ids: list[InstanceId]) -> None:
    """Systems Manager refuses them."""
    with pytest.raises(RebakeError, match="InvalidResourceId"):
        account.nodes.publish(nouns.compliance(ids[2]), account.cloud.clock.now(), RUN)


def test_many_fleets_are_read_in_pages(account: Account) -> None:
    """As they are one by one, with a fault for each that cannot be told, and no call for each of them."""
    made = [account.group(GroupName(f"web-{number}")) for number in range(3)]
    selectors = {group.name: GroupByName(name=group.name) for group in made} | {
        "gone": GroupByName(name=GroupName("gone"))
    }
    one_by_one = {name: account.fleets.find(selectors[name]) for name in selectors if name != "gone"}
    account.cloud.calls.clear()
    found = dict(account.fleets.every(selectors))
    assert len(account.cloud.calls) == 2
    assert isinstance(found.pop("gone"), NotFound)
    assert found == {name: (group,) for name, group in one_by_one.items()}


def test_groups_beside_a_fleet_belong_to_it(account: Account) -> None:
    """Blue and green as long as they have a part; a fleet by tags is the one that has the traffic."""
    for name, role in ((WEB, "blue"), ("web-v2", "live")):
        account.group(GroupName(name))
        tags = {TAG_ORIGIN: str(WEB), TAG_ROLE: role, "Service": "web"}
        account.changes.tag({GroupName(name): tags})
    selectors: dict[str, GroupSelector] = {"name": GroupByName(name=WEB), "tag": GroupByTags(tags={"Service": "web"})}
    for one in account.fleets.every(selectors).values():
        assert not isinstance(one, RebakeError)
        assert [group.name for group in one] == ["web-v2", WEB]


def test_aliases_of_launch_templates(account: Account) -> None:
    """The newest version and the default of each, in one call."""
    template = account.template().id
    account.world.version(template, InstanceType="t3.large")
    assert account.templates.aliases()[template] == {"$Latest": 2, "$Default": 1}


def test_findings_of_all_instances(account: Account) -> None:
    """Those with a fix and of the severities that matter, of everything that runs."""
    account.world.client("inspector2").enable(resourceTypes=["EC2"])
    said = {"CVE-2026-1": "high yes", "CVE-2026-2": "high no", "CVE-2026-3": "low yes", "CVE-2026-4": "high partial"}
    account.images.tag(account.base(), {f"sandbox:cve:{cve}": what for cve, what in said.items()})
    instance = account.launch()
    found = list(account.findings.fixable([Severity.HIGH, Severity.CRITICAL]))
    assert {(one.instance, one.cve) for one in found} == {(instance, "CVE-2026-1"), (instance, "CVE-2026-4")}
    account.cloud.deny("inspector2:ListFindings")
    with pytest.raises(AccessDenied):
        next(account.findings.fixable([Severity.HIGH]))


def test_coverage_of_many_instances_is_listed(account: Account) -> None:
    """Past a hundred, in pages of all that the account has; each that was asked about is in the answer."""
    account.world.client("inspector2").enable(resourceTypes=["EC2"])
    known = account.launch()
    gone = [InstanceId(f"i-{number:017x}") for number in range(120)]
    account.cloud.calls.clear()
    coverage = account.findings.coverage([], [known, *gone])
    assert len(account.cloud.calls.matching("inspector2:ListCoverage")) == 1
    assert [id_ for id_, one in coverage.items() if one.known] == [known]
    assert len(coverage) == 121
