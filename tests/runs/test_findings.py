"""Which images and instances are asked about: few, however many there are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from nouns import NEW, NOW, OLD, fleet_view, members, shifting, side
from planning.test_due import finding

from pipeline.errors import AccessDenied
from pipeline.model.findings import Coverage, Finding, FindingStatus, Severity
from pipeline.model.ids import ImageId, InstanceId
from pipeline.model.names import Role
from pipeline.observe.findings import observe_findings


@dataclass(slots=True)
class Asked:
    """A port that notes what it is asked about; it knows instances with these names, and images since a scan."""

    known: str = "i-"
    denied: bool = False
    scanned: datetime | None = None
    images: list[ImageId] = field(default_factory=list)
    instances: list[InstanceId] = field(default_factory=list)
    findings: tuple[Finding, ...] = ()

    def coverage(self, images: Sequence[ImageId], instances: Sequence[InstanceId]) -> Mapping[str, Coverage]:
        """No image was scanned, or all of them at once."""
        if self.denied:
            raise AccessDenied("inspector2:ListCoverage", "The caller may not do inspector2:ListCoverage.")
        known: dict[str, Coverage] = {
            id_: Coverage(why="" if id_.startswith(self.known) else "stopped") for id_ in instances
        }
        of_images = Coverage(why="" if self.scanned else "not scanned", scanned=self.scanned)
        return {**dict.fromkeys(images, of_images), **known}

    def found(
        self, images: Sequence[ImageId], instances: Sequence[InstanceId], *, closed: bool = False
    ) -> tuple[Finding, ...]:
        """Find what there is."""
        assert not closed
        self.images += images
        self.instances += instances
        return self.findings

    def fixable(self, severities: Collection[Severity]) -> Iterator[Finding]:  # noqa: ARG002 - the port's name
        """Find nothing."""
        return iter(())


def test_of_thousands_of_instances_the_oldest_two_of_each_image_are_asked_about() -> None:
    """They have run long enough to have been scanned, and the others are like them."""
    view = fleet_view(NEW)
    many = [
        replace(one, launched=NOW - timedelta(minutes=number) if number else None)
        for number, one in enumerate(members(*[OLD, NEW] * 2500))
    ]
    asked = Asked()
    scan = observe_findings(asked, [replace(view, group=replace(view.group, members=tuple(many)))], now=NOW)
    assert sorted(asked.instances) == ["i-4996", "i-4997", "i-4998", "i-4999"]
    assert (asked.images, scan.unknown) == ([], {})


def test_an_image_is_unknown_when_neither_it_nor_an_instance_of_it_was_scanned() -> None:
    """Each reason is said once; groups beside a blue-green fleet's own are asked about, too."""
    view = shifting(OLD, weights=(1, 0), others=(side(Role.GREEN, NEW),))
    scan = observe_findings(Asked(known="none"), [view], [ImageId("ami-more")], now=NOW)
    assert scan.unknown == {OLD: "not scanned; stopped", NEW: "not scanned; stopped", "ami-more": "not scanned"}


@pytest.mark.parametrize(("days", "known"), [(7, True), (8, False)])
def test_a_scan_of_an_image_says_nothing_after_a_week(days: int, known: bool) -> None:
    """But for what it found; an instance that is scanned all the time makes up for it."""
    at = NOW - timedelta(days=days)
    asked = Asked(known="none", scanned=at, findings=(finding(),))
    scan = observe_findings(asked, [], [NEW], now=NOW)
    old = f"it was scanned last on {at:%Y-%m-%d %H:%M} UTC, more than 7 days ago"
    assert (asked.images, scan.findings) == ([NEW], asked.findings)
    assert scan.unknown == ({} if known else {NEW: old})
    assert observe_findings(Asked(scanned=at), [fleet_view(NEW)], now=NOW).unknown == {}


def test_a_finding_of_an_instance_is_one_of_the_image_it_runs() -> None:
    """Whether Inspector names the image, another or none; what is closed was of the image that is named."""
    (member,) = fleet_view(NEW).group.members
    gone = FindingStatus.CLOSED
    found = (
        finding(image=None, instance=member.id),
        finding(OLD, instance=member.id),
        finding(OLD, instance=member.id, status=gone),
        finding(OLD, instance=InstanceId("i-other"), status=gone),
        finding(OLD),
    )
    scan = observe_findings(Asked(findings=found), [fleet_view(NEW)], now=NOW)
    assert [one.image for one in scan.findings] == [NEW, NEW, OLD, OLD, OLD]


def test_who_may_not_ask_knows_nothing() -> None:
    """Of no image, and that is a value."""
    scan = observe_findings(Asked(denied=True), [fleet_view(OLD)], now=NOW)
    assert scan.unknown == {OLD: "The caller may not do inspector2:ListCoverage."}
