"""The clocks of fixes, as a table: what was found where, what fleets run, and what time that comes to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from nouns import NEW, NOW, OLD, fleet, fleet_view, refresh, version

from pipeline.model.findings import SLA, Finding, FindingStatus, Fix, Scan, Severity
from pipeline.model.fleets import RefreshStatus
from pipeline.model.ids import ImageId, InstanceId
from pipeline.model.packages import Package
from pipeline.model.views import FleetView
from pipeline.planning.sla import FixClock, FixReport, Since, Stands, Until, plan_sla

DAY = timedelta(days=1)
NEWER = ImageId("ami-0newer")
VERSIONS = (
    replace(version(3, NEWER), created=NOW - 2 * DAY),
    replace(version(2, NEW), created=NOW - 12 * DAY),
    replace(version(1, OLD), created=NOW - 90 * DAY),
)


def finding(on: str = OLD, **changes: Any) -> Finding:
    """Make a finding that was first seen twenty days ago."""
    values: dict[str, Any] = {
        "id": f"{on}/CVE-2026-1",
        "cve": "CVE-2026-1",
        "severity": Severity.HIGH,
        "fix": Fix.YES,
        "first_observed": NOW - 20 * DAY,
        "updated": NOW,
        "image": ImageId(on),
        "packages": (Package(name="openssl", version="1"),),
    }
    return Finding(**values | changes)


def on(image: str, name: str = "web-prod", **changes: Any) -> FleetView:
    """Make a fleet whose two instances run an image, and whose launch template had three."""
    view = fleet_view(image, image, saved=next(one for one in VERSIONS if one.image == image))
    return replace(view, settings=fleet(name), versions=VERSIONS, **changes)


def rolled(image: str, *, ago: int) -> FleetView:
    """Make a fleet that an instance refresh brought to an image, so many days ago."""
    done = refresh(RefreshStatus.SUCCESSFUL, ended=NOW - ago * DAY)
    return on(image, refreshes=(done,), goals={done.id: ImageId(image)})


def reckoned(*fleets: FleetView, found: tuple[Finding, ...], **more: Any) -> FixReport:
    """Reckon."""
    values: dict[str, Any] = {"times": SLA, "published": {}, "absent": {}}
    scan = Scan(findings=found, unknown=more.pop("unknown", {}))
    return plan_sla(fleets, scan, NOW, **values | more)


def clock(*fleets: FleetView, found: tuple[Finding, ...] = (finding(),), **more: Any) -> FixClock:
    """Reckon the one clock that there is."""
    (one,) = reckoned(*fleets, found=found, **more).clocks
    return one


@pytest.mark.parametrize(
    ("changes", "published", "basis", "ago"),
    [
        ({}, {}, Since.SEEN, 20),
        ({"fixed_since": NOW - 15 * DAY}, {}, Since.REPORTED, 15),
        ({"fixed_since": NOW - 15 * DAY}, {"CVE-2026-1": NOW - 25 * DAY}, Since.PUBLISHED, 25),
    ],
)
def test_the_clock_begins_with_the_best_that_is_known(
    changes: dict[str, Any], published: dict[str, Any], basis: Since, ago: int
) -> None:
    """The update's own date before Inspector's, and that before the first sight."""
    one = clock(on(OLD), found=(finding(**changes),), published=published)
    assert (one.basis, one.since, one.due) == (basis, NOW - ago * DAY, NOW + (30 - ago) * DAY)
    assert (one.open, one.elapsed, one.late) == (True, ago * DAY, False)


@pytest.mark.parametrize(
    ("view", "until", "took"),
    [
        (rolled(NEW, ago=11), Until.REFRESH, 9),
        (
            on(NEW, group=replace(on(NEW).group, tags={"rebake:live-since": (NOW - 10 * DAY).isoformat()})),
            Until.ARRIVED,
            10,
        ),
        (on(NEWER), Until.BEGUN, 8),
        (rolled(NEW, ago=25), Until.REFRESH, 0),
    ],
)
def test_it_ends_with_the_first_rollout_that_brings_the_fix(view: FleetView, until: Until, took: int) -> None:
    """A later one does not count; a fleet that had it before anybody knew took no time."""
    one = clock(view)
    assert [(part.stands, part.until) for part in one.fleets] == [(Stands.REPLACED, until)]
    assert (one.open, one.elapsed, one.closed) == (False, took * DAY, NOW - (20 - took) * DAY)


def test_the_last_fleet_counts() -> None:
    """As long as one is behind it runs, and names it; the worst severity of its findings sets the time."""
    slow = on(OLD, name="web-slow")
    found = (finding(), finding(severity=Severity.CRITICAL, instance=InstanceId("i-1")))
    one = clock(rolled(NEW, ago=11), slow, found=found)
    assert (one.severity, one.open, one.late) == (Severity.CRITICAL, True, True)
    assert [(part.fleet, part.images) for part in one.behind] == [("web-slow", (OLD,))]


def test_what_is_closed_tells_of_images_that_are_gone_only() -> None:
    """An old image had it, though its instances are gone; one in use whose finding was closed has it no more."""
    gone = finding(status=FindingStatus.CLOSED, instance=InstanceId("i-1"))
    assert not clock(rolled(NEW, ago=11), found=(gone,)).open
    assert reckoned(on(OLD), found=(gone,)).clocks == ()
    assert reckoned(on(OLD), found=(finding(status=FindingStatus.SUPPRESSED),)).clocks == ()


def test_an_image_that_nobody_scanned_leaves_its_fleet_in_doubt() -> None:
    """It may have it as well: neither replaced nor affected, and open."""
    one = clock(on(NEW), unknown={NEW: "off", "ami-unused": "off"})
    assert [part.stands for part in one.behind] == [Stands.UNKNOWN]
    report = reckoned(on(NEW), found=(), unknown={NEW: "off", "ami-unused": "off"}, absent={"web-gone": "no group"})
    assert report.unknown == {NEW: "off", "web-gone": "no group"}


def test_when_it_was_replaced_may_be_unknown() -> None:
    """Then it is closed, without a time that could be late."""
    bare = replace(on(NEW), versions=(replace(VERSIONS[1], created=None), VERSIONS[2]))
    one = clock(bare)
    assert (one.open, one.closed, one.elapsed, one.late) == (False, None, None, False)


def test_an_empty_fleet_is_on_what_it_would_boot() -> None:
    """Its next launch is affected or is not."""
    empty = replace(on(OLD), group=replace(on(OLD).group, members=()))
    assert clock(empty).fleets[0].stands is Stands.AFFECTED
    assert not reckoned(replace(empty, version=None, versions=()), found=(finding(),)).clocks


def test_the_headline_is_the_longest_of_those_with_a_time_to_keep() -> None:
    """Closed or running; the median is of closed ones, and what has no fix or no time is only counted or listed."""
    found = (
        finding(),
        finding(cve="CVE-2026-2", severity=Severity.CRITICAL, first_observed=NOW - 14 * DAY),
        finding(NEW, cve="CVE-2026-3", first_observed=NOW - DAY),
        finding(cve="CVE-2026-4", severity=Severity.LOW, first_observed=NOW - 400 * DAY),
        finding(NEW, cve="CVE-2026-5", fix=Fix.NO),
    )
    report = reckoned(rolled(NEW, ago=11), found=found)
    assert [(one.cve, one.open) for one in report.clocks] == [
        ("CVE-2026-3", True),
        ("CVE-2026-1", False),
        ("CVE-2026-2", False),
        ("CVE-2026-4", False),
    ]
    assert (report.longest, report.longest_of, report.usual) == (9 * DAY, "CVE-2026-1", 6 * DAY)
    assert (report.unfixed, report.late) == (1, ())
    assert reckoned(found=()).longest is None
