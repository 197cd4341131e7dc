"""Vulnerability findings as Inspector and EC2 answer them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from aws.account import Account
from aws.answers import AT
from botocore.stub import Stubber

from pipeline.aws.findings import InspectorFindings
from pipeline.aws.session import Clients
from pipeline.errors import AccessDenied
from pipeline.model.findings import Coverage, Finding, FindingStatus, Fix, Severity
from pipeline.model.ids import ImageId, InstanceId
from pipeline.model.packages import Package

NOBODY = InstanceId("i-0123456789abcdef0")
CVE = "CVE-2026-1234"


@pytest.fixture
def inspected(account: Account) -> Account:
    """An account that Inspector scans, whose base image has one vulnerability with a fix and one without."""
    account.world.client("inspector2").enable(resourceTypes=["EC2"])
    tags = {f"sandbox:cve:{CVE}": "critical yes openssl", "sandbox:cve:CVE-2026-2": "low no bash"}
    account.images.tag(account.base(), tags)
    return account


def test_where_inspector_is_off_nothing_is_known(account: Account) -> None:
    """Neither of an image nor of an instance: that is not the same as nothing found."""
    image, instance = account.base().id, account.launch()
    coverage = account.findings.coverage([image], [instance])
    assert not any(one.known for one in coverage.values())
    assert "DISABLED" in coverage[instance].why
    assert "has not scanned" in coverage[image].why
    assert account.findings.found([image], [instance]) == ()


def test_what_is_covered_and_what_is_not(inspected: Account) -> None:
    """Every id that is asked about is in the answer."""
    image, instance = inspected.base().id, inspected.launch()
    coverage = inspected.findings.coverage([image, ImageId("ami-00000000000000000")], [instance, NOBODY])
    assert {key: one.known for key, one in coverage.items()} == {
        image: True,
        "ami-00000000000000000": False,
        instance: True,
        NOBODY: False,
    }


def test_findings_of_images_and_instances(inspected: Account) -> None:
    """An instance has those of its image; a fix is known of the image since a moment."""
    image, instance = inspected.base().id, inspected.launch()
    found = inspected.findings.found([image], [instance])
    assert {(one.instance, one.cve, one.severity, one.fix) for one in found} == {
        (where, cve, severity, fix)
        for where in (instance, None)
        for cve, severity, fix in ((CVE, Severity.CRITICAL, Fix.YES), ("CVE-2026-2", Severity.LOW, Fix.NO))
    }
    assert {one.image for one in found} == {image}
    assert {one.cve for one in found if one.fixed_since} == {CVE}
    assert {one.packages[0].name for one in found} == {"openssl", "bash"}


def test_closed_findings_are_listed_when_asked_for(inspected: Account) -> None:
    """Those of an instance that was terminated, for three days."""
    instance = inspected.launch()
    assert inspected.findings.found([], [instance])
    inspected.instances.terminate((instance,))
    inspected.cloud.clock.advance(timedelta(minutes=5))
    assert inspected.findings.found([], [instance]) == ()
    image = inspected.base().id
    closed = inspected.findings.found([image], [], closed=True)
    assert {one.status for one in closed if one.instance} == {FindingStatus.CLOSED}
    assert {one.instance for one in closed} == {instance, None}
    inspected.cloud.clock.advance(timedelta(days=4))
    assert {one.instance for one in inspected.findings.found([image], [], closed=True)} == {None}


def test_a_missing_right_is_named(inspected: Account) -> None:
    """By its action of Inspector's."""
    inspected.cloud.deny("inspector2:ListFindings")
    with pytest.raises(AccessDenied, match="inspector2:ListFindings"):
        inspected.findings.found([], [NOBODY])


def test_instances_are_asked_about_ten_at_a_time(inspected: Account) -> None:
    """As many values a filter may have."""
    instances = [InstanceId(f"i-{number:017x}") for number in range(25)]
    inspected.cloud.calls.clear()
    inspected.findings.coverage([], instances)
    inspected.findings.found([], instances)
    assert len(inspected.cloud.calls.matching("inspector2:List*")) == 6


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"statusCode": "ACTIVE", "reason": "SUCCESSFUL"}, ""),
        ({"statusCode": "ACTIVE", "reason": "PENDING_INITIAL_SCAN"}, "PENDING_INITIAL_SCAN"),
        ({"statusCode": "ACTIVE", "reason": "STALE_INVENTORY"}, "STALE_INVENTORY"),
        ({"statusCode": "INACTIVE", "reason": "UNMANAGED_EC2_INSTANCE"}, "UNMANAGED_EC2_INSTANCE"),
    ],
)
def test_only_a_scan_is_coverage(
    stub: Callable[[str], Stubber], clients: Clients, status: dict[str, str], why: str
) -> None:
    """What waits for its first scan, or cannot be scanned as it is, is unknown with Inspector's reason."""
    on = {"status": "ENABLED", "errorCode": "ALREADY_ENABLED", "errorMessage": "It is."}
    account = {"accountId": "123456789012", "state": on, "resourceState": {"ec2": on, "ecr": on}}
    stub("inspector2").add_response("batch_get_account_status", {"accounts": [account]}, {})
    entry = {"resourceType": "AWS_EC2_INSTANCE", "resourceId": NOBODY, "accountId": "123456789012"}
    entry["scanType"] = "PACKAGE"
    covered = entry | {"scanStatus": status, "lastScannedAt": AT}
    stub("inspector2").add_response("list_coverage", {"coveredResources": [covered]})
    found = InspectorFindings(clients).coverage([], [NOBODY])[NOBODY]
    assert (found.known, found.why.rpartition(" ")[2]) == (not why, why)
    assert found.scanned is None  # it is looked at again whenever there is something new


def test_a_finding_comes_out_complete(stub: Callable[[str], Stubber], clients: Clients) -> None:
    """With its packages, the image that runs there, and when the vendor last said something."""
    later = AT + timedelta(hours=1)
    entry: dict[str, Any] = {
        "findingArn": "arn:aws:inspector2:us-east-1:123456789012:finding/1",
        "awsAccountId": "123456789012",
        "type": "PACKAGE_VULNERABILITY",
        "description": "OpenSSL",
        "severity": "UNTRIAGED",
        "fixAvailable": "PARTIAL",
        "status": "CLOSED",
        "firstObservedAt": AT,
        "lastObservedAt": later,
        "updatedAt": later,
        "remediation": {"recommendation": {}},
        "resources": [
            {"type": "AWS_EC2_INSTANCE", "id": NOBODY, "details": {"awsEc2Instance": {"imageId": "ami-1"}}},
            {"type": "AWS_LAMBDA_FUNCTION", "id": "shop-orders"},
        ],
        "packageVulnerabilityDetails": {
            "vulnerabilityId": CVE,
            "source": "DEBIAN_CVE",
            "vendorUpdatedAt": later,
            "vulnerablePackages": [{"name": "openssl", "version": "3.0.20"}],
        },
    }
    stub("inspector2").add_response("list_findings", {"findings": [entry]})
    assert InspectorFindings(clients).found([], [NOBODY]) == (
        Finding(
            id=entry["findingArn"],
            cve=CVE,
            severity=Severity.UNTRIAGED,
            fix=Fix.PARTIAL,
            first_observed=AT,
            updated=later,
            image=ImageId("ami-1"),
            instance=NOBODY,
            packages=(Package(name="openssl", version="3.0.20"),),
            advised=later,
            status=FindingStatus.CLOSED,
        ),
    )


def test_coverage_says_why() -> None:
    """Without a reason against it, it is known."""
    assert Coverage().known
    assert not Coverage(why="off").known
