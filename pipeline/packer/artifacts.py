"""What a build left: image ids, from two witnesses where there are two, and package lists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import StepFailed
from pipeline.model.ids import ImageId
from pipeline.model.packages import Fix, Package, PackageLists
from pipeline.packer.events import PackerEvent
from pipeline.planning.packages import merged

_IMAGE = re.compile(r"([a-z0-9-]+):(ami-[0-9a-f]+)")


def built_image(events: Iterable[PackerEvent], *, manifest: Path, region: str) -> ImageId:
    """Tell the one image that a build made in a region, by its artifact lines and, where there is one, its manifest.

    An exit status is no proof: Packer 1.6.6 ends with 0 when it is interrupted twice.

    Raises:
        StepFailed: there is none, there are several, or the two witnesses differ or cannot be read.
    """
    told = {
        found
        for event in events
        if event.type == "artifact" and event.data[1:2] == ("id",)
        for found in _IMAGE.findall(event.data[2])
    }
    written = _manifest_images(manifest)
    if written is not None and written != told:
        raise StepFailed(
            f"Packer's manifest names {_shown(written)}, its artifact lines {_shown(told)}",
            hint="look at the log, and at the images of this run in AWS",
        )
    images = {image for where, image in told if where == region}
    if len(images) != 1:
        raise StepFailed(
            f"Packer ended without an error, but made {_shown(told)} instead of one image in {region}",
            hint="the template must build exactly one amazon image in the region rebake_region",
        )
    return ImageId(images.pop())


def _manifest_images(manifest: Path) -> set[tuple[str, str]] | None:
    if not manifest.is_file():
        return None
    try:
        builds = json.loads(manifest.read_text())["builds"]
        return {found for build in builds for found in _IMAGE.findall(build["artifact_id"])}
    except (ValueError, KeyError, TypeError) as error:
        raise StepFailed(
            "Packer's manifest is damaged, so which image it made has one witness only",
            hint="see whether the disk is full; the same command again adopts the image or builds a new one",
        ) from error


def _shown(images: set[tuple[str, str]]) -> str:
    return ", ".join(f"{image} in {region}" for region, image in sorted(images)) or "no image"


def package_lists(before: Path, after: Path) -> PackageLists:
    """Read downloaded package lists, sorted by name; empty where the template records none.

    Lines of name and version are packages; those that begin with ``#`` tell the system, and what changes mend.
    """
    rows = [line.split("\t") for line in _lines(after)]
    fixes = [
        Fix(package=row[1], advisories=_words(row[2]), cves=_words(row[3])) for row in rows if _is(row, "#fixes", 4)
    ]
    system = next(("-".join(filter(None, row[1:])) for row in rows if _is(row, "#system", 3)), "")
    return PackageLists(
        before=_packages(_lines(before)), after=_packages(_lines(after)), fixes=merged(fixes), system=system
    )


def _is(row: list[str], kind: str, cells: int) -> bool:
    return row[0] == kind and len(row) == cells


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _lines(listing: Path) -> list[str]:
    return listing.read_text().splitlines() if listing.is_file() else []


def _packages(lines: Iterable[str]) -> tuple[Package, ...]:
    rows = (line.split("\t") for line in lines if line.count("\t") == 1 and not line.startswith("#"))
    return tuple(
        Package(name=name, version=version.removeprefix("(none):")) for name, version in sorted(map(tuple, rows))
    )
