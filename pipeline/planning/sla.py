"""How long a fix takes from the moment it is known until no fleet lacks it, vulnerability by vulnerability."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median

from pipeline.model.findings import Finding, FindingStatus, Fix, Scan, Severity
from pipeline.model.fleets import RefreshStatus, TemplateVersion
from pipeline.model.ids import ImageId
from pipeline.model.views import FleetView
from pipeline.planning.waves import arrived


class Since(StrEnum):
    """What the beginning of a clock is taken from; the first that is known."""

    PUBLISHED = "published"
    """The update's own date, in a survey that names the vulnerability."""
    REPORTED = "reported"
    """Since when Inspector knows a fix for a finding of this severity on the image: never later than for this one."""
    SEEN = "seen"
    """When it was first seen here: the fix may be younger."""


class Until(StrEnum):
    """What the end of a fleet's part is taken from."""

    REFRESH = "refresh"
    """The end of the instance refresh."""
    ARRIVED = "arrived"
    """Since when the group that has the traffic is live, or its oldest instance runs."""
    BEGUN = "begun"
    """When the launch template version was made: the rollout began then."""


class Stands(StrEnum):
    """Where a fleet stands."""

    REPLACED = "replaced"
    AFFECTED = "affected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetClock:
    """A fleet that ran or runs what is vulnerable. ``at`` is when it was replaced; None: not yet, or not known."""

    fleet: str
    stands: Stands
    at: datetime | None = None
    until: Until | None = None
    images: tuple[ImageId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FixClock:
    """A vulnerability with a fix. ``due`` is None for a severity without a time.

    ``open``: a fleet is affected, or nobody knows. ``closed`` is when the last fleet was replaced. ``elapsed`` is from
    ``since`` until then, or until now; None: all are replaced, and when is not known. ``late``: it took longer than
    until ``due``, or does by now.
    """

    cve: str
    severity: Severity
    packages: tuple[str, ...]
    since: datetime
    basis: Since
    due: datetime | None
    fleets: tuple[FleetClock, ...]
    open: bool
    closed: datetime | None
    elapsed: timedelta | None
    late: bool

    @property
    def behind(self) -> tuple[FleetClock, ...]:
        """The fleets that are not replaced, as far as it is known."""
        return tuple(one for one in self.fleets if one.stands is not Stands.REPLACED)


@dataclass(frozen=True, slots=True, kw_only=True)
class FixReport:
    """All clocks: open ones first, the earliest due first, then closed ones, the last first.

    ``longest`` is the headline: the most time from a fix to the last fleet, of those with a time to keep; one that
    still runs counts as far as it has come (``longest_of`` names it). ``usual`` is the median of those that are closed.
    ``unfixed`` counts the vulnerabilities in use without a fix; ``unknown`` says of what nothing is known, and why.
    """

    at: datetime
    clocks: tuple[FixClock, ...] = ()
    longest: timedelta | None = None
    longest_of: str = ""
    usual: timedelta | None = None
    unfixed: int = 0
    unknown: Mapping[str, str] = field(default_factory=dict)

    @property
    def late(self) -> tuple[FixClock, ...]:
        """Those that are open and past their time."""
        return tuple(one for one in self.clocks if one.open and one.late)


def plan_sla(
    fleets: Sequence[FleetView],
    scan: Scan,
    now: datetime,
    *,
    times: Mapping[Severity, timedelta],
    published: Mapping[str, datetime],
    absent: Mapping[str, str],
) -> FixReport:
    """Reckon every clock; ``published`` are dates of updates by vulnerability, ``absent`` fleets that cannot be read.

    A vulnerability that no fleet runs or ran, as far as AWS tells, has no clock.
    """
    running = {view.name: _running(view) for view in fleets}
    in_use = frozenset[ImageId]().union(*running.values())
    by_cve: dict[str, list[Finding]] = {}
    for one in scan.findings:
        if one.status is not FindingStatus.SUPPRESSED and one.image is not None:
            by_cve.setdefault(one.cve, []).append(one)
    clocks, unfixed = [], 0
    for cve, found in by_cve.items():
        active = {one.image for one in found if one.image and one.status is FindingStatus.ACTIVE}
        fixable = [one for one in found if one.fix is not Fix.NO]
        if not fixable:
            unfixed += bool(active & in_use)
            continue
        # An image in use is judged by what is active; of one that is gone, whatever was found tells what it had.
        bad = active | {one.image for one in found if one.image and one.image not in in_use}
        parts = tuple(part for view in fleets for part in _part(view, running[view.name], bad, scan.unknown))
        if parts:
            clocks.append(_clock(cve, fixable, parts, now, times=times, published=published.get(cve)))
    unknown: dict[str, str] = dict(absent)
    unknown.update({image: why for image, why in scan.unknown.items() if image in in_use})
    return _report(clocks, now, unfixed=unfixed, unknown=unknown)


def _running(view: FleetView) -> frozenset[ImageId]:
    """List what a fleet runs; of one without instances, what its next launch would boot."""
    members = frozenset(one.image for group in view.groups for one in group.standing if one.image)
    if members or view.version is None:
        return members
    return frozenset({ImageId(view.version.image)})


def _part(
    view: FleetView, running: frozenset[ImageId], bad: set[ImageId], unknown: Mapping[ImageId, str]
) -> Iterator[FleetClock]:
    if affected := running & bad:
        yield FleetClock(fleet=view.name, stands=Stands.AFFECTED, images=tuple(sorted(affected)))
        return
    had = [one.number for one in view.versions if one.image in bad]
    if not had:
        return
    if doubtful := running & unknown.keys():
        yield FleetClock(fleet=view.name, stands=Stands.UNKNOWN, images=tuple(sorted(doubtful)))
        return
    later = [one for one in view.versions if one.number > max(had)]
    at, until = _replaced(view, running, min(later, key=lambda one: one.number, default=None))
    yield FleetClock(fleet=view.name, stands=Stands.REPLACED, at=at, until=until)


def _replaced(
    view: FleetView, running: frozenset[ImageId], first: TemplateVersion | None
) -> tuple[datetime | None, Until | None]:
    """Tell when a fleet came to the first version without it: newer rollouts since then do not count."""
    if first is not None:
        for refresh in view.refreshes:
            arrives = refresh.status is RefreshStatus.SUCCESSFUL and view.goal(refresh) == first.image
            if arrives and refresh.ended is not None:
                return refresh.ended, Until.REFRESH
        if first.image not in running and first.created is not None:
            return first.created, Until.BEGUN
    known = [at for image in running if (at := arrived(view, image)) is not None]
    return (max(known), Until.ARRIVED) if known else (None, None)


def _clock(
    cve: str,
    found: Sequence[Finding],
    parts: tuple[FleetClock, ...],
    now: datetime,
    *,
    times: Mapping[Severity, timedelta],
    published: datetime | None,
) -> FixClock:
    severity = min((one.severity for one in found), key=lambda one: one.rank)
    reported = min((one.fixed_since for one in found if one.fixed_since), default=None)
    seen = min(one.first_observed for one in found)
    since, basis = next(
        (at, basis)
        for at, basis in ((published, Since.PUBLISHED), (reported, Since.REPORTED), (seen, Since.SEEN))
        if at is not None
    )
    due = since + times[severity] if severity in times else None
    behind = any(one.stands is not Stands.REPLACED for one in parts)
    ends = [one.at for one in parts if one.at is not None]
    # A fleet that had the fix before anybody knew of it took no time.
    closed = max(since, *ends) if not behind and len(ends) == len(parts) else None
    end = now if behind else closed
    return FixClock(
        cve=cve,
        severity=severity,
        packages=tuple(sorted({package.name for one in found for package in one.packages})),
        since=since,
        basis=basis,
        due=due,
        fleets=parts,
        open=behind,
        closed=closed,
        elapsed=None if end is None else end - since,
        late=due is not None and end is not None and end > due,
    )


def _report(clocks: Sequence[FixClock], now: datetime, *, unfixed: int, unknown: Mapping[str, str]) -> FixReport:
    running = sorted((one for one in clocks if one.open), key=lambda one: (one.due is None, one.due or now, one.cve))
    done = sorted((one for one in clocks if not one.open), key=lambda one: one.closed or one.since, reverse=True)
    kept = [(one.elapsed, one.cve) for one in clocks if one.due is not None and one.elapsed is not None]
    longest, of = max(kept, default=(None, ""))
    took = [one.elapsed.total_seconds() for one in done if one.due is not None and one.elapsed is not None]
    return FixReport(
        at=now,
        clocks=(*running, *done),
        longest=longest,
        longest_of=of,
        usual=timedelta(seconds=median(took)) if took else None,
        unfixed=unfixed,
        unknown=unknown,
    )
