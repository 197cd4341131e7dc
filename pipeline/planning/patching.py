"""What a baseline makes of a survey: patches x baseline x now -> verdicts, and the exact packages to install."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from pipeline.errors import NotPossible
from pipeline.model.baselines import (
    ApprovalRule,
    Compliance,
    Decision,
    Filters,
    OnRejected,
    PatchBaseline,
    Property,
    Resolution,
    Verdict,
)
from pipeline.model.packages import OperatingSystem, Package, Patch, Survey

_LEVELS = tuple(Compliance)
_TEMPLATES = {
    "amazon-linux-2023": OperatingSystem.AMAZON_LINUX_2023,
    "debian-": OperatingSystem.DEBIAN,
    "ubuntu-": OperatingSystem.UBUNTU,
    "windows-": OperatingSystem.WINDOWS,
}
_ADVISED = {Property.CLASSIFICATION, Property.SEVERITY, Property.ADVISORY}


def resolve(survey: Survey, baseline: PatchBaseline, now: datetime) -> Resolution:
    """Judge every patch of a survey, and work out what is to be installed.

    Of several versions of a package the newest approved one is taken. What it needs comes with it, unless the
    baseline blocks that; then an older approved version is tried.
    """
    by_package: defaultdict[tuple[str, str], list[Decision]] = defaultdict(list)
    for patch in survey.patches:
        by_package[patch.name, patch.architecture].append(judge(patch, baseline, now, survey.system))
    ordered = [by_package[key] for key in sorted(by_package)]
    taken = [decision for versions in ordered for decision in _newest(versions, baseline)]
    install = _closure(taken, survey.patches)
    return Resolution(
        baseline=baseline.name,
        at=now,
        surveyed=survey.at,
        decisions=tuple(_with_needs(taken, install)),
        install=tuple(Package(name=name, version=install[name]) for name in sorted(install)),
    )


def require_judgeable(baseline: PatchBaseline, system: OperatingSystem) -> None:
    """Refuse rules that ask what an operating system does not say: they would never approve anything.

    Raises:
        NotPossible: a rule asks for class, severity or advisory of a system whose archives tell none.
    """
    if system.advised:
        return
    for number, rule in enumerate(baseline.rules, start=1):
        for wanted in sorted(_ADVISED & {*rule.filters, *baseline.only}):
            raise NotPossible(
                f"Rule {number} of baseline {baseline.name} asks for {wanted}, which {system} does not publish.",
                hint="on Debian and Ubuntu use section, priority, cve, product, name or repository",
            )


def system_of(template: str) -> OperatingSystem | None:
    """Tell the operating system of a built-in template; None for one of the user's own."""
    return next((system for start, system in _TEMPLATES.items() if template.startswith(start)), None)


def judge(patch: Patch, baseline: PatchBaseline, now: datetime, system: OperatingSystem) -> Decision:
    """Judge one patch by itself: the rejected list, then the approved list, then the rules."""
    if (pattern := _listed(patch, baseline.rejected)) is not None:
        return Decision(
            patch=patch, verdict=Verdict.REJECTED, by=f"rejected list: {pattern}", why="the rejected list names it"
        )
    told = patch.security or system is OperatingSystem.WINDOWS
    if (pattern := _listed(patch, baseline.approved)) is not None and (told or baseline.approved_non_security):
        return Decision(
            patch=patch,
            verdict=Verdict.APPROVED,
            by=f"approved list: {pattern}",
            why="the approved list names it",
            level=baseline.approved_level,
        )
    rules = [
        _by_rule(patch, number, rule, now)
        for number, rule in enumerate(baseline.rules, start=1)
        if (told or rule.non_security) and matches(patch, rule.filters) and matches(patch, baseline.only)
    ]
    if not rules:
        return Decision(patch=patch, verdict=Verdict.HELD, by="no rule", why="no rule approves it")
    return min(rules, key=_rank)


def matches(patch: Patch, filters: Filters) -> bool:
    """Whether each property of the filters has one of its values."""
    return all(
        any(_alike(value, pattern) for value in _values(patch, wanted) for pattern in patterns)
        for wanted, patterns in filters.items()
    )


def _by_rule(patch: Patch, number: int, rule: ApprovalRule, now: datetime) -> Decision:
    by = f"rule {number}"
    held = Decision(patch=patch, verdict=Verdict.HELD, by=by, why="", level=rule.level)
    approved = replace(held, verdict=Verdict.APPROVED)
    if rule.until is None and not rule.after:
        return replace(approved, why="approved at once")
    if patch.released is None:
        return replace(held, why="its release date is not known, and the rule goes by that")
    if rule.until is not None:
        in_time = patch.released.astimezone(UTC).date() <= rule.until
        why = "was released by" if in_time else "was not released by"
        return replace(approved if in_time else held, why=f"it {why} {rule.until}")
    moment, days = patch.released + rule.after, rule.after / timedelta(days=1)
    if now < moment:
        return replace(held, until=moment, why=f"waits {days:g} days from its release")
    return replace(approved, why=f"{days:g} days have passed since its release")


def _rank(decision: Decision) -> tuple[bool, bool, float, int]:
    """Order verdicts of several rules: approved first, then by the nearest moment, then by the graver level."""
    moment = decision.until.timestamp() if decision.until else 0.0
    return (
        decision.verdict is not Verdict.APPROVED,
        decision.verdict is Verdict.HELD and decision.until is None,
        moment,
        _LEVELS.index(decision.level),
    )


def _newest(versions: list[Decision], baseline: PatchBaseline) -> Iterator[Decision]:
    """Keep the newest version that may be installed, and what is newer than that with the reason why it is not."""
    for decision in reversed(versions):
        blocked = _blocked(decision, baseline)
        yield blocked or decision
        if blocked is None and decision.verdict is Verdict.APPROVED:
            return


def _blocked(decision: Decision, baseline: PatchBaseline) -> Decision | None:
    if decision.verdict is not Verdict.APPROVED or baseline.on_rejected is not OnRejected.BLOCK:
        return None
    for need in decision.patch.needs:
        if (pattern := _listed(Patch(name=need.name, version=need.version), baseline.rejected)) is not None:
            why = f"it needs {need}, which the rejected list names and blocks"
            return replace(decision, verdict=Verdict.REJECTED, by=f"rejected list: {pattern}", why=why)
    return None


def _closure(taken: Iterable[Decision], patches: Iterable[Patch]) -> dict[str, str]:
    """Gather versions by name: what is approved and all it needs; of two versions of one package, the newer."""
    order = {(patch.name, patch.version): place for place, patch in enumerate(patches)}
    unlisted = len(order)  # not among the patches: a new package, in the version that the package manager chose
    install: dict[str, str] = {}
    for decision in taken:
        if decision.verdict is not Verdict.APPROVED:
            continue
        for package in (decision.patch.package, *decision.patch.needs):
            standing = install.get(package.name, package.version)
            newer = order.get((package.name, package.version), unlisted) >= order.get(
                (package.name, standing), unlisted
            )
            install[package.name] = package.version if newer else standing
    return install


def _with_needs(taken: list[Decision], install: Mapping[str, str]) -> Iterator[Decision]:
    """Tell what is installed only because something else needs it; a version that gave way to such is not told of."""
    needing: defaultdict[Package, set[str]] = defaultdict(set)
    for decision in taken:
        for need in decision.patch.needs if decision.verdict is Verdict.APPROVED else ():
            needing[need].add(decision.patch.name)
    told = set()
    for decision in taken:
        patch, wanted = decision.patch, install.get(decision.patch.name) == decision.patch.version
        if decision.verdict is Verdict.APPROVED:
            if not wanted:
                continue
            yield decision
        elif wanted:
            why = f"needed by {', '.join(sorted(needing[patch.package]))}; else {decision.verdict}: {decision.why}"
            yield replace(decision, verdict=Verdict.DEPENDENCY, why=why)
        else:
            yield decision
            continue
        told.add(patch.package)
    for package, names in sorted(needing.items(), key=lambda item: item[0].name):
        if package not in told and install[package.name] == package.version:
            new = Patch(name=package.name, version=package.version)
            why = f"needed by {', '.join(sorted(names))}"
            yield Decision(patch=new, verdict=Verdict.DEPENDENCY, by="dependency", why=why)


def _listed(patch: Patch, patterns: Iterable[str]) -> str | None:
    """Find the list entry that means a patch."""
    spellings = (*_spellings(patch), *patch.advisories, *patch.cves)
    return next((pattern for pattern in patterns if any(_alike(spelt, pattern) for spelt in spellings)), None)


def _spellings(patch: Patch) -> tuple[str, ...]:
    """Spell a package as dpkg, rpm and Patch Manager do; an epoch may be left out."""
    name, version, architecture = patch.name, patch.version, patch.architecture
    plain = version.partition(":")[2] or version
    bare = tuple(dict.fromkeys((f"{name}-{version}", f"{name}-{plain}")))
    return (
        name,
        f"{name}.{architecture}",
        f"{name}={version}",
        *bare,
        *(f"{spelt}.{architecture}" for spelt in bare),
    )


def _values(patch: Patch, wanted: Property) -> tuple[str, ...]:
    match wanted:
        case Property.CVE:
            return patch.cves
        case Property.ADVISORY:
            return patch.advisories
        case _:
            return (str(getattr(patch, wanted.value)),)


def _alike(value: str, pattern: str) -> bool:
    return fnmatchcase(value.casefold(), pattern.casefold())
