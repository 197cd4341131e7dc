"""Which vulnerabilities the images of fleets have, asked of the images themselves and of a few of their instances."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from pipeline.errors import AccessDenied
from pipeline.model.findings import Coverage, Finding, FindingStatus, Scan
from pipeline.model.fleets import Group, Member
from pipeline.model.ids import ImageId, InstanceId
from pipeline.model.views import FleetView
from pipeline.ports.findings import Findings

_WITNESSES = 2
"""How many instances of an image are asked about in a group: nobody patches them, so that they are alike."""

SCANNED_WITHIN = timedelta(days=7)
"""What a scan says of an image for so long: afterwards there may be more that was not known then."""


def observe_findings(
    findings: Findings,
    fleets: Iterable[FleetView],
    images: Iterable[ImageId] = (),
    *,
    now: datetime,
    closed: bool = False,
) -> Scan:
    """Read the findings of what fleets run and of further images, in a few calls however many instances there are.

    An image is unknown only where it was not scanned lately and none of the instances that were asked about is scanned;
    what an older scan has found stands all the same. ``closed`` as for `Findings.found`. Who may not ask knows nothing
    of any image: that is a value, no error.
    """
    groups = [group for view in fleets for group in view.groups]
    witnesses = _witnesses(groups)
    asked = sorted({*images, *witnesses})
    runs = {id_: image for image, chosen in witnesses.items() for id_ in chosen}
    try:
        coverage = findings.coverage(asked, [*runs])
        found = findings.found(
            asked if closed else [image for image in asked if coverage[image].known],
            [instance for instance in runs if coverage[instance].known],
            closed=closed,
        )
    except AccessDenied as error:
        return Scan(unknown=dict.fromkeys(asked, error.message))
    unknown = {}
    for image in asked:
        doubts = [_doubt(coverage[id_], now) for id_ in (image, *witnesses.get(image, ()))]
        if all(doubts):
            unknown[image] = "; ".join(dict.fromkeys(doubts))
    return Scan(findings=tuple(_placed(one, runs) for one in found), unknown=unknown)


def _doubt(coverage: Coverage, now: datetime) -> str:
    """Say why there may be more than was found; empty: there is not."""
    if coverage.scanned is None or now - coverage.scanned <= SCANNED_WITHIN:
        return coverage.why
    return f"it was scanned last on {coverage.scanned:%Y-%m-%d %H:%M} UTC, more than {SCANNED_WITHIN.days} days ago"


def _placed(found: Finding, runs: Mapping[InstanceId, ImageId]) -> Finding:
    """Add to a finding of an instance the image that it runs, which Inspector may leave out.

    A closed one is of the image that it names: a root volume that was replaced since leaves the instance its id.
    """
    if found.instance is None or (found.image is not None and found.status is FindingStatus.CLOSED):
        return found
    return replace(found, image=runs.get(found.instance, found.image))


def _running(member: Member) -> tuple[bool, float]:
    return member.launched is None, member.launched.timestamp() if member.launched else 0.0


def _witnesses(groups: Iterable[Group]) -> Mapping[ImageId, tuple[InstanceId, ...]]:
    """Choose those that have run longest: a new one waits for its first scan."""
    chosen: defaultdict[ImageId, list[InstanceId]] = defaultdict(list)
    for group in groups:
        by_image: defaultdict[ImageId, list[Member]] = defaultdict(list)
        for member in group.standing:
            if member.image is not None:
                by_image[member.image].append(member)
        for image, members in by_image.items():
            oldest = sorted(members, key=_running)[:_WITNESSES]
            chosen[image] += [member.id for member in oldest]
    return {image: tuple(ids) for image, ids in chosen.items()}
