"""What is written of a bake for people and for scanners: the change note and the SBOM."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from pipeline import __version__
from pipeline.model.evidence import Bake
from pipeline.model.packages import Package
from pipeline.planning.packages import PackageChange

_SERIALS = uuid.UUID("7a1f3c0e-6a52-5d0b-8f0e-3b5f1f0c9d41")
_DEB = frozenset({"debian", "ubuntu"})
_RPM = {"amzn": "amzn", "centos": "centos", "fedora": "fedora", "rhel": "redhat", "rocky": "rocky"}
"""By os-release's ID: the namespace of its packages in package URLs."""


def change_note(bake: Bake, changes: Sequence[PackageChange]) -> bytes:
    """Write in Markdown what patching and provisioning changed."""
    lines = [
        f"# {bake.image.id}: what changed",
        "",
        f"{bake.image.name}, baked from {bake.source} by run {bake.run} ({bake.recipe}).",
        "",
    ]
    if not changes:
        lines.append("No package differs from those of the source image.")
    else:
        lines += ["| package | old | new | advisories | CVEs |", "|---|---|---|---|---|"]
        lines += [
            _row(one.name, one.before, one.after, ", ".join(one.advisories), ", ".join(one.cves)) for one in changes
        ]
        cves = {cve for one in changes for cve in one.cves}
        lines += ["", f"{len(changes)} packages differ; {len(cves)} CVEs are named as mended."]
    return ("\n".join(lines) + "\n").encode()


def bill_of_materials(bake: Bake) -> bytes:
    """Write what is installed as a CycloneDX 1.6 document; the same bake is the same bytes."""
    from cyclonedx.model.bom import Bom  # noqa: PLC0415 - slow to import, and few commands bake
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415 - likewise
    from cyclonedx.output.json import JsonV1Dot6  # noqa: PLC0415 - likewise

    bom = Bom(serial_number=uuid.uuid5(_SERIALS, bake.image.id))
    bom.metadata.timestamp = bake.image.created
    bom.metadata.tools.components.add(Component(type=ComponentType.APPLICATION, name="rebake", version=__version__))
    root = Component(
        type=ComponentType.OPERATING_SYSTEM, name=bake.image.id, version=bake.image.name, bom_ref=bake.image.id
    )
    bom.metadata.component = root
    installed = [_component(package, bake.lists.system) for package in dict.fromkeys(bake.lists.after)]
    bom.components.update(installed)
    bom.register_dependency(root, installed)
    return (JsonV1Dot6(bom).output_as_string(indent=1) + "\n").encode()


def _component(package: Package, system: str) -> Any:
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415 - likewise
    from packageurl import PackageURL  # noqa: PLC0415 - likewise

    id_ = system.partition("-")[0]
    distro = {"distro": system}
    epoch, _, bare = package.version.rpartition(":")
    if id_ in _DEB:
        url = PackageURL("deb", id_, package.name, package.version, distro)
    elif id_ in _RPM:
        url = PackageURL("rpm", _RPM[id_], package.name, bare, distro | ({"epoch": epoch} if epoch else {}))
    else:
        url = PackageURL("generic", None, package.name, package.version)
    return Component(
        type=ComponentType.LIBRARY, name=package.name, version=package.version, purl=url, bom_ref=url.to_string()
    )


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
