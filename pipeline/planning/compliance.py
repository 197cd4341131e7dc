"""What every instance is: compliant, not compliant, or unknown, with all reasons; and what that adds up to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from pipeline.model.compliance import (
    Burn,
    ComplianceReport,
    ComplianceRules,
    Counts,
    EstateView,
    InstanceCompliance,
    Reason,
    State,
    Vulnerability,
)
from pipeline.model.findings import Severity
from pipeline.model.fleets import Group, Member, TemplateRef
from pipeline.model.images import Image
from pipeline.model.settings import Family, FleetSettings, Settings
from pipeline.planning.patch_groups import misplaced

Found = Iterator[tuple[Reason, str]]
_NAMED = 3
_BACK = timedelta(days=60)
"""How far back a burn-down begins at most."""


def severities(settings: Settings) -> frozenset[Severity]:
    """Tell which severities matter to anybody: by a family's threshold, or because there is a time for them."""
    asked = [_threshold(family, settings).rank for family in settings.families.values()]
    return frozenset(one for one in Severity if one in settings.sla or one.rank <= max(asked, default=0))


def judge(view: EstateView, settings: Settings) -> ComplianceReport:
    """Judge every instance, add the states up, and lay the open vulnerabilities out by day."""
    rows = tuple(
        _row(view, settings, settings.fleets[fleet], group, member)
        for fleet in sorted(view.groups)
        for group in view.groups[fleet]
        for member in sorted((*group.standing, *group.warm), key=lambda member: member.id)
    )
    ours = {cve for row in rows for cve in view.vulnerable.get(row.instance, ())}
    open_ = [view.vulnerabilities[cve] for cve in sorted(ours)]
    return ComplianceReport(
        at=view.at,
        account=view.account,
        states=_states(rows),
        by_patch_group=_counted(rows, lambda row: row.patch_group or "none"),
        by_fleet=_counted(rows, lambda row: row.fleet),
        by_account=_counted(rows, lambda row: row.account),
        by_image=_counted(rows, lambda row: row.image or "unknown"),
        faults=view.faults,
        blind=view.blind,
        burn_down=() if "findings" in view.blind else burn_down(open_, settings.sla, view.at),
        instances=rows,
    )


def burn_down(open_: Iterable[Vulnerability], sla: Mapping[Severity, timedelta], now: datetime) -> tuple[Burn, ...]:
    """Lay out by day the vulnerabilities that are open now and have a time: how they came, and when they must go."""
    spans = [(one.since.date(), (one.since + sla[one.severity]).date()) for one in open_ if one.severity in sla]
    if not spans:
        return ()
    today = now.date()
    first = max(min(since for since, _ in spans), today - _BACK)
    last = max(today, *(due for _, due in spans)) + timedelta(days=1)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return tuple(
        Burn(
            day=day,
            open=sum(since <= day <= due for since, due in spans),
            late=sum(due < day <= today for _, due in spans),
        )
        for day in days
    )


def _row(
    view: EstateView, settings: Settings, fleet: FleetSettings, group: Group, member: Member
) -> InstanceCompliance:
    family = settings.families[fleet.family]
    image = view.images.get(member.image) if member.image else None
    patches = view.patches.get(member.id)
    mildest = _threshold(family, settings).rank
    cves = tuple(
        cve for cve in view.vulnerable.get(member.id, ()) if view.vulnerabilities[cve].severity.rank <= mildest
    )
    expected = _number(view, group.template)
    found = [
        *_image(view, settings, family, member, image),
        *_template(group, member, expected),
        *_node(view, settings, member),
        *_findings(view, member, cves),
    ]
    if wrong := misplaced(fleet.patch_group, member):
        found.append((Reason.OTHER_PATCH_GROUP if fleet.patch_group else Reason.NO_PATCH_GROUP, f"is {wrong}"))
    reasons = dict(found)
    states = {reason.state for reason in reasons}
    return InstanceCompliance(
        account=view.account,
        fleet=fleet.name,
        family=family.name,
        group=group.name,
        patch_group=member.patch_group or fleet.patch_group or "",
        instance=member.id,
        image=member.image or "",
        age_days=(view.at - image.created).days if image else None,
        version=member.template.version if member.template else "",
        expected=str(expected or ""),
        missing=patches.missing if patches else None,
        failed=patches.failed if patches else None,
        findings=cves,
        managed=member.id in view.agents,
        state=next((state for state in State if state in states), State.COMPLIANT),
        reasons=reasons,
    )


def _rules(settings: Settings) -> ComplianceRules:
    return settings.compliance or ComplianceRules()


def _threshold(family: Family, settings: Settings) -> Severity:
    return family.findings or _rules(settings).findings


def _image(view: EstateView, settings: Settings, family: Family, member: Member, image: Image | None) -> Found:
    if member.image is None:
        yield Reason.IMAGE_UNKNOWN, "EC2 does not show the instance"
        return
    channel = view.channels.get(family.name)
    if channel is None:
        yield Reason.CHANNEL_UNKNOWN, view.unread[family.name]
    elif member.image != channel:
        yield Reason.OTHER_IMAGE, f"runs {member.image}, and its channel points to {channel}"
    if image is None:
        yield Reason.IMAGE_UNKNOWN, f"{member.image} is gone, or not for this account to see: its age is not known"
        return
    if image.barred:
        yield Reason.BARRED_IMAGE, f"{image.id} was {image.barred}"
    limit, age = family.max_age or _rules(settings).max_age, view.at - image.created
    if age > limit:
        yield Reason.OLD_IMAGE, f"its image is {age.days} days old, and {limit.days} are allowed"


def _number(view: EstateView, ref: TemplateRef | None) -> int | None:
    return None if ref is None else ref.number or view.numbers.get(ref.id, {}).get(ref.version)


def _template(group: Group, member: Member, expected: int | None) -> Found:
    saved, own = group.template, member.template
    if saved is None:
        yield Reason.TEMPLATE_UNKNOWN, f"its group boots from {group.launch_configuration or 'no launch template'}"
    elif own is None:
        yield Reason.TEMPLATE_DRIFT, f"was not launched by {saved.id}, its group's launch template"
    elif own.id != saved.id and group.override_templates:
        yield Reason.TEMPLATE_UNKNOWN, f"was launched by {own.id}; overrides of its group name other launch templates"
    elif own.id != saved.id:
        yield Reason.TEMPLATE_DRIFT, f"was launched by {own.id}, and its group boots from {saved.id}"
    elif expected is None:
        yield Reason.TEMPLATE_UNKNOWN, f"{saved.version} of {saved.id} stands for no version"
    elif own.version != str(expected):
        yield (
            Reason.TEMPLATE_DRIFT,
            f"was launched by version {own.version} of {saved.id}, and its group has {expected}",
        )


def _node(view: EstateView, settings: Settings, member: Member) -> Found:
    """Judge agent and patches; a scan that is too old still tells of patches that were missing then."""
    agent, found = view.agents.get(member.id), view.patches.get(member.id)
    if _stopped(member):
        yield Reason.STOPPED, f"is {member.state or member.lifecycle}: nobody can ask it"
    elif agent is None:
        yield Reason.AGENT_ABSENT, view.blind.get("agents", "Systems Manager does not know it")
    elif agent.silent:
        seen = f", last heard {agent.seen:%Y-%m-%d %H:%M} UTC" if agent.seen else ""
        yield Reason.AGENT_SILENT, f"its SSM agent is {agent.status}{seen}"
    if found is None:
        yield Reason.NEVER_SCANNED, view.blind.get("patches", "nobody has scanned it for patches")
        return
    if view.at - found.scanned > _rules(settings).scanned_within:
        yield Reason.SCAN_TOO_OLD, f"was scanned for patches last on {found.scanned:%Y-%m-%d %H:%M} UTC"
    for reason, count, words in (
        (Reason.PATCHES_MISSING, found.missing, "missing"),
        (Reason.PATCHES_FAILED, found.failed, "failed"),
        (Reason.PATCHES_PENDING, found.pending, "not in effect before a reboot"),
        (Reason.PATCHES_REJECTED, found.rejected, "installed, though rejected by its baseline"),
    ):
        if count:
            yield reason, f"{count} patch{'' if count == 1 else 'es'} {words}"


def _stopped(member: Member) -> bool:
    return member.state in {"stopping", "stopped"} or member.lifecycle in {"Warmed:Stopped", "Warmed:Hibernated"}


def _findings(view: EstateView, member: Member, cves: tuple[str, ...]) -> Found:
    coverage = view.coverage.get(member.id)
    if coverage is None or not coverage.known:
        why = coverage.why if coverage else ""
        yield Reason.NOT_INSPECTED, why or view.blind.get("findings", "Amazon Inspector does not know it")
    if cves:
        named = ", ".join(cves[:_NAMED])
        more = f" and {len(cves) - _NAMED} more" if len(cves) > _NAMED else ""
        yield Reason.FINDINGS, f"has {named}{more}, for which there is a fix"


def _states(rows: Iterable[InstanceCompliance]) -> Mapping[State, int]:
    found = dict.fromkeys(State, 0)
    for row in rows:
        found[row.state] += 1
    return found


def _counted(rows: Iterable[InstanceCompliance], key: Callable[[InstanceCompliance], str]) -> Counts:
    found = defaultdict[str, list[InstanceCompliance]](list)
    for row in rows:
        found[key(row)].append(row)
    return {name: _states(found[name]) for name in sorted(found)}
