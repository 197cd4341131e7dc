"""Which images and instances are asked about: few, however many there are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from nouns import NEW, NOW, OLD, fleet_view, members, shifting, side
from planning.test_due import finding

from pipeline.errors import AccessDenied
from pipeline.model.findings import Coverage, Finding, FindingStatus, Severity
from pipeline.model.ids import ImageId, InstanceId
from pipeline.model.names import Role
from pipeline.observe.findings import observe_findings


@dataclass(slots=True)
class Asked:
    """A port that notes what it is asked about; it knows instances with these names only."""

    known: str = "i-"
    denied: bool = False
    images: list[ImageId] = field(default_factory=list)
    instances: list[InstanceId] = field(default_factory=list)
    findings: tuple[Finding, ...] = ()

    def coverage(self, images: Sequence[ImageId], instances: Sequence[InstanceId]) -> Mapping[str, Coverage]:
        """No image was scanned."""
        if self.denied:
            raise AccessDenied("inspector2:ListCoverage", "The caller may not do inspector2:ListCoverage.")
        known: dict[str, Coverage] = {
            id_: Coverage(why="" if id_.startswith(self.known) else "stopped") for id_ in instances
        }
        return {**dict.fromkeys(images, Coverage(why="not scanned")), **known}

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
    scan = observe_findings(asked, [replace(view, group=replace(view.group, members=tuple(many)))])
    assert sorted(asked.instances) == ["i-4996", "i-4997", "i-4998", "i-4999"]
    assert (asked.images, scan.unknown) == ([], {})


def test_an_image_is_unknown_when_neither_it_nor_an_instance_of_it_was_scanned() -> None:
    """Each reason is said once; groups beside a blue-green fleet's own are asked about, too."""
    view = shifting(OLD, weights=(1, 0), others=(side(Role.GREEN, NEW),))
    scan = observe_findings(Asked(known="none"), [view], [ImageId("ami-more")])
    assert scan.unknown == {OLD: "not scanned; stopped", NEW: "not scanned; stopped", "ami-more": "not scanned"}


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
    scan = observe_findings(Asked(findings=found), [fleet_view(NEW)])
    assert [one.image for one in scan.findings] == [NEW, NEW, OLD, OLD, OLD]


def test_who_may_not_ask_knows_nothing() -> None:
    """Of no image, and that is a value."""
    scan = observe_findings(Asked(denied=True), [fleet_view(OLD)])
    assert scan.unknown == {OLD: "The caller may not do inspector2:ListCoverage."}
