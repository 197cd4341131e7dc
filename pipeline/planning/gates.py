"""Which gates ask when, and what several answers come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pipeline.model.gates import AlarmGate, AllOf, Answer, AnyOf, ApprovalGate, Gate, GateVerdict, ProbeGate, TargetGate


def before(gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """Choose what must hold before a fleet is touched: a person's approval, and alarms that are quiet."""
    return _chosen(gates, lambda gate: isinstance(gate, (ApprovalGate, AlarmGate)))


def without_traffic(gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """Choose what new instances can be asked before they have traffic."""
    return _chosen(gates, lambda gate: isinstance(gate, TargetGate) or (isinstance(gate, ProbeGate) and not gate.url))


def during(gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """Choose what is asked again and again while traffic reaches new instances: all but the approval."""
    return _chosen(gates, lambda gate: not isinstance(gate, ApprovalGate))


def _chosen(gates: Sequence[Gate], wanted: Callable[[Gate], bool]) -> tuple[Gate, ...]:
    """Choose gates, compositions by their parts: of "all of" those that can be asked, "any of" only as a whole."""
    chosen: list[Gate] = []
    for gate in gates:
        match gate:
            case AllOf():
                parts = _chosen(gate.gates, wanted)
                chosen += [replace(gate, gates=parts)] if parts else []
            case AnyOf():
                chosen += [gate] if _chosen(gate.gates, wanted) == gate.gates else []
            case _:
                chosen += [gate] if wanted(gate) else []
    return tuple(chosen)


def combine(gate: AllOf | AnyOf, verdicts: Sequence[GateVerdict]) -> GateVerdict:
    """Put the answers of a composition's parts together; nothing at all is unknown, never a pass."""
    if isinstance(gate, AllOf):
        return all_pass(str(gate), verdicts)
    return any_passes(str(gate), verdicts)


def all_pass(name: str, verdicts: Sequence[GateVerdict]) -> GateVerdict:
    """Take the worst of some answers; several unlike passes are a plain pass."""
    worst = max(verdicts, key=lambda verdict: _ORDER.index(verdict.answer), default=_NOTHING)
    complete = any(verdict.answer is Answer.COMPLETE for verdict in verdicts)
    if worst.answer is Answer.PASS and complete:
        worst = next(verdict for verdict in verdicts if verdict.answer is Answer.COMPLETE)
    return _named(name, worst)


def any_passes(name: str, verdicts: Sequence[GateVerdict]) -> GateVerdict:
    """Take the best of some answers."""
    return _named(name, min(verdicts, key=lambda verdict: _ORDER.index(verdict.answer), default=_NOTHING))


def _named(name: str, verdict: GateVerdict) -> GateVerdict:
    return GateVerdict(gate=name, answer=verdict.answer, reason=verdict.reason)


_ORDER = (Answer.COMPLETE, Answer.PASS, Answer.WAIT, Answer.UNKNOWN, Answer.REFUSE)
"""From best to worst."""

_NOTHING = GateVerdict(gate="", answer=Answer.UNKNOWN, reason="no gate was asked")
