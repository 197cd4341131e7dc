"""Amazon Inspector: off until it is enabled, then it sees what the tags of images say (`ec2.vulnerabilities`)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from moto.inspector2.responses import Inspector2Response
from moto.inspector2.urls import url_paths

from pipeline.sandbox.ec2.vulnerabilities import Vulnerability, observed
from pipeline.sandbox.registry import Parameters, Request, operation, page, refusal

url_paths["{0}/coverage/list$"] = Inspector2Response.dispatch  # moto has no such call

_KEPT = timedelta(days=3)
"""How long the findings of an instance are kept after it was terminated."""


@operation("inspector2", "Enable")
def enable(request: Request, parameters: Parameters) -> object:
    """Scan instances and images of this account from now on."""
    _require_ec2(parameters)
    request.state.inspected.add((request.account, request.region))
    return {"accounts": [_status(request, "ENABLED")]}


@operation("inspector2", "Disable")
def disable(request: Request, parameters: Parameters) -> object:
    """Scan nothing any more, and forget what was found."""
    _require_ec2(parameters)
    request.state.inspected.discard((request.account, request.region))
    request.state.findings.clear()
    return {"accounts": [_status(request, "DISABLED")]}


@operation("inspector2", "BatchGetAccountStatus")
def batch_get_account_status(request: Request, parameters: Parameters) -> object:  # noqa: ARG001 - only one account
    """Tell whether this account is scanned."""
    on = (request.account, request.region) in request.state.inspected
    state = {"status": "ENABLED" if on else "DISABLED"}
    states = {"ec2": state, "ecr": {"status": "DISABLED"}}
    return {"accounts": [{"accountId": request.account, "state": state, "resourceState": states}]}


def _require_ec2(parameters: Parameters) -> None:
    if parameters.get("resourceTypes") != ["EC2"]:
        raise refusal("ValidationException", "The sandbox scans instances and images: resourceTypes must be EC2.")


def _status(request: Request, status: str) -> Mapping[str, Any]:
    return {"accountId": request.account, "status": status, "resourceStatus": {"ec2": status, "ecr": "DISABLED"}}


@operation("inspector2", "ListCoverage")
def list_coverage(request: Request, parameters: Parameters) -> object:
    """List the instances that are scanned: all that run, where scanning is on."""
    entries = [
        {
            "resourceId": instance.id,
            "resourceType": "AWS_EC2_INSTANCE",
            "accountId": request.account,
            "scanType": "PACKAGE",
            "scanStatus": {"statusCode": "ACTIVE", "reason": "SUCCESSFUL"},
            "resourceMetadata": {"ec2": {"amiId": instance.image_id, "platform": "LINUX"}},
            "lastScannedAt": request.now,
        }
        for instance in _running(request)
    ]
    return _listed("coveredResources", entries, parameters, limit=200)


@operation("inspector2", "ListFindings")
def list_findings(request: Request, parameters: Parameters) -> object:
    """List the findings of instances: active ones, and for three days those of instances that were terminated."""
    _look(request)
    here = [entry for entry in request.state.findings.values() if entry["awsAccountId"] == request.account]
    return _listed("findings", here, parameters, limit=100)


def _running(request: Request) -> Iterator[Any]:
    if (request.account, request.region) in request.state.inspected:
        yield from (
            instance
            for instance in request.state.instances.values()
            if instance.ec2_backend is request.ec2 and instance.state in {"running", "stopped"}
        )


def _look(request: Request) -> None:
    """Bring the findings up to date, as a scan of everything would."""
    known, active = request.state.findings, set[str]()
    for instance in _running(request):
        for found in observed(request, instance.image_id, instance.id):
            entry = _finding(request, instance, found)
            active.add(entry["findingArn"])
            known.setdefault(entry["findingArn"], entry).update(
                fixAvailable=entry["fixAvailable"], severity=entry["severity"], lastObservedAt=request.now
            )
    for arn in [arn for arn in known if arn not in active]:
        if known[arn]["status"] == "ACTIVE":
            known[arn] |= {"status": "CLOSED", "updatedAt": request.now}
        elif request.now - known[arn]["updatedAt"] > _KEPT:
            del known[arn]


def _finding(request: Request, instance: Any, found: Vulnerability) -> dict[str, Any]:
    digest = hashlib.sha256(f"{instance.id}/{found.cve}".encode()).hexdigest()[:32]
    return {
        "findingArn": request.arn("inspector2", f"finding/{digest}"),
        "awsAccountId": request.account,
        "type": "PACKAGE_VULNERABILITY",
        "title": f"{found.cve} - {found.package}",
        "description": found.cve,
        "severity": found.severity.upper(),
        "fixAvailable": found.fix.upper(),
        "status": "ACTIVE",
        "firstObservedAt": found.since,
        "lastObservedAt": request.now,
        "updatedAt": found.since,
        "remediation": {"recommendation": {"text": "None Provided"}},
        "resources": [
            {
                "type": "AWS_EC2_INSTANCE",
                "id": instance.id,
                "region": request.region,
                "details": {"awsEc2Instance": {"imageId": instance.image_id}},
            }
        ],
        "packageVulnerabilityDetails": {
            "vulnerabilityId": found.cve,
            "source": "DEBIAN_CVE",
            "vulnerablePackages": [{"name": found.package, "version": "1.0", "fixedInVersion": "1.1"}],
        },
    }


def _listed(name: str, entries: list[dict[str, Any]], parameters: Parameters, *, limit: int) -> Mapping[str, Any]:
    wanted = parameters.get("filterCriteria") or {}
    shown = [entry for entry in entries if all(_meets(entry, key, tests) for key, tests in wanted.items())]
    asked = {"NextToken": parameters.get("nextToken"), "size": parameters.get("maxResults")}
    cut, token = page(shown, asked, size="size", default=25, limit=limit)
    return {name: cut, **({"nextToken": token} if token else {})}


def _meets(entry: Mapping[str, Any], criterion: str, tests: list[Mapping[str, str]]) -> bool:
    """Tell whether an entry meets one criterion: any of its values."""
    resource = (entry.get("resources") or [{}])[0]
    values = {
        "ec2InstanceImageId": resource.get("details", {}).get("awsEc2Instance", {}).get("imageId"),
        "findingStatus": entry.get("status"),
        "findingType": entry.get("type"),
        "fixAvailable": entry.get("fixAvailable"),
        "resourceId": entry.get("resourceId") or resource.get("id"),
        "resourceType": entry.get("resourceType") or resource.get("type"),
        "scanType": entry.get("scanType"),
        "severity": entry.get("severity"),
    }
    if criterion not in values or any(test["comparison"] != "EQUALS" for test in tests):
        raise refusal("ValidationException", f"The sandbox does not filter by {criterion} so.")
    return any(test["value"] == values[criterion] for test in tests)
