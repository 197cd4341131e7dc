"""Whether a family is due, as a table: what was observed, and what it is due for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from nouns import NEW, NOW, OLD, SOURCE, family, family_view, fleet_view, image, version

from pipeline.model.baselines import Resolution
from pipeline.model.findings import Finding, FindingStatus, Fix, Scan, Severity
from pipeline.model.ids import ImageId, InstanceId
from pipeline.model.images import Image, Stage
from pipeline.model.names import TAG_SOURCE_IMAGE
from pipeline.model.packages import Package
from pipeline.model.settings import Family, PredefinedBaseline
from pipeline.model.views import FamilyImages, FamilyView, FleetView
from pipeline.planning.due import FamilyDue, Observed, Trigger, plan_due

DAY = timedelta(days=1)
HALF = timedelta(hours=12)
CURRENT = image(NEW)
OTHER = image(NEW, key="0" * 64)


def judged(view: FamilyImages, *fleets: FleetView, **more: Any) -> FamilyDue:
    """Judge a family."""
    return plan_due(Observed(images=view, fleets=fleets, fresh=HALF, **more), NOW)


def triggers(found: FamilyDue) -> tuple[list[Trigger], list[Trigger]]:
    """Name what it is due for, and what is unknown."""
    return [one.trigger for one in found.reasons], [one.trigger for one in found.unknown]


def approving(*packages: str, surveyed: timedelta = timedelta()) -> Resolution:
    """Make what a baseline came to."""
    install = tuple(Package(name=name, version="2") for name in packages)
    return Resolution(baseline="ours", at=NOW, surveyed=NOW - surveyed, install=install)


@pytest.mark.parametrize(
    ("view", "installed", "due"),
    [
        (family_view(), None, [Trigger.FIRST]),
        (family_view(CURRENT, channel=NEW), None, []),
        (family_view(OTHER), None, [Trigger.RECIPE]),
        (family_view(replace(OTHER, tags={**OTHER.tags, TAG_SOURCE_IMAGE: "ami-1"})), None, [Trigger.SOURCE]),
        (family_view(OTHER, patches=approving("nginx")), None, [Trigger.RECIPE]),
        (family_view(OTHER, patches=approving("nginx")), (Package(name="nginx", version="1"),), [Trigger.PATCHES]),
        (family_view(OTHER, patches=approving("nginx")), (Package(name="nginx", version="2"),), [Trigger.RECIPE]),
        (family_view(CURRENT), None, [Trigger.ROLLOUT]),
    ],
)
def test_recipe_source_and_patches(view: FamilyView, installed: tuple[Package, ...] | None, due: list[Trigger]) -> None:
    """Each has a reason of its own where it can be told apart, and none of them forces a bake."""
    found = judged(view, installed=installed)
    assert triggers(found) == (due, [])
    assert found.because == ""


def test_a_fleet_that_is_behind_makes_its_family_due() -> None:
    """What one run has left to the next, such as a group whose window had not come."""
    found = judged(family_view(CURRENT, channel=NEW), fleet_view(OLD))
    assert [(one.trigger, one.text) for one in found.reasons] == [(Trigger.ROLLOUT, f"not on {NEW} yet: web-prod")]
    assert not judged(family_view(CURRENT, channel=NEW), fleet_view(NEW, saved=version(2, NEW))).due


@pytest.mark.parametrize("blocked", [image(stage=Stage.REJECTED), image(stage=Stage.REVOKED)])
def test_what_is_blocked_is_said(blocked: Image) -> None:
    """A recipe whose image was rejected or taken out of use is not due, and not in order either."""
    assert triggers(judged(family_view(blocked))) == ([], [Trigger.ROLLOUT])


def test_what_cannot_be_read_is_unknown() -> None:
    """The source, a survey that is too old, a fleet; whatever can be known is judged all the same."""
    view = family_view(image(created=NOW - 40 * DAY), family=family(max_age=30 * DAY))
    images = FamilyImages(family=view.family, baked=view.baked, parameter=view.parameter)
    found = judged(images, fault="no image matches", absent={"web-dev": "there is no group"})
    assert triggers(found) == ([Trigger.AGE], [Trigger.SOURCE, Trigger.ROLLOUT])
    ruled = replace(images, family=family(baseline=PredefinedBaseline()))
    for part, source, due, doubt in (
        (images, SOURCE, [], [Trigger.RECIPE]),
        (ruled, SOURCE, [], [Trigger.PATCHES]),
        (ruled, "ami-1", [Trigger.SOURCE], []),
        (replace(ruled, baked=()), "ami-1", [Trigger.FIRST], []),
    ):
        plain = replace(part, family=replace(part.family, max_age=None))
        assert triggers(judged(plain, fault="no survey", source=image(source))) == (due, doubt)
    stale = family_view(CURRENT, channel=NEW, patches=approving(surveyed=DAY))
    assert triggers(judged(stale)) == ([], [Trigger.PATCHES])
    assert triggers(judged(replace(stale, patches=approving(surveyed=HALF)))) == ([], [])


@pytest.mark.parametrize(
    ("baked", "due"),
    [
        ([image(created=NOW - 31 * DAY)], True),
        ([image(created=NOW - 30 * DAY)], False),
        ([image("ami-2", stage=Stage.REJECTED, key="0"), image(created=NOW - 31 * DAY)], False),
        ([image("ami-2", stage=Stage.CANDIDATE, key="0"), image(created=NOW - 31 * DAY)], True),
    ],
)
def test_age_is_that_of_the_last_attempt(baked: list[Image], due: bool) -> None:
    """One that was rejected is not tried again every night; one whose run was killed is."""
    found = judged(family_view(*baked, channel=NEW, family=family(max_age=30 * DAY)))
    assert (found.due, bool(found.because)) == (due, due)


OPENSSL = (Package(name="openssl", version="1"),)


def finding(on: str = NEW, **changes: Any) -> Finding:
    """Make a finding of an image, first seen ten days after the image was baked."""
    values: dict[str, Any] = {
        "id": f"{on}/CVE-2026-1",
        "cve": "CVE-2026-1",
        "severity": Severity.HIGH,
        "fix": Fix.YES,
        "first_observed": NOW - 10 * DAY,
        "updated": NOW,
        "image": ImageId(on),
        "packages": OPENSSL,
    }
    return Finding(**values | changes)


WATCHED: Family = family(findings=Severity.HIGH)
BAKED = image(created=NOW - 20 * DAY)
YOUNG: dict[str, Any] = {"first_observed": NOW - 20 * DAY + timedelta(hours=1)}


def with_findings(*found: Finding, baked: tuple[Image, ...] = (BAKED,), **more: Any) -> FamilyDue:
    """Judge a family whose fleet runs its newest image."""
    unknown: Mapping[ImageId, str] = more.pop("unknown", {})
    view = family_view(*baked, channel=NEW, family=more.pop("family", WATCHED))
    fleet = more.pop("fleet", fleet_view(NEW, saved=version(2, NEW)))
    return judged(view, fleet, scan=Scan(findings=found, unknown=unknown))


@pytest.mark.parametrize(
    "changes",
    [
        {"severity": Severity.MEDIUM},
        {"severity": Severity.UNTRIAGED},
        {"fix": Fix.NO},
        {"status": FindingStatus.CLOSED},
    ],
)
def test_findings_that_are_no_reason(changes: dict[str, Any]) -> None:
    """Less bad than asked for, without a fix, or gone."""
    assert triggers(with_findings(finding(**changes))) == ([], [])


def test_a_new_finding_is_a_reason_to_bake_all_the_same() -> None:
    """The recipe has not changed, so that the plan is told why; the worst comes first."""
    worst = finding(cve="CVE-2026-2", severity=Severity.CRITICAL, fix=Fix.PARTIAL)
    found = with_findings(finding(), worst)
    assert [one.text for one in found.reasons] == [
        f"CVE-2026-2 (critical, openssl) on {NEW}, with a fix",
        f"CVE-2026-1 (high, openssl) on {NEW}, with a fix",
    ]
    assert found.because.startswith("CVE-2026-2 ")
    assert triggers(with_findings(finding(), family=family())) == ([], [])


def test_a_finding_that_a_bake_did_not_cure_is_not_baked_again_every_night() -> None:
    """It was on the newest image from the beginning: in doubt, until the vendor changes its advisory."""
    assert triggers(with_findings(finding(**YOUNG))) == ([], [Trigger.FINDING])
    assert triggers(with_findings(finding(**YOUNG, advised=NOW - DAY))) == ([Trigger.FINDING], [])
    assert triggers(with_findings(finding(**YOUNG, advised=NOW - 30 * DAY))) == ([], [Trigger.FINDING])
    rejected = (replace(BAKED, tags=image(stage=Stage.REJECTED).tags), image(OLD, created=NOW - 90 * DAY))
    assert "and was rejected" in with_findings(finding(**YOUNG), baked=rejected).unknown[-1].text


@pytest.mark.parametrize(("launched", "due"), [(12, True), (10, False)])
def test_an_instance_counts_from_its_launch(launched: int, due: bool) -> None:
    """A fleet that was rolled late sees late what its image had from the beginning."""
    fleet = fleet_view(NEW, saved=version(2, NEW))
    (member,) = fleet.group.members
    members = (replace(member, launched=NOW - launched * DAY),)
    found = with_findings(
        finding(instance=InstanceId(member.id)), fleet=replace(fleet, group=replace(fleet.group, members=members))
    )
    assert found.due is due


def test_an_image_that_is_cured_needs_no_bake() -> None:
    """What is left is to roll it, and that is said."""
    assert triggers(with_findings(finding(OLD), fleet=fleet_view(OLD))) == ([Trigger.ROLLOUT], [])


@pytest.mark.parametrize("stage", [Stage.REJECTED, Stage.REVOKED])
def test_an_image_that_may_not_be_rolled_cures_nothing(stage: Stage) -> None:
    """The fleets keep the image before it, with its vulnerability: that is in doubt, and not over."""
    tested = image(OLD, created=NOW - 90 * DAY)
    view = family_view(image(stage=stage, created=NOW - DAY), tested, channel=OLD, family=WATCHED)
    found = judged(view, fleet_view(OLD, saved=version(1, OLD)), scan=Scan(findings=(finding(OLD),)))
    assert triggers(found) == ([], [Trigger.FINDING])
    assert found.unknown[0].text.endswith(f"; {NEW}, the newest image, was {stage} and cannot cure it")


def test_nobody_has_looked_is_not_nothing_found() -> None:
    """Unknown with Inspector's reason; a newest image that is not scanned may have what an older one has."""
    off = {NEW: "off", OLD: "off"}
    found = with_findings(unknown=off)
    assert [(one.trigger, one.text) for one in found.unknown] == [(Trigger.FINDING, f"{NEW}, {OLD}: off")]
    late = with_findings(finding(OLD), unknown={NEW: "off"})
    assert triggers(late) == ([Trigger.FINDING], [Trigger.FINDING])
    early = with_findings(finding(OLD, first_observed=NOW - 60 * DAY), unknown={NEW: "off"})
    assert triggers(early) == ([], [Trigger.FINDING])
    old = with_findings(finding(**YOUNG), unknown={NEW: "scanned last year"})
    assert triggers(old) == ([], [Trigger.FINDING, Trigger.FINDING])


def test_an_unbaked_family_is_due_for_what_its_fleets_run() -> None:
    """Images of somebody else's have findings, too."""
    found = judged(family_view(family=WATCHED), fleet_view(OLD), scan=Scan(findings=(finding(OLD),)))
    assert triggers(found) == ([Trigger.FIRST, Trigger.FINDING], [])
