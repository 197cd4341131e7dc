from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.model.evidence import Proof, Provenance
from pipeline.model.findings import Finding, Fix, Severity
from pipeline.model.gates import Answer
from pipeline.model.ids import ImageId
from pipeline.model.images import Image, Stage
from pipeline.model.names import TAG_SOURCE_IMAGE, TAG_STAGE
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
from pipeline.planning.lineage import ancestors, descendants
from pipeline.planning.release_gate import ImageFacts, judge

NOW = datetime(2026, 11, 30, 3, tzinfo=UTC)
A, B, C = (ImageId(f"ami-{letter * 17}") for letter in "abc")


def image(name: ImageId = A, stage: str = "tested", source: ImageId | None = None) -> Image:
    """Make an image of ours, ten days old."""
    tags = {TAG_STAGE: stage} | ({TAG_SOURCE_IMAGE: source} if source else {})
    return Image(
        id=name,
        name=name,
        owner="123456789012",
        architecture="x86_64",
        state="available",
        created=NOW - timedelta(days=10),
        tags=tags,
    )


def finding(severity: Severity = Severity.CRITICAL, *, days: int = 8, fix: Fix = Fix.YES, since: int = 8) -> Finding:
    """Make a finding that was first seen so many days ago, and has had a fix for so many."""
    return Finding(
        id=f"{A}/CVE-1",
        cve="CVE-2026-1",
        severity=severity,
        fix=fix,
        first_observed=NOW - timedelta(days=days),
        updated=NOW,
        image=A,
        fixed_since=NOW - timedelta(days=since) if fix is not Fix.NO else None,
    )


def proven(proof: Proof) -> dict[str, Any]:
    """Say what the provenance is worth."""
    return {"provenance": Provenance(image=A, proof=proof, why="as it was written")}


CRITICAL_FOR_A_WEEK = NoFindings(older_than=timedelta(days=7))


@pytest.mark.parametrize(
    ("rule", "known", "answer", "said"),
    [
        (MaxAge(age=timedelta(days=10)), {}, Answer.PASS, "10 days old"),
        (MaxAge(age=timedelta(days=9)), {}, Answer.REFUSE, "at most 9"),
        (SmokeTested(), {}, Answer.PASS, "tested"),
        (SmokeTested(), {"image": image(stage="candidate")}, Answer.REFUSE, "candidate"),
        (SmokeTested(), {"image": image(stage="revoked")}, Answer.REFUSE, "revoked"),
        (SmokeTested(), {"image": image(stage="whatever")}, Answer.REFUSE, "not ours"),
        (CRITICAL_FOR_A_WEEK, {}, Answer.PASS, "none of critical"),
        (CRITICAL_FOR_A_WEEK, {"unscanned": "Inspector is off"}, Answer.UNKNOWN, "Inspector is off"),
        (CRITICAL_FOR_A_WEEK, {"findings": (finding(),)}, Answer.REFUSE, "CVE-2026-1"),
        (CRITICAL_FOR_A_WEEK, {"findings": (finding(),), "unscanned": "stopped"}, Answer.REFUSE, "CVE-2026-1"),
        (CRITICAL_FOR_A_WEEK, {"findings": (finding(since=6),)}, Answer.PASS, "none"),
        (CRITICAL_FOR_A_WEEK, {"findings": (finding(Severity.HIGH),)}, Answer.PASS, "none"),
        (CRITICAL_FOR_A_WEEK, {"findings": (finding(fix=Fix.NO),)}, Answer.PASS, "none"),
        (NoFindings(fixable=False), {"findings": (finding(fix=Fix.NO),)}, Answer.REFUSE, "CVE-2026-1"),
        (
            NoFindings(at_least=Severity.MEDIUM),
            {"findings": (finding(Severity.HIGH),)},
            Answer.REFUSE,
            "medium or worse",
        ),
        (Proven(), {}, Answer.UNKNOWN, "nobody"),
        (Proven(), proven(Proof.UNSIGNED), Answer.PASS, "as it was"),
        (Proven(signed=True), proven(Proof.UNSIGNED), Answer.REFUSE, "as it was"),
        (Proven(signed=True), proven(Proof.VERIFIED), Answer.PASS, "as it was"),
        (Proven(), proven(Proof.MISSING), Answer.REFUSE, "as it was"),
        (Proven(), proven(Proof.TAMPERED), Answer.REFUSE, "as it was"),
        (Promoted(), {}, Answer.REFUSE, "stable never"),
        (Promoted(), {"channels": {"stable": (A,)}}, Answer.PASS, "points to it"),
        (Promoted(), {"channels": {"stable": (B, A)}}, Answer.PASS, "before"),
        (Promoted(), {"channels": {"stable": (B, A, B)}}, Answer.REFUSE, "moved back"),
        (Promoted(), {"channels": {"stable": (C, A, B)}}, Answer.PASS, "before"),
        (Promoted(channel="next"), {"channels": {"stable": (A,)}}, Answer.REFUSE, "next never"),
        (CleanDescent(), {}, Answer.PASS, "0 images"),
        (CleanDescent(), {"ancestors": (image(B), image(C, "rejected"))}, Answer.REFUSE, C),
        (CleanDescent(), {"ancestors": (image(B),), "lost": C}, Answer.UNKNOWN, f"{C}, which"),
    ],
)
def test_a_rule_answers(rule: ReleaseRule, known: dict[str, Any], answer: Answer, said: str) -> None:
    """What is bad is refused with the reason, what is not known is unknown, and only what is known and good passes."""
    facts = replace(ImageFacts(image=image(), channel="stable", channels={}), **known)
    (verdict,) = judge(rule, facts, NOW)
    assert (verdict.answer, said in verdict.reason) == (answer, True), verdict.reason


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        (Every(rules=(SmokeTested(), CleanDescent())), Answer.PASS),
        (Every(rules=(SmokeTested(), Proven())), Answer.UNKNOWN),
        (Every(rules=(Promoted(), Proven())), Answer.REFUSE),
        (Either(rules=(Promoted(), SmokeTested())), Answer.PASS),
        (Either(rules=(Promoted(), Proven())), Answer.UNKNOWN),
        (Either(rules=(Every(rules=(Promoted(),)), Promoted())), Answer.REFUSE),
        (Every(rules=()), Answer.UNKNOWN),
        (Either(rules=()), Answer.UNKNOWN),
    ],
)
def test_rules_compose(rule: Every | Either, answer: Answer) -> None:
    """All of them, one of them; unknown stands between a pass and a refusal, and nothing at all is unknown."""
    *parts, whole = judge(rule, ImageFacts(image=image(), channel="stable", channels={}), NOW)
    assert whole.answer is answer
    assert len(parts) >= len(rule.rules)


def test_lineage_goes_both_ways() -> None:
    """Parents and children to the end, each once, also where images name each other."""
    one, two, three = image(A), image(B, source=A), image(C, source=B)
    assert descendants(A, (three, two, one)) == (two, three)
    assert ancestors(three, {A: one, B: two}) == (two, one)
    ring = replace(one, tags={TAG_STAGE: Stage.TESTED, TAG_SOURCE_IMAGE: C})
    assert descendants(A, (ring, two, three)) == (two, three)
    assert ancestors(three, {A: ring, B: two, C: three}) == (two, ring, three)
