from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.model.baselines import ApprovalRule, Compliance, OnRejected, PatchBaseline, Property, SsmBaseline
from pipeline.model.settings import Baseline, PredefinedBaseline

HEAD = """version: 1
families:
  web:
    template: {template}
    source: {{image: ami-12345678}}
    baseline: {baseline}
    smoke: {{hygiene: false, http: {{port: 80}}}}
    build: {{connect: private-ip, source_cidr: 10.0.0.0/8}}
"""
OURS = """baselines:
  ours:
    rules:
      - {priority: [required, important], after: 7d, level: critical}
      - {name: "nginx*", until: 2026-10-31, non_security: true}
      - {}
    only: {product: Debian12}
    approved: [openssl, "CVE-2026-1", "libssl3=3.0.22*"]
    approved_level: high
    approved_non_security: false
    rejected: ["linux-image-6.12*"]
    on_rejected: block
"""


def text(baseline: str, more: str = "", template: str = "debian-12") -> str:
    """Write a configuration whose family has this baseline."""
    return HEAD.format(baseline=baseline, template=template) + more


def test_a_baseline_with_everything(write: Callable[[str], Path]) -> None:
    """Rules, lists and levels come out in the model's words, and patch groups name it."""
    more = OURS + "patch_groups: {prod: {wave: 1, baseline: ours}}\n"
    settings = load(write(text("ours", more)))
    ours = PatchBaseline(
        name="ours",
        rules=(
            ApprovalRule(
                filters={Property.PRIORITY: ("required", "important")},
                after=timedelta(days=7),
                level=Compliance.CRITICAL,
            ),
            ApprovalRule(filters={Property.NAME: ("nginx*",)}, until=date(2026, 10, 31), non_security=True),
            ApprovalRule(),
        ),
        only={Property.PRODUCT: ("Debian12",)},
        approved=("openssl", "CVE-2026-1", "libssl3=3.0.22*"),
        approved_level=Compliance.HIGH,
        approved_non_security=False,
        rejected=("linux-image-6.12*",),
        on_rejected=OnRejected.BLOCK,
    )
    assert settings.baselines == {"ours": ours}
    assert settings.families["web"].baseline == ours
    assert settings.patch_groups["prod"].baseline == "ours"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("security", Baseline.SECURITY),
        ("none", Baseline.NONE),
        ("predefined", PredefinedBaseline()),
        ("ssm:default", SsmBaseline()),
        ("ssm:group/prod", SsmBaseline(patch_group="prod")),
        ("ssm:pb-0123456789abcdef0", SsmBaseline(id="pb-0123456789abcdef0")),
    ],
)
def test_baselines_in_a_word(word: str, expected: object, write: Callable[[str], Path]) -> None:
    """What is published, Patch Manager's own, or one that stands in SSM."""
    assert load(write(text(word))).families["web"].baseline == expected


@pytest.mark.parametrize(
    ("whole", "fault"),
    [
        (
            text("out"),
            "6: families.web.baseline: there is no baseline 'out'; there are: security, all, none, predefined",
        ),
        (text("our", OURS), "there is no baseline 'our'; did you mean ours?"),
        (text("ssm:pb-1"), "'ssm:pb-1' is not a baseline's name, or ssm:pb-…, ssm:group/NAME, ssm:default"),
        (text("all", "patch_groups: {prod: {wave: 1, baseline: none}}\n"), "there is no baseline 'none'"),
        (text("all", "baselines: {all: {approved: [x]}}\n"), "'all' is not a name that baselines may have"),
        (text("all", "baselines: {x: {rejected: [a]}}\n"), "approves nothing: give it rules or an approved list"),
        (text("all", "baselines: {x: {rules: [{after: 1d, until: 2026-01-01}]}}\n"), "say after or until, not both"),
        (text("all", "baselines: {x: {rules: [{after: 361d}]}}\n"), "must be between 0s and 8640h"),
        (text("all", "baselines: {x: {rules: [{until: soon}]}}\n"), "'soon' is not a day such as 2026-12-31"),
        (text("all", "baselines: {x: {rules: [{level: grave}]}}\n"), "'grave' is not one of critical, high, medium"),
        (text("all", "baselines: {x: {rules: [{name: []}]}}\n"), "is empty"),
        (text("all", "baselines: {x: {approved: ['a b']}}\n"), "'a b' is no name of a package"),
        (text("x", "baselines: {x: {rules: [{severity: High}]}}\n"), "which publish no severity: ask for section"),
        (
            text("x", "baselines:\n  x:\n    rules:\n      - {classification: Bugfix}\n"),
            "12: baselines.x.rules[0].classification: families.web is Debian or Ubuntu, which publish no",
        ),
    ],
)
def test_faults_of_baselines(whole: str, fault: str, faults: Callable[[str], list[str]]) -> None:
    """Each is told with its line, in words that say what would be right."""
    assert any(fault in told for told in faults(whole)), faults(whole)


def test_where_severities_are_published_they_can_be_asked_for(write: Callable[[str], Path]) -> None:
    """The same rule is refused for a Debian family only."""
    more = "baselines: {x: {rules: [{severity: [Critical], classification: SecurityUpdates}]}}\n"
    assert load(write(text("x", more, template="windows-2022"))).families["web"].ruled is not None
