"""Patches judged by baselines: Patch Manager's documented cases, and what must hold for any of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import NotPossible
from pipeline.model.baselines import (
    ApprovalRule,
    Compliance,
    Decision,
    OnRejected,
    PatchBaseline,
    Property,
    Resolution,
    Verdict,
)
from pipeline.model.ids import ImageId
from pipeline.model.packages import OperatingSystem, Package, Patch, Survey
from pipeline.planning.patching import judge, require_judgeable, resolve
from pipeline.planning.predefined import PREDEFINED

RELEASED = datetime(2025, 11, 9, 18, 0, tzinfo=UTC)
WEEK = timedelta(days=7)
SECOND = timedelta(seconds=1)
APPROVED, DEPENDENCY, HELD, REJECTED = Verdict


def patch(name: str = "openssl", version: str = "3.0.22", **changes: Any) -> Patch:
    """Make a security patch."""
    values: dict[str, Any] = {"security": True, "released": RELEASED, "architecture": "amd64"}
    return Patch(name=name, version=version, **values | changes)


def baseline(*rules: ApprovalRule, **changes: Any) -> PatchBaseline:
    """Make a baseline; without rules it approves all security patches at once."""
    return PatchBaseline(name="ours", rules=rules or (ApprovalRule(),), **changes)


def resolved(*patches: Patch, by: PatchBaseline | None = None, at: datetime = RELEASED) -> Resolution:
    """Judge these patches of a Debian image."""
    survey = Survey(image=ImageId("ami-1"), at=RELEASED, system=OperatingSystem.DEBIAN, patches=patches)
    return resolve(survey, by or baseline(), at)


def told(resolution: Resolution) -> dict[str, Verdict]:
    """Tell the verdicts by name and version."""
    return {str(decision.patch.package): decision.verdict for decision in resolution.decisions}


def verdict(
    of: Patch, by: PatchBaseline, at: datetime = RELEASED, system: OperatingSystem = OperatingSystem.DEBIAN
) -> Decision:
    """Judge one patch."""
    return judge(of, by, at, system)


def test_a_delay_is_exact_to_the_second() -> None:
    """AWS: released 2025-11-09T18:00Z, seven days: approved from 2025-11-16T18:00Z on, and not on that whole day."""
    by = baseline(ApprovalRule(after=WEEK))
    before = verdict(patch(), by, RELEASED + WEEK - SECOND)
    assert (before.verdict, before.until, before.by) == (HELD, datetime(2025, 11, 16, 18, 0, tzinfo=UTC), "rule 1")
    assert verdict(patch(), by, RELEASED + WEEK).verdict is APPROVED


@pytest.mark.parametrize(
    ("released", "expected"),
    [
        (datetime(2025, 11, 9, 0, 0, tzinfo=UTC), APPROVED),
        (datetime(2025, 11, 9, 23, 59, 59, tzinfo=UTC), APPROVED),
        (datetime(2025, 11, 10, 0, 0, tzinfo=UTC), HELD),
        # the day is UTC's, wherever the time stamp was written
        (datetime(2025, 11, 10, 1, 0, tzinfo=UTC).astimezone(), HELD),
    ],
)
def test_until_a_day_includes_that_day(released: datetime, expected: Verdict) -> None:
    """AWS: ApproveUntilDate is inclusive, in UTC; what came later is held back without a moment."""
    found = verdict(patch(released=released), baseline(ApprovalRule(until=date(2025, 11, 9))))
    assert (found.verdict, found.until) == (expected, None)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({Property.CLASSIFICATION: ("Security",)}, True),
        ({Property.CLASSIFICATION: ("Security", "Bugfix"), Property.SEVERITY: ("Critical", "Important")}, True),
        ({Property.CLASSIFICATION: ("Security",), Property.SEVERITY: ("Low",)}, False),
        ({Property.SEVERITY: ("*",)}, True),
        ({Property.PRODUCT: ("AmazonLinux2023",)}, True),
        ({Property.PRODUCT: ("AmazonLinux2",)}, False),
        ({Property.CVE: ("CVE-2026-1",)}, True),
        ({Property.CVE: ("CVE-2026-3",)}, False),
        ({Property.ADVISORY: ("ALAS2023-2026-*",)}, True),
        ({Property.NAME: ("openssl*",)}, True),
        ({Property.PRIORITY: ("Required",)}, True),
        ({Property.SECTION: ("httpd",)}, False),
    ],
)
def test_filters(filters: dict[Property, tuple[str, ...]], expected: bool) -> None:
    """All keys must match, each by one of its values; case does not matter, * stands for anything."""
    found = patch(
        classification="Security",
        severity="Important",
        product="AmazonLinux2023",
        cves=("CVE-2026-1", "CVE-2026-2"),
        advisories=("ALAS2023-2026-7",),
        priority="required",
        section="libs",
    )
    assert (verdict(found, baseline(ApprovalRule(filters=filters))).verdict is APPROVED) is expected
    assert (verdict(found, baseline(only=filters)).verdict is APPROVED) is expected


def test_only_security_patches_unless_the_rule_says_otherwise() -> None:
    """EnableNonSecurity is for Linux: updates of Windows are all classified."""
    plain = patch(security=False)
    assert verdict(plain, baseline()).verdict is HELD
    assert verdict(plain, baseline(ApprovalRule(non_security=True))).verdict is APPROVED
    assert verdict(plain, baseline(), system=OperatingSystem.WINDOWS).verdict is APPROVED
    assert verdict(plain, baseline(approved=("openssl",))).verdict is APPROVED
    assert verdict(plain, baseline(approved=("openssl",), approved_non_security=False)).verdict is HELD


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("openssl", True),
        ("openssl*", True),
        ("open?sl", True),
        ("ssl", False),
        ("openssl=1:3.0.22-1", True),
        ("openssl-1:3.0.22-1", True),
        ("openssl-3.0.22-1", True),
        ("openssl-3.0.22-1.amd64", True),
        ("openssl.amd64", True),
        ("openssl.arm64", False),
        ("openssl-3.0.2*", True),
        ("openssl-3.0.1*", False),
        ("CVE-2026-1", True),
        ("ALAS2023-2026-7", True),
    ],
)
def test_list_entries(entry: str, expected: bool) -> None:
    """A list names packages as rpm, dpkg and Patch Manager spell them, or advisories or CVE ids."""
    found = patch(version="1:3.0.22-1", cves=("CVE-2026-1",), advisories=("ALAS2023-2026-7",))
    assert (verdict(found, baseline(rejected=(entry,))).verdict is REJECTED) is expected
    held = ApprovalRule(after=WEEK)
    assert (verdict(found, baseline(held, approved=(entry,))).verdict is APPROVED) is expected


def test_the_rejected_list_goes_before_all_else() -> None:
    """A patch on both lists is rejected, and the entry that did it is told."""
    found = verdict(patch(), baseline(approved=("openssl",), rejected=("nginx", "open*")))
    assert (found.verdict, found.by) == (REJECTED, "rejected list: open*")


def test_of_several_rules_the_first_to_approve_counts_with_the_gravest_level() -> None:
    """Held by one and approved by another is approved; held by both is held until the nearer moment."""
    slow = ApprovalRule(after=2 * WEEK, level=Compliance.CRITICAL)
    quick = ApprovalRule(after=WEEK, level=Compliance.LOW)
    by = baseline(slow, quick)
    assert verdict(patch(), by).until == RELEASED + WEEK
    assert verdict(patch(), by, RELEASED + WEEK).level is Compliance.LOW
    found = verdict(patch(), by, RELEASED + 2 * WEEK)
    assert (found.verdict, found.by, found.level) == (APPROVED, "rule 1", Compliance.CRITICAL)


def test_what_nobody_dates_waits_for_ever_where_time_matters() -> None:
    """An unknown release date never passes as old enough; a rule without a delay needs none."""
    undated = patch(released=None)
    assert verdict(undated, baseline(ApprovalRule(after=WEEK)), RELEASED + 100 * WEEK).verdict is HELD
    assert verdict(undated, baseline(ApprovalRule(until=date(2030, 1, 1)))).verdict is HELD
    assert verdict(undated, baseline()).verdict is APPROVED


def test_the_newest_approved_version_is_taken() -> None:
    """A newer one that still waits is told of, and holds nothing else up; an older one is not worth a word."""
    old, good, fresh = (patch(version=v, released=RELEASED + n * WEEK) for n, v in enumerate(("1", "2", "3")))
    found = resolved(old, good, fresh, by=baseline(ApprovalRule(after=WEEK)), at=RELEASED + 2 * WEEK)
    assert told(found) == {"openssl=3": HELD, "openssl=2": APPROVED}
    assert found.install == (Package(name="openssl", version="2"),)


def test_what_an_approved_patch_needs_comes_with_it() -> None:
    """A rejected package may come as a dependency, as Patch Manager's default has it; a new package comes too."""
    needs = (Package(name="libssl3", version="3.0.22"), Package(name="libnew", version="1"))
    found = resolved(patch(needs=needs), patch("libssl3"), by=baseline(rejected=("libssl*",)))
    assert told(found) == {"openssl=3.0.22": APPROVED, "libssl3=3.0.22": DEPENDENCY, "libnew=1": DEPENDENCY}
    assert [str(package) for package in found.install] == ["libnew=1", "libssl3=3.0.22", "openssl=3.0.22"]
    (needed,) = (one for one in found.decisions if one.patch.name == "libssl3")
    assert needed.why == "needed by openssl; else rejected: the rejected list names it"


def test_blocking_takes_what_needs_the_rejected_with_it() -> None:
    """With BLOCK neither is installed, but an older version of the needing one that does without may be."""
    needs = (Package(name="libssl3", version="3.0.22"),)
    by = baseline(rejected=("libssl3",), on_rejected=OnRejected.BLOCK)
    found = resolved(patch(version="1"), patch(version="2", needs=needs), patch("libssl3"), by=by)
    assert told(found) == {"openssl=2": REJECTED, "openssl=1": APPROVED, "libssl3=3.0.22": REJECTED}
    assert [str(package) for package in found.install] == ["openssl=1"]
    blocked = next(one for one in found.decisions if one.patch.version == "2")
    assert blocked.why == "it needs libssl3=3.0.22, which the rejected list names and blocks"


def test_a_version_that_a_dependency_outruns_gives_way() -> None:
    """Where an approved patch needs a newer version than the approved one, that is installed, once."""
    held = patch("libssl3", "2", released=RELEASED + WEEK)
    needing = patch(needs=(Package(name="libssl3", version="2"),))
    found = resolved(patch("libssl3", "1"), held, needing, by=baseline(ApprovalRule(after=WEEK)), at=RELEASED + WEEK)
    assert told(found) == {"libssl3=2": DEPENDENCY, "openssl=3.0.22": APPROVED}
    assert [str(package) for package in found.install] == ["libssl3=2", "openssl=3.0.22"]


def test_predefined_baselines() -> None:
    """As AWS documents them: at once on Debian, a week for grave security patches and bug fixes on Amazon Linux."""
    debian, amazon = PREDEFINED[OperatingSystem.DEBIAN], PREDEFINED[OperatingSystem.AMAZON_LINUX_2023]
    assert verdict(patch(priority="optional"), debian).verdict is APPROVED
    assert verdict(patch(priority="optional", security=False), debian).verdict is HELD
    for values, expected in (
        ({"classification": "Security", "severity": "Critical"}, APPROVED),
        ({"classification": "Security", "severity": "Low"}, HELD),
        ({"classification": "Bugfix", "severity": "None"}, APPROVED),
        ({"classification": "Enhancement"}, HELD),
    ):
        system = OperatingSystem.AMAZON_LINUX_2023
        assert verdict(patch(**values), amazon, RELEASED + WEEK, system).verdict is expected
        assert verdict(patch(**values), amazon, RELEASED + WEEK - SECOND, system).verdict is HELD


@pytest.mark.parametrize("wanted", [Property.SEVERITY, Property.CLASSIFICATION, Property.ADVISORY])
def test_what_debian_does_not_publish_cannot_be_asked_for(wanted: Property) -> None:
    """A rule that would never approve anything is refused where there is no severity, and works where there is."""
    asking = baseline(ApprovalRule(filters={wanted: ("*",)}))
    for system in (OperatingSystem.DEBIAN, OperatingSystem.UBUNTU):
        with pytest.raises(NotPossible, match=f"asks for {wanted}, which {system} does not publish"):
            require_judgeable(asking, system)
    require_judgeable(asking, OperatingSystem.AMAZON_LINUX_2023)
    require_judgeable(baseline(ApprovalRule(after=WEEK)), OperatingSystem.DEBIAN)


NAMES = st.sampled_from(["apt", "libssl3", "nginx", "openssl", "tzdata"])
MOMENTS = st.integers(0, 60).map(lambda day: RELEASED + timedelta(days=day, hours=day % 5))
NEEDS = st.lists(NAMES.map(lambda name: Package(name=name, version="2")), max_size=2).map(tuple)
PATCHES = st.lists(
    st.builds(
        patch, NAMES, st.sampled_from(["1", "2"]), released=MOMENTS | st.none(), security=st.booleans(), needs=NEEDS
    ),
    max_size=8,
    unique_by=lambda one: (one.name, one.version),
).map(lambda listed: tuple(sorted(listed, key=lambda one: (one.name, one.version))))
RULES = st.lists(
    st.builds(
        ApprovalRule,
        filters=st.sampled_from([{}, {Property.NAME: ("lib*",)}, {Property.NAME: ("openssl", "nginx")}]),
        after=st.integers(0, 30).map(lambda days: timedelta(days=days)),
        non_security=st.booleans(),
        level=st.sampled_from(Compliance),
    ),
    min_size=1,
    max_size=3,
)
BASELINES = st.builds(
    lambda rules, approved, rejected, action: baseline(
        *rules, approved=tuple(approved), rejected=tuple(rejected), on_rejected=action
    ),
    RULES,
    st.lists(NAMES, max_size=1),
    st.lists(NAMES, max_size=2),
    st.sampled_from(OnRejected),
)


@given(PATCHES, BASELINES, MOMENTS)
def test_every_package_has_its_place(patches: tuple[Patch, ...], by: PatchBaseline, now: datetime) -> None:
    """Each offered package is decided on, each version once; what is installed is what was decided for, once a name."""
    found = resolved(*patches, by=by, at=now)
    versions = [decision.patch.package for decision in found.decisions]
    assert len(versions) == len(set(versions))
    assert {one.name for one in patches} <= {package.name for package in versions} | {p.name for p in found.install}
    wanted = {one.patch.package for one in found.decisions if one.verdict in (APPROVED, DEPENDENCY)}
    assert wanted == set(found.install)
    assert len({package.name for package in found.install}) == len(found.install)


@given(PATCHES, BASELINES, MOMENTS)
def test_what_is_rejected_never_comes_by_itself(patches: tuple[Patch, ...], by: PatchBaseline, now: datetime) -> None:
    """A rejected name is installed as a dependency at most, and with BLOCK not at all."""
    found = resolved(*patches, by=by, at=now)
    approved = {one.patch.name for one in found.decisions if one.verdict is APPROVED}
    assert not approved & set(by.rejected)
    if by.on_rejected is OnRejected.BLOCK:
        assert not {package.name for package in found.install} & set(by.rejected)


@given(PATCHES, BASELINES, MOMENTS)
def test_what_is_installed_has_all_it_needs(patches: tuple[Patch, ...], by: PatchBaseline, now: datetime) -> None:
    """Every need of an approved patch is in the list, in that version or a newer one."""
    found = resolved(*patches, by=by, at=now)
    versions = {package.name: package.version for package in found.install}
    for decision in found.decisions:
        if decision.verdict is APPROVED:
            assert all(versions[need.name] >= need.version for need in decision.patch.needs)


@given(PATCHES, BASELINES, MOMENTS)
def test_a_moment_that_is_told_is_kept(patches: tuple[Patch, ...], by: PatchBaseline, now: datetime) -> None:
    """What is held until a moment is approved from then on, and a second earlier it is not."""
    for one in patches:
        decision = verdict(one, by, now)
        if decision.until is not None:
            assert verdict(one, by, decision.until - SECOND).verdict is HELD
            assert verdict(one, by, decision.until).verdict is APPROVED
            assert verdict(one, by, decision.until + 100 * WEEK).verdict is APPROVED


@given(PATCHES, BASELINES, MOMENTS)
def test_time_takes_nothing_back(patches: tuple[Patch, ...], by: PatchBaseline, now: datetime) -> None:
    """What was approved of a survey stays approved; its list of packages does not shrink."""
    names = [{p.name for p in resolved(*patches, by=by, at=now + WEEK * n).install} for n in range(3)]
    singly = [{one for one in patches if verdict(one, by, now + WEEK * n).verdict is APPROVED} for n in range(3)]
    assert singly[0] <= singly[1] <= singly[2]
    if not any(one.needs for one in patches):
        assert names[0] <= names[1] <= names[2]


@given(PATCHES, BASELINES, MOMENTS, st.randoms())
def test_neither_the_order_of_rules_nor_of_packages_matters(
    patches: tuple[Patch, ...], by: PatchBaseline, now: datetime, order: Any
) -> None:
    """The same survey and approvals come to the same packages, in the same order."""
    rules = list(by.rules)
    order.shuffle(rules)
    listed = sorted(patches, key=lambda one: (one.name[::-1], one.version))
    assert (
        resolved(*listed, by=replace(by, rules=tuple(rules)), at=now).install
        == resolved(*patches, by=by, at=now).install
    )
