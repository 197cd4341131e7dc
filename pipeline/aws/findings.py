"""Vulnerability findings: of instances through Amazon Inspector, of images through EC2, which has Inspector's."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pipeline.aws.failures import translated
from pipeline.aws.paging import batches
from pipeline.aws.session import Clients
from pipeline.model.findings import Coverage, Finding, FindingStatus, Fix, Severity
from pipeline.model.ids import ImageId, InstanceId
from pipeline.model.packages import Package

# "maxItems: 10" of every filter's list, and the most results of a page (Inspector API reference).
_FILTER_VALUES, _FINDINGS_PAGE, _COVERAGE_PAGE = 10, 100, 200
# So many instances are asked about one by one; of more, all that the account has are listed, twenty times as fast.
_CALLS_BY_ID = 10
# Of thousands of instances that a rollout replaced, a few tell which vulnerabilities their image had.
_MOST_CLOSED = 5000
_OFF = "Amazon Inspector does not scan instances here (its state is {})"
_UNSCANNED = "Amazon Inspector has not scanned this image"
_ABSENT = "Amazon Inspector does not know this instance"
# Reasons of a resource that is watched, and yet not scanned as it is now.
_BLIND = frozenset({"NO_INVENTORY", "PENDING_INITIAL_SCAN", "STALE_INVENTORY"})


class InspectorFindings:
    """The port `Findings` over ListCoverage, ListFindings, DescribeImages (ScanResults) and GetImageFindings."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def coverage(self, images: Sequence[ImageId], instances: Sequence[InstanceId]) -> Mapping[str, Coverage]:
        scans = self._scan_results(images)
        found: dict[str, Coverage] = {id_: _of_image(scans.get(id_, {})) for id_ in images}
        if instances:
            state = self._state()
            blank = Coverage(why=_ABSENT if state == "ENABLED" else _OFF.format(state))
            found |= dict.fromkeys(instances, blank)
            if state == "ENABLED":
                found |= self._covered(instances)
        return found

    def found(
        self, images: Sequence[ImageId], instances: Sequence[InstanceId], *, closed: bool = False
    ) -> tuple[Finding, ...]:
        listed = self._of_instances({"resourceId": sorted(set(instances))}, FindingStatus.ACTIVE)
        if closed:
            listed += self._of_instances({"ec2InstanceImageId": sorted(set(images))}, FindingStatus.CLOSED)
        for image, scan in self._scan_results(images).items():
            if scan.get("FindingScanDate"):
                listed += [_image_finding(image, entry, scan) for entry in self._of_image(image)]
        return tuple(listed)

    @translated("inspector2")
    def _state(self) -> str:
        """Tell whether instances are scanned in this account and region; an account that never was is not listed."""
        answer = self._clients.inspector2.batch_get_account_status()
        states = [account["resourceState"]["ec2"]["status"] for account in answer["accounts"]]
        return states[0] if states else "DISABLED"

    @translated("inspector2")
    def _covered(self, instances: Sequence[InstanceId]) -> dict[str, Coverage]:
        wanted, found = set(instances), dict[str, Coverage]()
        asked: list[Any] = [{"resourceId": _equal(batch)} for batch in batches(sorted(wanted), _FILTER_VALUES)]
        if len(asked) > _CALLS_BY_ID:
            asked = [{"resourceType": _equal(["AWS_EC2_INSTANCE"])}]
        for criteria in asked:
            pages = self._clients.inspector2.get_paginator("list_coverage").paginate(
                filterCriteria={**criteria, "scanType": _equal(["PACKAGE"])},
                PaginationConfig={"PageSize": _COVERAGE_PAGE},
            )
            for entry in (entry for page in pages for entry in page["coveredResources"]):
                known = found.get(entry["resourceId"])
                if entry["resourceId"] in wanted and not (known and known.known):  # scanned in one of several ways
                    found[entry["resourceId"]] = Coverage(why=_unscanned(entry))
        return found

    def fixable(self, severities: Collection[Severity]) -> Iterator[Finding]:
        with translated("inspector2"):
            pages = self._clients.inspector2.get_paginator("list_findings").paginate(
                filterCriteria={
                    "resourceType": _equal(["AWS_EC2_INSTANCE"]),
                    "findingType": _equal(["PACKAGE_VULNERABILITY"]),
                    "findingStatus": _equal(["ACTIVE"]),
                    "fixAvailable": _equal(["YES", "PARTIAL"]),
                    "severity": _equal([severity.upper() for severity in sorted(severities)]),
                },
                PaginationConfig={"PageSize": _FINDINGS_PAGE},
            )
            for page in pages:
                for entry in page["findings"]:
                    yield from _instance_findings(entry)

    @translated("inspector2")
    def _of_instances(self, named: Mapping[str, Sequence[str]], status: FindingStatus) -> list[Finding]:
        found = []
        limit = {"MaxItems": _MOST_CLOSED} if status is FindingStatus.CLOSED else {}
        for criterion, values in named.items():
            for batch in batches(values, _FILTER_VALUES):
                pages = self._clients.inspector2.get_paginator("list_findings").paginate(
                    filterCriteria={
                        criterion: _equal(batch),
                        "findingType": _equal(["PACKAGE_VULNERABILITY"]),
                        "findingStatus": _equal([status.upper()]),
                    },
                    PaginationConfig={"PageSize": _FINDINGS_PAGE, **limit},
                )
                found += [one for page in pages for entry in page["findings"] for one in _instance_findings(entry)]
        return found

    @translated("ec2")
    def _scan_results(self, images: Sequence[ImageId]) -> dict[ImageId, Mapping[str, Any]]:
        found: dict[ImageId, Mapping[str, Any]] = {}
        for batch in batches(sorted(set(images))):
            pages = self._clients.ec2.get_paginator("describe_images").paginate(
                Filters=[{"Name": "image-id", "Values": batch}], IncludeDeprecated=True, IncludeDisabled=True
            )
            entries: list[Any] = [entry for page in pages for entry in page["Images"]]
            found |= {ImageId(entry["ImageId"]): entry.get("ScanResults") or {} for entry in entries}
        return found

    @translated("ec2")
    def _of_image(self, image: ImageId) -> list[Mapping[str, Any]]:
        ec2: Any = self._clients.ec2  # its stubs are older than this call
        pages = ec2.get_paginator("get_image_findings").paginate(ImageId=image)
        return [entry for page in pages for entry in page["ImageFindings"]]


def _unscanned(entry: Mapping[str, Any]) -> str:
    """Say why an instance is not scanned; of one that is, lastScannedAt may be old: nothing has changed since."""
    state = entry.get("scanStatus", {})
    reason = state.get("reason", "no reason given")
    scanned = state.get("statusCode") == "ACTIVE" and reason not in _BLIND
    return "" if scanned else f"Amazon Inspector does not scan it: {reason}"


def _equal(values: Sequence[str]) -> list[dict[str, str]]:
    return [{"comparison": "EQUALS", "value": value} for value in values]


def _of_image(scan: Mapping[str, Any]) -> Coverage:
    """Read of an image when it was scanned: EC2 does not tell whether that was on demand, and so once."""
    scanned = scan.get("FindingScanDate")
    return Coverage(why="" if scanned else _UNSCANNED, scanned=scanned)


def _instance_findings(entry: Mapping[str, Any]) -> Iterator[Finding]:
    details = entry["packageVulnerabilityDetails"]
    for resource in entry["resources"]:
        if resource["type"] != "AWS_EC2_INSTANCE":
            continue
        image = resource.get("details", {}).get("awsEc2Instance", {}).get("imageId")
        yield Finding(
            id=entry["findingArn"],
            cve=details["vulnerabilityId"],
            severity=Severity(entry["severity"].lower()),
            fix=Fix(entry.get("fixAvailable", "NO").lower()),
            first_observed=entry["firstObservedAt"],
            updated=entry.get("updatedAt") or entry["lastObservedAt"],
            image=ImageId(image) if image else None,
            instance=InstanceId(resource["id"]),
            packages=tuple(
                Package(name=package["name"], version=package["version"])
                for package in details.get("vulnerablePackages", [])
            ),
            advised=details.get("vendorUpdatedAt"),
            status=FindingStatus(entry["status"].lower()),
        )


def _image_finding(image: ImageId, entry: Mapping[str, Any], scan: Mapping[str, Any]) -> Finding:
    """Read a finding of EC2's; its title begins with the vulnerability, as Inspector's do: ``CVE-2026-1 - openssl``."""
    label, title = entry["SeverityLabel"], entry["Title"]
    cve, _, package = title.partition(" - ")
    return Finding(
        id=f"{image}/{title}",
        cve=cve,
        severity=Severity(label.lower()),
        fix=Fix.YES if entry.get("FixAvailable") else Fix.NO,
        first_observed=entry["FirstObservedAt"],
        updated=entry.get("UpdatedAt") or entry["FirstObservedAt"],
        image=image,
        packages=tuple(Package(name=name.strip(), version="") for name in package.split(",") if name),
        fixed_since=scan.get(f"{label.capitalize()}FixAvailableSince") if entry.get("FixAvailable") else None,
    )
