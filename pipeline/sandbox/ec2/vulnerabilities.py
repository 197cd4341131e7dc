"""Vulnerabilities of images: those that their tags name, so that anybody can say what is to be found where.

``sandbox:cve:CVE-2026-1234`` = ``critical yes openssl``: severity, whether there is a fix (yes, no, partial), package.
Instances of the image have it too, and images that are baked from another have not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.sandbox.state import Scope

TAG = "sandbox:cve:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vulnerability:
    """A vulnerability on an image or instance, since when it is seen there and since when its fix is."""

    cve: str
    severity: str
    fix: str
    package: str
    since: datetime
    fixed_since: datetime | None


def observed(scope: Scope, image_id: str, resource: str = "") -> Iterator[Vulnerability]:
    """List what Inspector sees on an image, or on a resource that runs it; each is first seen at the first look."""
    image = scope.ec2.amis.get(image_id)
    if image is None or (scope.account, scope.region) not in scope.state.inspected:
        return
    for tag in image.get_tags():
        if not tag["key"].startswith(TAG):
            continue
        severity, fix, package = [*tag["value"].split(), "yes", "openssl"][:3]
        cve, seen = tag["key"].removeprefix(TAG), scope.state.observed
        yield Vulnerability(
            cve=cve,
            severity=severity,
            fix=fix,
            package=package,
            since=seen.setdefault((resource or image_id, cve), scope.now),
            fixed_since=None if fix == "no" else seen.setdefault((image_id, f"{cve} fixed"), scope.now),
        )


def scan_results(scope: Scope, image: Any) -> Mapping[str, Any]:
    """Tell what EC2 says of the last scan of an image; empty: there was none."""
    if (scope.account, scope.region) not in scope.state.inspected:
        return {}
    result: dict[str, Any] = {"FindingScanDate": scope.now}
    for found in observed(scope, image.id):
        key = f"{found.severity.capitalize()}FixAvailableSince"
        if found.fixed_since is not None:
            result[key] = min(result.get(key, found.fixed_since), found.fixed_since)
    return result


def image_finding(found: Vulnerability) -> Mapping[str, Any]:
    """Describe a vulnerability as EC2 does."""
    return {
        "Title": f"{found.cve} - {found.package}",
        "SeverityLabel": found.severity,
        "FixAvailable": found.fix != "no",
        "FirstObservedAt": found.since,
        "UpdatedAt": found.since,
    }
