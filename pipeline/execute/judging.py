"""Asking gates: what each needs is fetched here, what it means is decided in `pipeline.planning`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from pipeline.errors import RebakeError, Unavailable
from pipeline.execute.subjects import Subject
from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import PACE, Waiting, poll
from pipeline.model.fleets import Member
from pipeline.model.gates import (
    AlarmGate,
    AllOf,
    Answer,
    Answers,
    AnyOf,
    ApprovalGate,
    CanaryGate,
    Gate,
    GateVerdict,
    JudgeGate,
    ProbeGate,
    TargetGate,
)
from pipeline.model.names import approval_path
from pipeline.model.outcomes import Done, Outcome, Refused
from pipeline.model.rollouts import CheckGate
from pipeline.planning import gates, verdicts
from pipeline.ports.metrics import Series


def check_gate(bench: Workbench, step: CheckGate) -> Waiting[Outcome]:
    """Ask until every gate passes or one refuses; a gate that stays unknown past the patience refuses, too."""
    began = bench.tools.clock.now()
    patience = max([step.patience, *(gate.within for gate in step.gates if isinstance(gate, ApprovalGate))])
    last: GateVerdict | None = None

    def ask() -> GateVerdict | None:
        nonlocal last
        verdict = judge_all(bench, bench.made.subject(step.fleet, began), step.gates, asked=began)
        if last is None or verdict.reason != last.reason:
            bench.say(step.fleet, f"{verdict.answer}: {verdict.reason}")
        last = verdict
        over = bench.tools.clock.now() - began >= patience
        return verdict if over or verdict.answer.passes or verdict.answer is Answer.REFUSE else None

    for gate in step.gates:
        if isinstance(gate, ApprovalGate):
            bench.say(step.fleet, f"waits for: rebake approve {bench.run} (within {gate.within})")
    verdict = yield from poll(bench.tools.clock, ask, every=PACE, within=patience + 2 * PACE, what="A verdict")
    return outcome_of(step.fleet, verdict)


def outcome_of(fleet: str, verdict: GateVerdict) -> Outcome:
    """Say what a last verdict means: only a pass goes on."""
    if verdict.answer.passes:
        return Done(facts={"gate": verdict.gate, "why": verdict.reason})
    how = "refused" if verdict.answer is Answer.REFUSE else "could not be known in time"
    return Refused(
        reason=f"{fleet}: {verdict.gate} {how}: {verdict.reason}",
        hint="mend what it names and run the same command again",
    )


def judge_all(
    bench: Workbench, subject: Subject, asked_gates: Sequence[Gate], *, asked: datetime | None = None
) -> GateVerdict:
    """Ask every gate; all must pass."""
    return gates.all_pass(
        "; ".join(map(str, asked_gates)), [_judge(bench, subject, gate, asked or subject.since) for gate in asked_gates]
    )


def _judge(bench: Workbench, subject: Subject, gate: Gate, asked: datetime) -> GateVerdict:
    try:
        return _ask(bench, subject, gate, asked)
    except Unavailable as error:  # an outage is no verdict; what is asked again may answer then
        return GateVerdict(gate=str(gate), answer=Answer.UNKNOWN, reason=error.message)
    except RebakeError as error:
        return GateVerdict(gate=str(gate), answer=Answer.UNKNOWN, reason=error.whole)


def _ask(bench: Workbench, subject: Subject, gate: Gate, asked: datetime) -> GateVerdict:  # noqa: PLR0911 - a line a kind
    tools = bench.tools
    match gate:
        case AlarmGate():
            return verdicts.judge_alarms(gate, tools.metrics.alarms(gate.alarms))
        case TargetGate():
            health = [target for arn in subject.targets for target in tools.traffic.health(arn)]
            return verdicts.judge_targets(gate, health, [member.id for member in subject.new])
        case ProbeGate():
            return verdicts.judge_probe(gate, _probe(bench, gate, subject.new), _probe_old(bench, gate, subject))
        case JudgeGate():
            return tools.judge.ask(gate, _facts(bench, subject))
        case CanaryGate():
            return _canary_of_period(bench, gate, subject)
        case ApprovalGate():
            signal = tools.signals.read(f"{approval_path(bench.settings.channel_prefix)}/{bench.run}")
            return verdicts.judge_approval(gate, signal, asked=asked, now=tools.clock.now())
        case AllOf() | AnyOf():
            return gates.combine(gate, [_judge(bench, subject, part, asked) for part in gate.gates])
        case _:
            assert_never(gate)


def _probe_old(bench: Workbench, gate: ProbeGate, subject: Subject) -> Answers | None:
    """Ask the old instances while there are some; once all are replaced, their last answers stand."""
    if gate.above_old is None or gate.url:
        return None
    if subject.serving:
        bench.made.old_answers[subject.fleet] = _probe(bench, gate, subject.serving)
    return bench.made.old_answers.get(subject.fleet)


def _probe(bench: Workbench, gate: ProbeGate, members: Sequence[Member]) -> Answers:
    """Ask one URL, or every member by its own address, with the requests shared out among them."""
    urls = (
        [gate.url] if gate.url else [f"http://{one.address}:{gate.port}{gate.path}" for one in members if one.address]
    )
    each = max(1, gate.requests // max(len(urls), 1))
    found = [bench.tools.prober.ask(url, status=gate.status, requests=each) for url in urls]
    return Answers(
        requests=sum(one.requests for one in found),
        failed=sum(one.failed for one in found),
        latencies=tuple(latency for one in found for latency in one.latencies),
        fault=next((one.fault for one in found if one.fault), ""),
    )


def _canary_of_period(bench: Workbench, gate: CanaryGate, subject: Subject) -> GateVerdict:
    """Compare once a period: no new value can have come since."""
    period = int(bench.tools.clock.now().timestamp() // gate.period.total_seconds())
    known = bench.made.canaries.get((subject.fleet, gate))
    if known is None or known[0] != period:
        known = period, _canary(bench, gate, subject)
        bench.made.canaries[subject.fleet, gate] = known
    return known[1]


def _canary(bench: Workbench, gate: CanaryGate, subject: Subject) -> GateVerdict:
    found = []
    now = bench.tools.clock.now()
    # Old instances may be gone minutes after the first new one came: what they did right before counts, too.
    since = {"old": subject.since - gate.samples * gate.period, "new": subject.since}
    for metric in gate.metrics:
        sides = []
        for age, members in (("old", subject.old), ("new", subject.new)):
            series = [
                Series(
                    namespace=metric.namespace,
                    name=metric.name,
                    statistic=metric.statistic,
                    period=gate.period,
                    dimensions={metric.dimension: member.id},
                )
                for member in members
            ]
            values = bench.tools.metrics.values(series, since=since[age], until=now) if series else ()
            sides.append([value for one in values for value in one])
        old, new = sides
        if min(len(old), len(new)) < gate.samples:
            text = f"{metric.name} has {len(old)} old and {len(new)} new values of {gate.samples}"
            found.append(GateVerdict(gate=str(gate), answer=Answer.UNKNOWN, reason=text))
        else:
            p_value = bench.tools.statistics.mann_whitney(old, new)
            found.append(verdicts.judge_canary(gate, metric, old, new, p_value))
    return gates.all_pass(str(gate), found)


def _facts(bench: Workbench, subject: Subject) -> dict[str, str]:
    images = sorted({str(member.image) for member in subject.new if member.image})
    return {
        "run": bench.run,
        "fleet": subject.fleet,
        "images": " ".join(images),
        "new_instances": " ".join(member.id for member in subject.new),
        "old_instances": " ".join(member.id for member in subject.old),
        "since": subject.since.isoformat(),
    }
