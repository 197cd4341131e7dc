"""What makes a family due, how soon a fix must be everywhere, and which rights that takes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.model.compliance import ComplianceRules
from pipeline.model.findings import SLA, Severity
from pipeline.wiring import actions

Write = Callable[[str], Path]
PLAIN = """version: 1
families:
  web: {template: debian-12, source: {image: ami-12345678}, build: {instance_profile: p}MORE}
"""
DAY = timedelta(days=1)


def with_keys(more: str = "") -> str:
    """Write a file whose family has more keys."""
    return PLAIN.replace("MORE", more)


def test_keys_that_make_a_family_due(write: Write) -> None:
    """Each is off unless it is asked for, and only then its rights are."""
    plain = load(write(with_keys()))
    family = plain.families["web"]
    assert (family.max_age, family.findings, plain.queue, plain.sla) == (None, None, None, SLA)
    assert not [action for action in actions(plain) if action.startswith(("inspector2:", "sqs:"))]
    text = with_keys(", max_age: 30d, findings: high") + "events: {queue: 'https://sqs.example/q'}\n"
    asked = load(write(text))
    family = asked.families["web"]
    assert (family.max_age, family.findings, asked.queue) == (30 * DAY, Severity.HIGH, "https://sqs.example/q")
    assert {"inspector2:ListFindings", "ec2:GetImageFindings", "sqs:DeleteMessage"} <= set(actions(asked))


def test_a_release_gate_that_asks_for_findings_needs_their_rights(write: Write) -> None:
    """Also where the rule stands within others; one that does not ask needs none."""
    for rule, wanted in (("any_of: [smoke_tested: {}, {findings: {}}]", True), ("smoke_tested: {}", False)):
        asked = actions(load(write(with_keys() + f"release_gate: [{{{rule}}}]\n")))
        assert ("inspector2:ListFindings" in asked) is wanted


def test_times_to_keep(write: Write) -> None:
    """What is not said stays as it is without the section."""
    sla = load(write(with_keys() + "sla: {critical: 3d, low: 180d}\n")).sla
    assert sla == {**SLA, Severity.CRITICAL: 3 * DAY, Severity.LOW: 180 * DAY}


def test_what_makes_an_instance_not_compliant(write: Write) -> None:
    """Without the section all of it is as usual, and nobody is asked for the rights that a report would like."""
    plain, asked = (load(write(with_keys() + more)) for more in ("", "compliance: {max_age: 60d, findings: medium}\n"))
    assert plain.compliance is None
    assert asked.compliance == ComplianceRules(max_age=60 * DAY, findings=Severity.MEDIUM)
    assert load(write(with_keys() + "compliance: {}\n")).compliance == ComplianceRules()
    assert ["ssm:PutComplianceItems" in actions(one) for one in (plain, asked)] == [False, True]


@pytest.mark.parametrize(
    ("family", "more", "said"),
    [
        (", max_age: 12h", "", "max_age: must be between 24h and 87600h"),
        (", findings: bad", "", "findings: 'bad' is not 'critical'"),
        ("", "sla: {crit: 7d}", "sla.crit: unknown key; did you mean critical?"),
        ("", "events: {queue: web}", "events.queue: 'web' is"),
        ("", "events: {}", "events.queue: is missing"),
        ("", "compliance: {scanned_within: 1m}", "compliance.scanned_within: must be between 1h and 8760h"),
    ],
)
def test_faults_are_told_in_words(faults: Callable[[str], list[str]], family: str, more: str, said: str) -> None:
    """Each at its place."""
    (fault,) = faults(with_keys(family) + more + "\n")
    assert said in fault
