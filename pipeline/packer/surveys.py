"""What a survey script wrote: a line that names the system, then a table with tabs between its columns."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import NotPossible, StepFailed
from pipeline.model.ids import ImageId
from pipeline.model.packages import OperatingSystem, Package, Patch, Survey

_SYSTEMS: Mapping[str, tuple[OperatingSystem, str]] = {
    "amzn": (OperatingSystem.AMAZON_LINUX_2023, "AmazonLinux"),
    "debian": (OperatingSystem.DEBIAN, "Debian"),
    "ubuntu": (OperatingSystem.UBUNTU, "Ubuntu"),
    "windows": (OperatingSystem.WINDOWS, "WindowsServer"),
}
"""By the ID of os-release: the system, and what Patch Manager's product names begin with."""


def read_survey(listing: Path, *, image: ImageId, at: datetime) -> Survey:
    """Read a downloaded survey.

    Raises:
        NotPossible: the image's operating system is not one whose patches can be judged.
        StepFailed: the file is missing or damaged.
    """
    try:
        head, *table = listing.read_text(encoding="utf-8-sig").splitlines()
        _, name, release = head.split("\t")
        rows = list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))
        if name not in _SYSTEMS:
            known = ", ".join(_SYSTEMS)
            raise NotPossible(
                f"{image} runs {name}, whose patches cannot be judged by rules (those of {known} can).",
                hint="say `baseline: security` or `baseline: all` for this family",
            )
        system, product = _SYSTEMS[name]
        patches = tuple(_patch(row, f"{product}{release}") for row in rows)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StepFailed(
            f"What the survey of {image} wrote cannot be read: {error}.", hint="the build's log says what went wrong"
        ) from error
    return Survey(image=image, at=at, system=system, patches=patches)


def _patch(row: Mapping[str, str], product: str) -> Patch:
    released = row["released"]
    return Patch(
        name=row["name"],
        version=row["version"],
        installed=row["installed"],
        architecture=row["architecture"],
        security=row["security"] == "yes",
        repository=row.get("repository", ""),
        section=row.get("section", ""),
        priority=row.get("priority", ""),
        severity=row.get("severity", ""),
        classification=row.get("classification", ""),
        product=row.get("product") or product,
        released=datetime.fromisoformat(released).astimezone(UTC) if released else None,
        advisories=tuple(row.get("advisories", "").split()),
        cves=tuple(row["cves"].split()),
        needs=tuple(_package(text) for text in row["needs"].split()),
    )


def _package(text: str) -> Package:
    name, _, version = text.partition("=")
    return Package(name=name, version=version)
