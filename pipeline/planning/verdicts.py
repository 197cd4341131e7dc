"""What single gates answer to what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median

from pipeline.model.gates import (
    AlarmGate,
    AlarmState,
    Answer,
    Answers,
    ApprovalGate,
    CanaryGate,
    CanaryMetric,
    GateVerdict,
    Harm,
    ProbeGate,
    TargetGate,
)
from pipeline.model.signals import Signal
from pipeline.model.traffic import TargetHealth

_SLOWEST = 0.95
_HUNDRED = 100


def judge_alarms(gate: AlarmGate, states: Mapping[str, AlarmState]) -> GateVerdict:
    """Refuse where one is in alarm, and pass only where all are OK."""
    by_state: dict[AlarmState, list[str]] = {}
    for name in gate.alarms:
        by_state.setdefault(states.get(name, AlarmState.MISSING), []).append(name)
    if ringing := by_state.get(AlarmState.ALARM):
        return _says(gate, Answer.REFUSE, f"{', '.join(ringing)} is in ALARM")
    for state in (AlarmState.MISSING, AlarmState.NO_DATA):
        if names := by_state.get(state):
            fault = "does not exist" if state is AlarmState.MISSING else "has no data"
            return _says(gate, Answer.UNKNOWN, f"{', '.join(names)} {fault}")
    return _says(gate, Answer.PASS, "all alarms are OK")


def judge_targets(gate: TargetGate, targets: Sequence[TargetHealth], members: Sequence[str]) -> GateVerdict:
    """Count how many of the new members are healthy targets; one that is being checked is waited for."""
    if not members:
        return _says(gate, Answer.UNKNOWN, "there are no new instances yet")
    states = {target.instance: target.state for target in targets}
    healthy = sum(states.get(member) == "healthy" for member in members)  # type: ignore[call-overload] # ids are text
    text = f"{healthy} of {len(members)} new targets are healthy"
    if healthy * _HUNDRED >= gate.healthy * len(members):
        return _says(gate, Answer.PASS, text)
    ill = sum(states.get(member) == "unhealthy" for member in members)  # type: ignore[call-overload] # ids are text
    return _says(
        gate, Answer.REFUSE if (len(members) - ill) * _HUNDRED < gate.healthy * len(members) else Answer.WAIT, text
    )


def judge_probe(gate: ProbeGate, new: Answers, old: Answers | None) -> GateVerdict:
    """Compare what new instances answered with the bounds, and with what old ones answered."""
    if not new.requests:
        return _says(gate, Answer.UNKNOWN, "there was nobody to ask")
    rate = _HUNDRED * new.failed / new.requests
    text = f"{new.failed} of {new.requests} requests failed" + (f" ({new.fault})" if new.fault else "")
    if rate and rate >= gate.error_rate_below:
        return _says(gate, Answer.REFUSE, text)
    if gate.above_old is not None:
        if old is None or not old.requests:
            return _says(gate, Answer.UNKNOWN, f"{text}, and no old instance was there to compare with")
        before = _HUNDRED * old.failed / old.requests
        if rate > before + gate.above_old:
            return _says(gate, Answer.REFUSE, f"{text}, {before:.1f} % on old instances")
    slow = slowest(new.latencies)
    if gate.latency_below is not None and slow is not None and slow >= gate.latency_below:
        return _says(gate, Answer.REFUSE, f"95 % are answered within {slow.total_seconds() * 1000:.0f} ms only")
    return _says(gate, Answer.PASS, text)


def slowest(latencies: Sequence[timedelta]) -> timedelta | None:
    """Tell the slowest of the fastest 95 percent; None where there are none."""
    ordered = sorted(latencies)
    return ordered[min(int(len(ordered) * _SLOWEST), len(ordered) - 1)] if ordered else None


def judge_approval(gate: ApprovalGate, signal: Signal | None, *, asked: datetime, now: datetime) -> GateVerdict:
    """Wait for a person's word until the time for it is over."""
    if signal is not None:
        words = f"{signal.by}: {signal.reason}" if signal.reason else signal.by
        answer = Answer.PASS if signal.word == "approve" else Answer.REFUSE
        return _says(gate, answer, f"{'approved' if answer is Answer.PASS else 'rejected'} by {words}")
    if now - asked >= gate.within:
        return _says(gate, Answer.REFUSE, "nobody approved it in time")
    return _says(gate, Answer.WAIT, "waiting for approval")


def judge_canary(
    gate: CanaryGate, metric: CanaryMetric, old: Sequence[float], new: Sequence[float], p_value: float
) -> GateVerdict:
    """Refuse where the values differ more than chance and tolerance allow, to the harmful side."""
    before, after = median(old), median(new)
    text = f"{metric.name} {before:g} -> {after:g} (p {p_value:.3f})"
    significant = p_value <= (_HUNDRED - gate.confidence) / _HUNDRED
    band = abs(before) * gate.tolerance / _HUNDRED
    worse = {
        Harm.INCREASE: after > before + band,
        Harm.DECREASE: after < before - band,
        Harm.EITHER: abs(after - before) > band,
    }
    refused = significant and worse[metric.harm]
    return GateVerdict(gate=f"canary {metric.name}", answer=Answer.REFUSE if refused else Answer.PASS, reason=text)


def _says(gate: object, answer: Answer, reason: str) -> GateVerdict:
    return GateVerdict(gate=str(gate), answer=answer, reason=reason)
