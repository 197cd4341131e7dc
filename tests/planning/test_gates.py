from __future__ import annotations

from datetime import timedelta

import nouns
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.gates import (
    AlarmGate,
    AlarmState,
    AllOf,
    Answer,
    Answers,
    AnyOf,
    ApprovalGate,
    CanaryGate,
    CanaryMetric,
    GateVerdict,
    Harm,
    ProbeGate,
    TargetGate,
)
from pipeline.model.ids import InstanceId
from pipeline.model.signals import Signal
from pipeline.model.traffic import TargetHealth
from pipeline.planning import gates, verdicts

ALARMS = AlarmGate(alarms=("web-5xx", "web-slow"))
ANSWERS = st.lists(st.sampled_from(Answer), max_size=4)


def said(*answers: Answer) -> list[GateVerdict]:
    """Make verdicts with these answers."""
    return [GateVerdict(gate="g", answer=answer, reason=answer.value) for answer in answers]


@given(answers=ANSWERS)
def test_all_of_passes_only_when_every_part_does(answers: list[Answer]) -> None:
    """One unknown, waiting or refusing part is enough; nothing at all is no pass."""
    verdict = gates.combine(AllOf(gates=(ALARMS,)), said(*answers))
    assert verdict.answer.passes == (bool(answers) and all(answer.passes for answer in answers))
    assert (verdict.answer is Answer.REFUSE) == (Answer.REFUSE in answers)


@given(answers=ANSWERS)
def test_any_of_refuses_only_when_every_part_does(answers: list[Answer]) -> None:
    """One pass is enough; an unknown part keeps it open; nothing at all is no pass."""
    verdict = gates.combine(AnyOf(gates=(ALARMS,)), said(*answers))
    assert verdict.answer.passes == any(answer.passes for answer in answers)
    refused = bool(answers) and all(answer is Answer.REFUSE for answer in answers)
    assert (verdict.answer is Answer.REFUSE) == refused


def test_a_judge_that_is_done_ends_the_wait() -> None:
    """Complete among passes is complete; beside a refusal it is nothing."""
    assert gates.all_pass("x", said(Answer.PASS, Answer.COMPLETE)).answer is Answer.COMPLETE
    assert gates.all_pass("x", said(Answer.REFUSE, Answer.COMPLETE)).answer is Answer.REFUSE


def test_each_gate_is_asked_when_it_can_answer() -> None:
    """Approval and alarms come before; targets and probes of instances before traffic; all but approval after."""
    approval, probe, canary = ApprovalGate(), ProbeGate(), CanaryGate(metrics=())
    every = (approval, ALARMS, TargetGate(), probe, ProbeGate(url="https://x"), canary)
    assert gates.before(every) == (approval, ALARMS)
    assert gates.without_traffic(every) == (TargetGate(), probe)
    assert gates.during(every) == every[1:]


@pytest.mark.parametrize(
    ("states", "answer"),
    [
        ({"web-5xx": AlarmState.OK, "web-slow": AlarmState.OK}, Answer.PASS),
        ({"web-5xx": AlarmState.OK, "web-slow": AlarmState.ALARM}, Answer.REFUSE),
        ({"web-5xx": AlarmState.NO_DATA, "web-slow": AlarmState.OK}, Answer.UNKNOWN),
        ({"web-5xx": AlarmState.OK}, Answer.UNKNOWN),
        ({"web-5xx": AlarmState.NO_DATA, "web-slow": AlarmState.ALARM}, Answer.REFUSE),
    ],
)
def test_alarms_pass_only_when_all_are_ok(states: dict[str, AlarmState], answer: Answer) -> None:
    """An alarm without data, and one that does not exist, are unknown; one that rings refuses."""
    assert verdicts.judge_alarms(ALARMS, states).answer is answer


@pytest.mark.parametrize(
    ("states", "needed", "answer"),
    [
        ((), 100, Answer.UNKNOWN),
        (("healthy", "healthy"), 100, Answer.PASS),
        (("healthy", "initial"), 100, Answer.WAIT),
        (("healthy", "unhealthy"), 100, Answer.REFUSE),
        (("healthy", "unhealthy"), 50, Answer.PASS),
        (("initial", "initial"), 50, Answer.WAIT),
    ],
)
def test_targets_are_counted(states: tuple[str, ...], needed: int, answer: Answer) -> None:
    """One that is being checked may yet make it; too many unhealthy ones refuse."""
    members = [InstanceId(f"i-{number}") for number in range(len(states))]
    health = [TargetHealth(instance=one, state=state) for one, state in zip(members, states, strict=True)]
    assert verdicts.judge_targets(TargetGate(healthy=needed), health, members).answer is answer


@pytest.mark.parametrize(
    ("gate", "new", "old", "answer"),
    [
        (ProbeGate(), Answers(requests=0, failed=0), None, Answer.UNKNOWN),
        (ProbeGate(), Answers(requests=20, failed=0), None, Answer.PASS),
        (ProbeGate(), Answers(requests=20, failed=1), None, Answer.REFUSE),
        (ProbeGate(error_rate_below=10), Answers(requests=20, failed=1), None, Answer.PASS),
        (ProbeGate(error_rate_below=0), Answers(requests=20, failed=0), None, Answer.PASS),
        (
            ProbeGate(error_rate_below=50, above_old=2),
            Answers(requests=20, failed=3),
            Answers(requests=20, failed=2),
            Answer.REFUSE,
        ),
        (
            ProbeGate(error_rate_below=50, above_old=5),
            Answers(requests=20, failed=3),
            Answers(requests=20, failed=2),
            Answer.PASS,
        ),
        (
            ProbeGate(latency_below=timedelta(milliseconds=100)),
            Answers(requests=2, failed=0, latencies=(timedelta(milliseconds=5), timedelta(milliseconds=300))),
            None,
            Answer.REFUSE,
        ),
    ],
)
def test_probes_are_judged_by_errors_and_latency(
    gate: ProbeGate, new: Answers, old: Answers | None, answer: Answer
) -> None:
    """Bounds of their own, and a distance to the old instances; nobody to ask is unknown."""
    assert verdicts.judge_probe(gate, new, old).answer is answer


@pytest.mark.parametrize(
    ("word", "minutes", "answer"),
    [("approve", 0, Answer.PASS), ("reject", 0, Answer.REFUSE), (None, 5, Answer.WAIT), (None, 60, Answer.REFUSE)],
)
def test_silence_is_no_approval(word: str | None, minutes: int, answer: Answer) -> None:
    """A word counts whenever it comes; without one the time for it ends in a refusal."""
    signal = Signal(word=word, by="anna", reason="seen", at=nouns.NOW) if word else None
    now = nouns.NOW + timedelta(minutes=minutes)
    verdict = verdicts.judge_approval(ApprovalGate(within=timedelta(hours=1)), signal, asked=nouns.NOW, now=now)
    assert verdict.answer is answer


@pytest.mark.parametrize(
    ("harm", "old", "new", "p_value", "answer"),
    [
        (Harm.INCREASE, 100, 140, 0.001, Answer.REFUSE),
        (Harm.INCREASE, 100, 140, 0.2, Answer.PASS),
        (Harm.INCREASE, 100, 120, 0.001, Answer.PASS),
        (Harm.INCREASE, 100, 50, 0.001, Answer.PASS),
        (Harm.DECREASE, 100, 50, 0.001, Answer.REFUSE),
        (Harm.EITHER, 100, 50, 0.001, Answer.REFUSE),
        (Harm.INCREASE, 0, 1, 0.001, Answer.REFUSE),
    ],
)
def test_a_canary_needs_chance_and_size_to_refuse(
    harm: Harm, old: float, new: float, p_value: float, answer: Answer
) -> None:
    """A difference that chance explains, or within the tolerance, or to the good side, is no harm."""
    metric = CanaryMetric(namespace="AWS/EC2", name="CPUUtilization", harm=harm)
    verdict = verdicts.judge_canary(CanaryGate(metrics=(metric,)), metric, [old] * 10, [new] * 10, p_value)
    assert verdict.answer is answer
    assert "CPUUtilization" in verdict.reason
