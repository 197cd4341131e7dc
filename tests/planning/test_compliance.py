"""What an instance is, and why; what that adds up to; and the days of open vulnerabilities."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import nouns
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.compliance import Agent, ComplianceReport, EstateView, PatchState, Reason, State, Vulnerability
from pipeline.model.findings import SLA, Coverage, Severity
from pipeline.model.fleets import Group, Member, TemplateRef
from pipeline.model.ids import ImageId, InstanceId, TemplateId
from pipeline.model.images import Stage
from pipeline.planning.compliance import burn_down, judge, severities

ID = InstanceId("i-0")
DAY = timedelta(days=1)
FLEET = replace(nouns.fleet(), patch_group="prod")
SETTINGS = nouns.settings(FLEET)
OTHER = TemplateRef(id=TemplateId("lt-0other"), version="1")
CVE = Vulnerability(cve="CVE-2026-1", severity=Severity.HIGH, since=nouns.NOW - DAY)
MILD = replace(CVE, cve="CVE-2026-2", severity=Severity.MEDIUM)


def group(saved: TemplateRef | None = None, **member: Any) -> Group:
    """Make the fleet's group with one member that is as it should be, but for these."""
    first = TemplateRef(id=nouns.TEMPLATE, version="1")
    (one,) = nouns.members(nouns.NEW)
    return nouns.group(template=saved or first, members=(replace(one, **{"template": first, **member}),))


def estate(found: Group | None = None, **changes: Any) -> EstateView:
    """Make an estate of one instance of which everything is known and good, but for these."""
    values: dict[str, Any] = {
        "at": nouns.NOW,
        "account": "123456789012",
        "groups": {"web-prod": (found or group(),)},
        "images": {nouns.NEW: nouns.image(), nouns.OLD: nouns.image(nouns.OLD)},
        "channels": {"web": nouns.NEW},
        "agents": {ID: Agent(status="Online")},
        "patches": {ID: PatchState(scanned=nouns.NOW - DAY)},
        "coverage": {ID: Coverage()},
        "vulnerabilities": {one.cve: one for one in (CVE, MILD)},
    }
    return EstateView(**values | changes)


def patched(**counts: Any) -> dict[str, Any]:
    """Make patch states with these counts."""
    return {"patches": {ID: PatchState(**{"scanned": nouns.NOW - DAY, **counts})}}


def judged(view: EstateView) -> tuple[State, set[Reason]]:
    """Judge the one instance of an estate."""
    (row,) = judge(view, SETTINGS).instances
    assert all(row.reasons.values())
    return row.state, set(row.reasons)


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (estate(), set[Reason]()),
        (estate(group(image=nouns.OLD)), {Reason.OTHER_IMAGE}),
        (estate(images={nouns.NEW: nouns.image(stage=Stage.REVOKED)}), {Reason.BARRED_IMAGE}),
        (estate(images={nouns.NEW: nouns.image(created=nouns.NOW - 31 * DAY)}), {Reason.OLD_IMAGE}),
        (estate(group(TemplateRef(id=nouns.TEMPLATE, version="2"))), {Reason.TEMPLATE_DRIFT}),
        (estate(group(OTHER)), {Reason.TEMPLATE_DRIFT}),
        (estate(group(template=None)), {Reason.TEMPLATE_DRIFT}),
        (estate(**patched(missing=1, failed=2)), {Reason.PATCHES_MISSING, Reason.PATCHES_FAILED}),
        (estate(**patched(pending=1, rejected=1)), {Reason.PATCHES_PENDING, Reason.PATCHES_REJECTED}),
        (estate(vulnerable={ID: (CVE.cve, MILD.cve)}), {Reason.FINDINGS}),
        (estate(group(patch_group="dev")), {Reason.OTHER_PATCH_GROUP}),
    ],
)
def test_what_is_known_to_be_wrong_is_not_compliant(view: EstateView, expected: set[Reason]) -> None:
    """Each by its reason; nothing wrong and all of it known is compliant."""
    assert judged(view) == (State.NON_COMPLIANT if expected else State.COMPLIANT, expected)


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (estate(group(image=None)), Reason.IMAGE_UNKNOWN),
        (estate(images={}), Reason.IMAGE_UNKNOWN),
        (estate(channels={}, unread={"web": "nothing was promoted"}), Reason.CHANNEL_UNKNOWN),
        (estate(group(TemplateRef(id=nouns.TEMPLATE, version="$Latest"))), Reason.TEMPLATE_UNKNOWN),
        (estate(replace(group(), template=None)), Reason.TEMPLATE_UNKNOWN),
        (estate(replace(group(OTHER), override_templates=True)), Reason.TEMPLATE_UNKNOWN),
        (estate(group(state="stopped"), agents={}), Reason.STOPPED),
        (estate(agents={}), Reason.AGENT_ABSENT),
        (estate(agents={ID: Agent(status="ConnectionLost", seen=nouns.NOW)}), Reason.AGENT_SILENT),
        (estate(patches={}), Reason.NEVER_SCANNED),
        (estate(**patched(scanned=nouns.NOW - 8 * DAY)), Reason.SCAN_TOO_OLD),
        (estate(coverage={ID: Coverage(why="it is off")}), Reason.NOT_INSPECTED),
        (estate(coverage={}, blind={"findings": "may not"}), Reason.NOT_INSPECTED),
    ],
)
def test_what_cannot_be_known_is_unknown(view: EstateView, expected: Reason) -> None:
    """And never compliant; together with what is known to be wrong, that decides, and both are told."""
    assert judged(view) == (State.UNKNOWN, {expected})
    (found,) = view.groups["web-prod"]
    wrong = replace(found, members=tuple(replace(one, patch_group="dev") for one in found.members))
    expected_now = {expected} if found.members[0].image is None else {expected, Reason.OTHER_PATCH_GROUP}
    state = State.UNKNOWN if found.members[0].image is None else State.NON_COMPLIANT
    assert judged(replace(view, groups={"web-prod": (wrong,)})) == (state, expected_now)


def test_a_group_that_follows_an_alias_has_that_number() -> None:
    """What its template's newest version is now."""
    found = group(TemplateRef(id=nouns.TEMPLATE, version="$Latest"))
    view = estate(found, numbers={nouns.TEMPLATE: {"$Latest": 1, "$Default": 3}})
    assert judged(view)[0] is State.COMPLIANT
    assert judged(replace(view, numbers={nouns.TEMPLATE: {"$Latest": 2}}))[1] == {Reason.TEMPLATE_DRIFT}


def test_a_fleet_without_a_patch_group_is_told() -> None:
    """Where the instances have no tag either."""
    settings = nouns.settings(nouns.fleet())
    (row,) = judge(estate(), settings).instances
    assert (row.state, set(row.reasons)) == (State.NON_COMPLIANT, {Reason.NO_PATCH_GROUP})


def test_a_familys_own_limits_come_first() -> None:
    """Its age and its severity, before those of all."""
    own = nouns.family(max_age=40 * DAY, findings=Severity.MEDIUM)
    settings = replace(SETTINGS, families={"web": own})
    aged = estate(images={nouns.NEW: nouns.image(created=nouns.NOW - 31 * DAY)}, vulnerable={ID: (MILD.cve,)})
    (row,) = judge(aged, settings).instances
    assert set(row.reasons) == {Reason.FINDINGS}
    assert Severity.LOW not in severities(settings)
    assert severities(settings) == {Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM}


def test_warm_and_terminating_instances() -> None:
    """A warm pool's instances count, those on their way out do not."""
    (one,) = group().members
    leaving = replace(one, id=InstanceId("i-1"), lifecycle="Terminating:Wait")
    warm = replace(one, id=InstanceId("i-2"), lifecycle="Warmed:Stopped")
    found = replace(group(), members=(one, leaving), warm=(warm,))
    rows = judge(estate(found), SETTINGS).instances
    assert {row.instance: Reason.STOPPED in row.reasons for row in rows} == {"i-0": False, "i-2": True}


MEMBERS = st.builds(
    Member,
    id=st.integers(0, 9).map(lambda number: InstanceId(f"i-{number}")),
    lifecycle=st.sampled_from(["InService", "Pending", "Terminating", "Warmed:Stopped"]),
    healthy=st.booleans(),
    image=st.sampled_from([None, nouns.NEW, nouns.OLD, ImageId("ami-0gone")]),
    template=st.sampled_from([None, OTHER, TemplateRef(id=nouns.TEMPLATE, version="1")]),
    patch_group=st.sampled_from([None, "prod", "dev"]),
    state=st.sampled_from(["running", "stopped", ""]),
)


def report_of(members: list[Member]) -> ComplianceReport:
    """Judge a group of these members."""
    return judge(estate(replace(group(), members=tuple(members))), SETTINGS)


@given(st.lists(MEMBERS, max_size=12))
def test_sums_are_those_of_the_instances(members: list[Member]) -> None:
    """Every way to add them up has each instance once, and a state is the worst of its reasons."""
    found = report_of(members)
    for counts in (found.by_patch_group, found.by_fleet, found.by_account, found.by_image):
        assert sum(sum(states.values()) for states in counts.values()) == len(found.instances)
    assert sum(found.states.values()) == len(found.instances)
    for row in found.instances:
        ranks = [list(State).index(reason.state) for reason in row.reasons]
        assert list(State).index(row.state) == min(ranks, default=2)


def test_open_vulnerabilities_by_day() -> None:
    """They come when they are known, are late the day after their last one, and may be there until that at most."""
    critical = replace(CVE, severity=Severity.CRITICAL, since=nouns.NOW - 9 * DAY)
    days = {burn.day: (burn.open, burn.late) for burn in burn_down([CVE, critical], SLA, nouns.NOW)}
    today = nouns.NOW.date()
    assert min(days) == today - 9 * DAY
    assert days[today - 9 * DAY] == (1, 0)
    assert days[today - 2 * DAY] == (1, 0)
    assert days[today - DAY] == (1, 1)
    assert days[today] == (1, 1)
    assert days[today + DAY] == (1, 0)
    assert max(days) == today + 30 * DAY
    assert days[today + 30 * DAY] == (0, 0)


def test_an_old_vulnerability_does_not_stretch_the_days() -> None:
    """Two months are shown at most; without a time for it, or with nobody looking, none are."""
    ancient = replace(CVE, since=nouns.NOW - 400 * DAY)
    assert burn_down([ancient], SLA, nouns.NOW)[0].day == date(2026, 11, 23) - timedelta(days=60)
    assert burn_down([replace(CVE, severity=Severity.LOW)], SLA, nouns.NOW) == ()
    assert judge(estate(vulnerable={ID: (CVE.cve,)}), SETTINGS).burn_down
    assert judge(estate(vulnerable={ID: (CVE.cve,)}, blind={"findings": "off"}), SETTINGS).burn_down == ()
