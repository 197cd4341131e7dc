"""What the rules of a release gate answer to what is known of an image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from pipeline.model.evidence import Proof, Provenance
from pipeline.model.findings import Finding, Fix
from pipeline.model.gates import Answer, GateVerdict
from pipeline.model.ids import ImageId
from pipeline.model.images import Image, Stage
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
from pipeline.planning.gates import all_pass, any_passes


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """All that rules may ask of an image.

    ``channels`` holds by channel the images it pointed to, newest first. ``ancestors`` are what it was baked from, and
    ``lost`` the one at the end of them that should be ours and is gone. ``unscanned`` says why its findings are not
    known; empty: they are. ``provenance`` None: nobody has read it.
    """

    image: Image
    channel: str
    channels: dict[str, tuple[ImageId, ...]]
    provenance: Provenance | None = None
    ancestors: tuple[Image, ...] = ()
    lost: ImageId | None = None
    findings: tuple[Finding, ...] = ()
    unscanned: str = ""


def judge(rule: ReleaseRule, facts: ImageFacts, now: datetime) -> Iterator[GateVerdict]:
    """Answer a rule, its parts before itself where it has some; the last verdict is the rule's own."""
    match rule:
        case Every() | Either():
            parts = [tuple(judge(part, facts, now)) for part in rule.rules]
            for part in parts:
                yield from part
            combine = all_pass if isinstance(rule, Every) else any_passes
            yield combine(str(rule), [part[-1] for part in parts])
        case MaxAge() | NoFindings() | SmokeTested() | Proven() | Promoted() | CleanDescent():
            answer, reason = _answer(rule, facts, now)
            yield GateVerdict(gate=str(rule), answer=answer, reason=reason)
        case _:
            assert_never(rule)


def _answer(
    rule: MaxAge | NoFindings | SmokeTested | Proven | Promoted | CleanDescent, facts: ImageFacts, now: datetime
) -> tuple[Answer, str]:
    image = facts.image
    match rule:
        case MaxAge(age=most):
            age = now - image.created
            return _when(age <= most), f"it is {age.days} days old, at most {most.days} are allowed"
        case NoFindings():
            return _findings(rule, facts, now)
        case SmokeTested():
            return _when(image.stage is Stage.TESTED), f"its stage is {image.barred or image.stage or 'not ours'}"
        case Proven():
            return _proven(rule, facts.provenance)
        case Promoted():
            return _promoted(rule.channel or facts.channel, facts)
        case CleanDescent():
            return _descent(facts)
        case _:
            assert_never(rule)


def _when(good: bool) -> Answer:
    return Answer.PASS if good else Answer.REFUSE


def _findings(rule: NoFindings, facts: ImageFacts, now: datetime) -> tuple[Answer, str]:
    bad = [
        finding
        for finding in facts.findings
        if finding.severity.rank <= rule.at_least.rank
        and (finding.fix is not Fix.NO or not rule.fixable)
        and now - known_since(finding) >= rule.older_than
    ]
    if bad:  # what was found stands, however much more there may be
        names = sorted({finding.cve for finding in bad})
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""  # noqa: PLR2004 - enough to begin with
        return Answer.REFUSE, f"{', '.join(names[:3])}{more}, {rule.at_least} or worse"
    if facts.unscanned:
        return Answer.UNKNOWN, f"its vulnerabilities are not known: {facts.unscanned}"
    return Answer.PASS, f"none of {rule.at_least} or worse"


def known_since(finding: Finding) -> datetime:
    """Tell since when a vulnerability could have been mended, or else has been known."""
    return finding.fixed_since or finding.first_observed


def _proven(rule: Proven, provenance: Provenance | None) -> tuple[Answer, str]:
    if provenance is None:
        return Answer.UNKNOWN, "nobody has read it"
    match provenance.proof:
        case Proof.VERIFIED:
            return Answer.PASS, provenance.why
        case Proof.UNSIGNED:
            return _when(not rule.signed), provenance.why
        case Proof.MISSING | Proof.TAMPERED:
            return Answer.REFUSE, provenance.why
        case _:
            assert_never(provenance.proof)


def _promoted(channel: str, facts: ImageFacts) -> tuple[Answer, str]:
    history = facts.channels.get(channel, ())
    if facts.image.id not in history:
        return Answer.REFUSE, f"channel {channel} never pointed to it"
    if history[0] == facts.image.id:
        return Answer.PASS, f"channel {channel} points to it"
    if history[0] in history[history.index(facts.image.id) :]:
        return Answer.REFUSE, f"channel {channel} was moved back from it to {history[0]}"
    return Answer.PASS, f"channel {channel} pointed to it before {history[0]}"


def _descent(facts: ImageFacts) -> tuple[Answer, str]:
    for one in facts.ancestors:
        if one.barred:
            return Answer.REFUSE, f"{one.id}, which it was baked from, was {one.barred}"
    if facts.lost:
        return Answer.UNKNOWN, f"{facts.lost}, which it was baked from, is gone, and nobody can say how it was"
    return Answer.PASS, f"{len(facts.ancestors)} images it was baked from, none of them rejected or revoked"
