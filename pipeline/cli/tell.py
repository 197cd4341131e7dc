"""Reports of what stands, as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from pipeline.cli.output import table
from pipeline.model.baselines import Decision, Resolution, Verdict
from pipeline.model.fleets import Refresh
from pipeline.planning.packages import PackageChange
from pipeline.planning.timing import clock_text, waiting_text
from pipeline.ports.preflight import Finding
from pipeline.runs.status import FamilyHistory, FamilyStatus, FleetStatus
from pipeline.runs.windows import GroupWindow

_MARKS = {True: "ok", False: "FAIL", None: "unknown"}


def findings(found: Sequence[Finding]) -> str:
    """Write checks, the failed ones with their next step."""
    rows = []
    for finding in found:
        rows.append((_MARKS[finding.ok], finding.check, finding.text))
        if finding.ok is not True and finding.hint:
            rows.append(("", "", f"-> {finding.hint}"))
    return table(rows)


def status(families: Sequence[FamilyStatus]) -> str:
    """Write a line for each family and one for each of its fleets."""
    rows: list[tuple[str, str, str]] = []
    for family in families:
        newest = f"{family.newest.id} ({family.newest.stage or 'no stage'})" if family.newest else "none"
        rows.append((family.name, family.channel or "not promoted", f"newest image {newest}"))
        rows += [(f"  {fleet.name}", fleet.image or "-", _fleet(fleet)) for fleet in family.fleets]
    return table(rows) or "Nothing is configured."


def windows(groups: Sequence[GroupWindow]) -> str:
    """Write how each patch group's window stands, and its next openings by its own clock and in UTC."""
    rows: list[tuple[str, str, str]] = []
    for group in groups:
        rows.append((group.group, _now(group), ", ".join(group.fleets) or "no fleets"))
        for upcoming in group.openings:
            opening, held = upcoming.opening, f"; HELD: {upcoming.held}" if upcoming.held else ""
            start = clock_text(opening.opens, group.timezone)
            cutoff = clock_text(opening.cutoff, group.timezone)
            rows.append(("", start, f"until {upcoming.closes:%a %H:%M}, nothing begins from {cutoff} on{held}"))
    return table(rows) or "No patch groups are configured."


def history(families: Sequence[FamilyHistory]) -> str:
    """Write a family's images, promotions and refreshes, newest first."""
    rows: list[tuple[str, str, str]] = []
    for family in families:
        rows += [
            (f"{image.created:%Y-%m-%d %H:%M}", "baked", f"{image.id} {image.name} {image.stage or ''}")
            for image in family.images
        ]
        rows += [
            (f"{entry.at:%Y-%m-%d %H:%M}", "promoted", f"{entry.image} as version {entry.version} of {family.name}")
            for entry in family.channel
        ]
        for fleet, refreshes in family.refreshes.items():
            rows += [(_day(refresh), "rolled", f"{fleet}: {refresh_text(refresh)}") for refresh in refreshes]
    return table(sorted(rows, reverse=True)) or "Nothing has happened yet."


def changes(old: str, new: str, found: Sequence[PackageChange]) -> str:
    """Write the package-level difference between two images."""
    if not found:
        return f"{old} and {new} hold the same packages."
    rows = [
        (one.name, one.before or "-", "->", one.after or "-", " ".join((*one.advisories, *one.cves))) for one in found
    ]
    return f"{table(rows)}\n\n{len(found)} packages differ between {old} and {new}."


def patches(found: Resolution) -> str:
    """Write what a baseline makes of an image's patches: approved ones first, then what is left out and why."""
    parts = [f"Baseline {found.baseline}, surveyed {_minute(found.surveyed)}, judged {_minute(found.at)}."]
    for title, verdicts in (
        ("Approved", (Verdict.APPROVED, Verdict.DEPENDENCY)),
        ("Held back", (Verdict.HELD,)),
        ("Rejected", (Verdict.REJECTED,)),
    ):
        chosen = [decision for decision in found.decisions if decision.verdict in verdicts]
        rows = table(map(_patch, sorted(chosen, key=lambda decision: decision.patch.name)))
        parts.append(f"{title}: {len(chosen)}" + (f"\n{rows}" if rows else ""))
    return "\n\n".join(parts)


def _patch(decision: Decision) -> tuple[str, ...]:
    patch = decision.patch
    released = f"{patch.released:%Y-%m-%d}" if patch.released else "-"
    until = f"until {_minute(decision.until)}; " if decision.until else ""
    cves = f"; {len(patch.cves)} CVE{'' if len(patch.cves) == 1 else 's'}" if patch.cves else ""
    why = f"{until}{decision.by}: {decision.why}{cves}"
    return (f"  {patch.name}", patch.installed or "new", "->", patch.version or "-", released, why)


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def refresh_text(refresh: Refresh) -> str:
    """Write a refresh in a few words."""
    where = f" to version {refresh.desired.version}" if refresh.desired else ""
    return f"{refresh.status} {refresh.percentage} %{where}" + (f": {refresh.reason}" if refresh.reason else "")


def _now(group: GroupWindow) -> str:
    if group.standing is None:
        return f"UNKNOWN: {group.fault}"
    where = " ".join(part for part in (group.window, group.schedule) if part) or "no window"
    return f"{'open' if group.standing.begin else waiting_text(group.standing)} ({where}, {group.timezone})"


def _fleet(fleet: FleetStatus) -> str:
    if fleet.fault:
        return f"cannot be observed: {fleet.fault}"
    age = f", {fleet.age_days} days old" if fleet.age_days is not None else ""
    mix = ", ".join(f"{count} on {image}" for image, count in sorted(fleet.by_image.items())) or "no instances"
    drift = {True: "", False: " DRIFT", None: ""}[fleet.on_channel]
    last = f"; last refresh {refresh_text(fleet.refresh)}" if fleet.refresh else ""
    beside = "".join(f"; {name} is {text}" for name, text in sorted(fleet.beside.items()))
    wrong = "".join(f"; {count} of {fleet.desired} {what}" for what, count in sorted(fleet.astray.items()))
    halted = f" HALTED: {fleet.halted}" if fleet.halted else ""
    return f"{fleet.healthy}/{fleet.desired} healthy{age}: {mix}{drift}{last}{beside}{wrong}{halted}"


def _day(refresh: Refresh) -> str:
    return f"{refresh.started:%Y-%m-%d %H:%M}" if refresh.started else ""
