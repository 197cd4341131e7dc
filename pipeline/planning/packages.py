"""What changed between two package lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.model.packages import Package


class ChangeKind(StrEnum):
    """What happened to a package. Up or down is not told apart: dpkg and rpm order versions differently."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageChange:
    """A package that differs; versions are empty where it is absent, and joined where several are installed."""

    name: str
    kind: ChangeKind
    before: str = ""
    after: str = ""


def package_changes(before: Iterable[Package], after: Iterable[Package]) -> tuple[PackageChange, ...]:
    """Compare two lists by name; sorted by name, without packages that stayed as they were."""
    old, new = _versions(before), _versions(after)
    return tuple(
        PackageChange(name=name, kind=_kind(name, old, new), before=old.get(name, ""), after=new.get(name, ""))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def _kind(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> ChangeKind:
    if name not in old:
        return ChangeKind.ADDED
    return ChangeKind.CHANGED if name in new else ChangeKind.REMOVED


def _versions(packages: Iterable[Package]) -> dict[str, str]:
    """Gather versions by name: kernels, and packages of several architectures, are installed side by side."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for package in packages:
        found[package.name].add(package.version)
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}
