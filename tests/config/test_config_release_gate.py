from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.model.findings import Severity
from pipeline.model.release_rules import (
    CleanDescent,
    Either,
    Every,
    MaxAge,
    NoFindings,
    Promoted,
    Proven,
    ReleaseRule,
    SmokeTested,
)

_WEB = "template: debian-12, source: {image: ami-12345678}, build: {instance_profile: p}"
FAMILY = f"version: 1\nfamilies: {{web: {{{_WEB}}}}}\n"


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        ("max_age: 30d", MaxAge(age=timedelta(days=30))),
        ("findings: {}", NoFindings()),
        (
            "findings: {at_least: high, older_than: 7d, fixable: false}",
            NoFindings(at_least=Severity.HIGH, older_than=timedelta(days=7), fixable=False),
        ),
        ("smoke_tested: {}", SmokeTested()),
        ("provenance: {}", Proven()),
        ("provenance: {signed: true}", Proven(signed=True)),
        ("promoted: {}", Promoted()),
        ("promoted: {channel: stable}", Promoted(channel="stable")),
        ("ancestors: {}", CleanDescent()),
        (
            "any_of: [smoke_tested: {}, all_of: [promoted: {}]]",
            Either(rules=(SmokeTested(), Every(rules=(Promoted(),)))),
        ),
    ],
)
def test_a_rule_is_read(write: Callable[[str], Path], written: str, rule: ReleaseRule) -> None:
    """Each kind, with what it says and what it leaves out."""
    settings = load(write(f"{FAMILY}release_gate: [{{{written}}}]"), templates={"debian-12"})
    assert settings.release_gate == (rule,)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[]", "release_gate"),
        ("[{}]", "exactly one of max_age"),
        ("[{max_age: 30d, promoted: {}}]", "exactly one of max_age"),
        ("[{all_of: []}]", "all_of"),
        ("[{max_age: 30}]", "'30' is not a duration"),
        ("[{findings: {at_least: terrible}}]", "at_least"),
        ("[{fresh: {}}]", "fresh"),
    ],
)
def test_a_gate_that_asks_nothing_is_a_fault(faults: Callable[[str], list[str]], written: str, said: str) -> None:
    """An empty list, an empty rule, two rules in one and unknown words are told with their line."""
    found = faults(f"{FAMILY}release_gate: {written}")
    assert found
    assert all(one.startswith("rebake.yaml:3: ") for one in found)
    assert said in found[0]
