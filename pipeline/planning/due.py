"""Whether a family is due for a release, and why; what cannot be known is said, and never taken for "not due"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from pipeline.model.findings import Finding, FindingStatus, Fix, Scan, Severity
from pipeline.model.ids import InstanceId
from pipeline.model.images import Image, Stage
from pipeline.model.packages import Package
from pipeline.model.refs import Baked
from pipeline.model.views import FamilyImages, FamilyView, FleetView
from pipeline.planning.release import plan_fleet, plan_image

_SETTLED = timedelta(days=1)
"""What is first seen so soon after an image was made, or an instance launched, was there from the beginning."""


class Trigger(StrEnum):
    """What can make a family due."""

    FIRST = "never baked"
    SOURCE = "source image"
    RECIPE = "recipe"
    PATCHES = "patches"
    FINDING = "vulnerability"
    AGE = "age"
    ROLLOUT = "rollout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a family is due, or why that cannot be known of one trigger."""

    trigger: Trigger
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyDue:
    """What is known of a family at one moment.

    ``because`` is why a bake is due although its recipe and source image are those of the newest image, in words for
    the plan that bakes all the same; empty: the plan finds by itself what is to be done.
    """

    family: str
    reasons: tuple[Reason, ...] = ()
    unknown: tuple[Reason, ...] = ()
    because: str = ""

    @property
    def due(self) -> bool:
        """Whether there is a reason."""
        return bool(self.reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """All that is asked of a family.

    ``images`` is a `FamilyView` where its recipe is known; ``fault`` says why not, and ``source`` is then its source
    image, where at least that is. ``absent`` says of fleets why they could not be observed. ``scan`` is None where its
    findings are no reason. ``installed`` are the packages of its newest image; None: nobody has kept them here.
    ``fresh``: how old a survey may be.
    """

    images: FamilyImages
    fleets: tuple[FleetView, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    scan: Scan | None = None
    installed: tuple[Package, ...] | None = None
    fresh: timedelta
    fault: str = ""
    source: Image | None = None


def plan_due(seen: Observed, now: datetime) -> FamilyDue:
    """Judge one family."""
    view, unknown = seen.images, list[Reason]()
    reasons: list[Reason] = []
    if not isinstance(view, FamilyView):
        reasons += _source(view, seen.source)
        if not reasons:
            unread = Trigger.PATCHES if view.family.ruled else Trigger.RECIPE
            unknown.append(Reason(trigger=unread if seen.source else Trigger.SOURCE, text=seen.fault))
    elif view.current is None:
        reasons += _recipe(view, seen.installed)
    else:
        left, blocked = _rollout(view, seen.fleets)
        reasons += left
        unknown += [*blocked, *_stale(view, now, seen.fresh)]
    unknown += [Reason(trigger=Trigger.ROLLOUT, text=f"{name}: {why}") for name, why in seen.absent.items()]
    forcing = [*_age(view, now)]
    if view.family.findings is not None and seen.scan is not None:
        found, doubted = _findings(seen, seen.scan, view.family.findings)
        forcing += found
        unknown += doubted
    planned = any(reason.trigger is not Trigger.ROLLOUT for reason in reasons)
    return FamilyDue(
        family=view.family.name,
        reasons=(*reasons, *forcing),
        unknown=tuple(unknown),
        because="" if planned else "; ".join(reason.text for reason in forcing[:3]),
    )


def tried(view: FamilyImages) -> Image | None:
    """Find the newest image that was tested, whatever came of it: a candidate's run is not over."""
    return next((image for image in view.baked if image.stage not in {None, Stage.CANDIDATE}), None)


def _source(view: FamilyImages, source: Image | None) -> Iterator[Reason]:
    """Say what can be said without the recipe."""
    if source is None:
        return
    name = f"{source.id} ({source.name})"
    if not view.baked:
        yield Reason(trigger=Trigger.FIRST, text=f"source image {name}")
    elif view.baked[0].source_image != source.id:
        text = f"newer source image: {view.baked[0].source_image or 'unknown'} -> {name}"
        yield Reason(trigger=Trigger.SOURCE, text=text)


def _recipe(view: FamilyView, installed: tuple[Package, ...] | None) -> Iterator[Reason]:
    known = [*_source(view, view.source)]
    yield from known
    if known:
        return
    last = view.baked[0]
    pending = [one for one in view.patches.install if one not in installed] if view.patches and installed else []
    if pending:
        yield Reason(trigger=Trigger.PATCHES, text=f"approved and not in {last.id}: {', '.join(map(str, pending))}")
    elif view.patches and installed is None:
        yield Reason(trigger=Trigger.RECIPE, text=f"the recipe, or what is approved, changed since {last.id}")
    else:
        yield Reason(trigger=Trigger.RECIPE, text=f"changed since {last.id}")


def _stale(view: FamilyView, now: datetime, fresh: timedelta) -> Iterator[Reason]:
    """Say that what is approved is not known, for want of a newer survey."""
    if view.patches is not None and now - view.patches.surveyed > fresh:
        at = f"{view.patches.surveyed:%Y-%m-%d %H:%M} UTC"
        text = f"{view.source.id} was surveyed {at}; a new survey boots it: --survey"
        yield Reason(trigger=Trigger.PATCHES, text=text)


def _rollout(view: FamilyView, fleets: Sequence[FleetView]) -> tuple[list[Reason], list[Reason]]:
    """Say what a release has left to be done, such as fleets whose window had not come, and what is against it."""
    plan, image = plan_image(view, fleets[0] if fleets else None)
    blocked, behind = list(plan.blocked), []
    reasons: list[Reason] = []
    if image is not None and not isinstance(image, Baked):
        if not plan.empty:
            reasons.append(Reason(trigger=Trigger.ROLLOUT, text=f"{image} is baked, and not yet tested and promoted"))
        for fleet in fleets:
            rolled = plan_fleet(fleet, view, image).plan
            blocked += rolled.blocked
            behind += [] if rolled.empty else [fleet.name]
    if behind:
        reasons.append(Reason(trigger=Trigger.ROLLOUT, text=f"not on {image} yet: {', '.join(behind)}"))
    return reasons, [Reason(trigger=Trigger.ROLLOUT, text=f"{note.target}: {note.text}") for note in blocked]


def _age(view: FamilyImages, now: datetime) -> Iterator[Reason]:
    newest, limit = tried(view), view.family.max_age
    if newest is not None and limit is not None and now - newest.created > limit:
        text = f"{newest.id} is of {newest.created:%Y-%m-%d %H:%M} UTC, and older than {limit.days} days"
        yield Reason(trigger=Trigger.AGE, text=text)


def _findings(seen: Observed, scan: Scan, lowest: Severity) -> tuple[list[Reason], list[Reason]]:
    """Judge vulnerability by vulnerability, the worst first: those that a bake may cure, and what is in doubt."""
    newest = tried(seen.images)
    by_reason: dict[str, list[str]] = {}
    for image, why in scan.unknown.items():
        by_reason.setdefault(why, []).append(image)
    doubted = [Reason(trigger=Trigger.FINDING, text=f"{', '.join(ids)}: {why}") for why, ids in by_reason.items()]
    due: list[Reason] = []
    for cve, found in _by_cve(scan, lowest).items():
        places = sorted({one.image for one in found if one.image})
        packages = ", ".join(sorted({package.name for one in found for package in one.packages}))
        text = f"{cve} ({found[0].severity}{f', {packages}' if packages else ''}) on {', '.join(places)}, with a fix"
        if newest is None or _news(seen, newest, scan, found):
            due.append(Reason(trigger=Trigger.FINDING, text=text))
        elif newest.id in places:
            barred = f", and was {newest.barred}" if newest.barred else ""
            why = f"{newest.id} was baked after that was known{barred}: another bake may change nothing"
            doubted.append(Reason(trigger=Trigger.FINDING, text=f"{text}; {why}"))
        elif newest.barred:  # else it has not got it, and what is left is to roll it
            why = f"{newest.id}, the newest image, was {newest.barred} and cannot cure it"
            doubted.append(Reason(trigger=Trigger.FINDING, text=f"{text}; {why}"))
    return due, doubted


def _by_cve(scan: Scan, lowest: Severity) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for one in sorted(scan.findings, key=lambda one: (one.severity.rank, one.cve)):
        if one.severity.rank <= lowest.rank and one.fix is not Fix.NO and one.status is FindingStatus.ACTIVE:
            found.setdefault(one.cve, []).append(one)
    return found


def _news(seen: Observed, newest: Image, scan: Scan, found: Sequence[Finding]) -> bool:
    """Tell whether something was learnt about a vulnerability after the newest image was baked.

    Without news, a bake from the same repositories would come to the same: it would be tried every night, in vain.
    """
    if newest.id in scan.unknown and all(one.image != newest.id for one in found):
        return newest.created < min(one.first_observed for one in found)
    launched = _launched(seen.fleets)
    for one in found:
        if one.image != newest.id:
            continue  # of the newest image it is known that it has not got it: what is left is to roll it
        since = newest.created if one.instance is None else launched.get(one.instance, one.first_observed)
        if one.first_observed - since > _SETTLED or (one.advised is not None and one.advised > newest.created):
            return True
    return False


def _launched(fleets: Sequence[FleetView]) -> Mapping[InstanceId, datetime]:
    members = [member for fleet in fleets for group in fleet.groups for member in group.standing]
    return {member.id: member.launched for member in members if member.launched is not None}
