"""Packages: installed ones, and the patches that an image could be given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pipeline.model.ids import ImageId


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package in one version."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}={self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """What a newer version of a package mends: advisories and CVE ids that its changelog, or an advisory, names."""

    package: str
    advisories: tuple[str, ...] = ()
    cves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageLists:
    """What was installed before patching and afterwards, and what the changes between them mend.

    ``system`` is os-release's ID and VERSION_ID, joined as in ``debian-12``; empty where the list does not say.
    """

    before: tuple[Package, ...] = ()
    after: tuple[Package, ...] = ()
    fixes: tuple[Fix, ...] = ()
    system: str = ""


class OperatingSystem(StrEnum):
    """The operating systems that images are baked of, in Patch Manager's words."""

    AMAZON_LINUX_2023 = "AMAZON_LINUX_2023"
    DEBIAN = "DEBIAN"
    UBUNTU = "UBUNTU"
    WINDOWS = "WINDOWS"

    @property
    def advised(self) -> bool:
        """Whether its patches come with advisories, which tell class and severity. Debian's and Ubuntu's do not."""
        return self not in {OperatingSystem.DEBIAN, OperatingSystem.UBUNTU}


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A newer version of an installed package, or on Windows an update (``name`` is its KB then, ``version`` empty).

    ``security``: a security suite offers it (apt), or an advisory describes it (dnf, Windows). ``released`` is when,
    None where nobody says. ``needs`` is all that is installed or updated with it. Severity and classification are
    empty where the operating system publishes none.
    """

    name: str
    version: str
    installed: str = ""
    architecture: str = ""
    security: bool = False
    repository: str = ""
    section: str = ""
    priority: str = ""
    severity: str = ""
    classification: str = ""
    product: str = ""
    released: datetime | None = None
    advisories: tuple[str, ...] = ()
    cves: tuple[str, ...] = ()
    needs: tuple[Package, ...] = ()

    @property
    def package(self) -> Package:
        """The package that it makes of the installed one."""
        return Package(name=self.name, version=self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What an image's own package manager offered at one moment. Of one package, versions ascend."""

    image: ImageId
    at: datetime
    system: OperatingSystem
    patches: tuple[Patch, ...] = ()
