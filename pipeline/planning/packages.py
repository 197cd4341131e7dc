"""What changed between two package lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.model.packages import Fix, Package, PackageLists, Survey


class ChangeKind(StrEnum):
    """What happened to a package. Up or down is not told apart: dpkg and rpm order versions differently."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageChange:
    """A package that differs; versions are empty where it is absent, and joined where several are installed.

    ``advisories`` and ``cves`` are what the newer version mends, where its changelog or an advisory names them.
    """

    name: str
    kind: ChangeKind
    before: str = ""
    after: str = ""
    advisories: tuple[str, ...] = ()
    cves: tuple[str, ...] = ()


def package_changes(
    before: Iterable[Package], after: Iterable[Package], fixes: Iterable[Fix] = ()
) -> tuple[PackageChange, ...]:
    """Compare two lists by name; sorted by name, without packages that stayed as they were."""
    old, new = _versions(before), _versions(after)
    mended = {fix.package: fix for fix in fixes}
    nothing = Fix(package="")
    return tuple(
        PackageChange(
            name=name,
            kind=_kind(name, old, new),
            before=old.get(name, ""),
            after=new.get(name, ""),
            advisories=mended.get(name, nothing).advisories,
            cves=mended.get(name, nothing).cves,
        )
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def changes_between(old: PackageLists, new: PackageLists) -> tuple[PackageChange, ...]:
    """Compare two images of one family; what the older one has mended already is not said of the newer one again."""
    had = {fix.package: fix for fix in old.fixes}
    fixes = [_less(fix, had[fix.package]) if fix.package in had else fix for fix in new.fixes]
    return package_changes(old.after, new.after, fixes)


def merged(fixes: Iterable[Fix]) -> tuple[Fix, ...]:
    """Put what is said of each package into one; sorted."""
    advisories: defaultdict[str, set[str]] = defaultdict(set)
    cves: defaultdict[str, set[str]] = defaultdict(set)
    for fix in fixes:
        advisories[fix.package].update(fix.advisories)
        cves[fix.package].update(fix.cves)
    return tuple(
        Fix(package=name, advisories=tuple(sorted(advisories[name])), cves=tuple(sorted(cves[name])))
        for name in sorted(cves)
    )


def surveyed_fixes(survey: Survey, after: Iterable[Package]) -> tuple[Fix, ...]:
    """Tell what a survey of the source image says of what was installed since: of each version up to that one."""
    installed = {(package.name, package.version) for package in after}
    reached: set[str] = set()
    fixes: list[Fix] = []
    for patch in reversed(survey.patches):  # of one package they ascend
        name = patch.name.partition(":")[0]
        if name in reached or (name, patch.version) in installed:
            reached.add(name)
            fixes.append(Fix(package=name, advisories=patch.advisories, cves=patch.cves))
    return merged(fixes)


def _less(fix: Fix, had: Fix) -> Fix:
    return Fix(
        package=fix.package,
        advisories=tuple(one for one in fix.advisories if one not in had.advisories),
        cves=tuple(one for one in fix.cves if one not in had.cves),
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
