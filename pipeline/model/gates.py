"""Gates: conditions that must hold before a rollout goes on, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmGate:
    """CloudWatch alarms, metric or composite; OK passes, ALARM refuses, everything else is unknown."""

    alarms: tuple[str, ...]

    def __str__(self) -> str:
        return f"alarms {', '.join(self.alarms)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetGate:
    """Target health of the new instances, asked of the load balancer; ``healthy`` is percent of them."""

    healthy: int = 100

    def __str__(self) -> str:
        return f"{self.healthy} % of the new targets healthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeGate:
    """HTTP requests from here: to one URL, or (``url`` empty) to ``path`` on every new instance's own address.

    ``error_rate_below`` and ``above_old`` are percent: a new instance may fail so many requests at all, and so many
    more than the old ones do. ``latency_below`` bounds the slowest of the fastest 95 percent.
    """

    url: str = ""
    port: int = 80
    path: str = "/"
    status: int = 200
    requests: int = 20
    error_rate_below: float = 1.0
    above_old: float | None = None
    latency_below: timedelta | None = None

    def __str__(self) -> str:
        return f"probe of {self.url or f':{self.port}{self.path}'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeGate:
    """Somebody else's opinion: a command, or a URL that is sent what is known, each answering one of four words."""

    command: tuple[str, ...] = ()
    url: str = ""
    timeout: timedelta = _MINUTE

    def __str__(self) -> str:
        return f"judge {self.url or self.command[0]}"


class Harm(StrEnum):
    """Which way a metric must not go."""

    INCREASE = "increase"
    DECREASE = "decrease"
    EITHER = "either"


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryMetric:
    """A CloudWatch metric with one value for each instance (dimension ``dimension``), and which change is harm."""

    namespace: str
    name: str
    statistic: str = "Average"
    dimension: str = "InstanceId"
    harm: Harm = Harm.INCREASE


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryGate:
    """Old instances against new ones of the same fleet, by the Mann-Whitney U test.

    A metric refuses when the new values differ with ``confidence`` (percent) and their median by more than
    ``tolerance`` (percent) to the harmful side. Fewer than ``samples`` values on either side are unknown.
    """

    metrics: tuple[CanaryMetric, ...]
    period: timedelta = _MINUTE
    samples: int = 10
    confidence: int = 98
    tolerance: int = 25

    def __str__(self) -> str:
        return f"canary on {', '.join(metric.name for metric in self.metrics)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalGate:
    """A person's yes (`rebake approve RUN`), within this time; silence refuses."""

    within: timedelta = timedelta(hours=8)

    def __str__(self) -> str:
        return "approval"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllOf:
    """Every one of them must pass."""

    gates: tuple[Gate, ...]

    def __str__(self) -> str:
        return f"all of ({'; '.join(map(str, self.gates))})"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf:
    """One of them must pass."""

    gates: tuple[Gate, ...]

    def __str__(self) -> str:
        return f"any of ({'; '.join(map(str, self.gates))})"


Gate = AlarmGate | TargetGate | ProbeGate | JudgeGate | CanaryGate | ApprovalGate | AllOf | AnyOf


class Answer(StrEnum):
    """What a gate says. COMPLETE is a pass that also ends the wait; WAIT asks to be asked again."""

    PASS = "pass"  # noqa: S105 - a verdict
    COMPLETE = "complete"
    WAIT = "wait"
    UNKNOWN = "unknown"
    REFUSE = "refuse"

    @property
    def passes(self) -> bool:
        """Whether the rollout may go on."""
        return self in {Answer.PASS, Answer.COMPLETE}


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """A gate's answer and why, in one sentence without its full stop."""

    gate: str
    answer: Answer
    reason: str


class AlarmState(StrEnum):
    """An alarm's state; MISSING: there is no such alarm."""

    OK = "OK"
    ALARM = "ALARM"
    NO_DATA = "INSUFFICIENT_DATA"
    MISSING = "MISSING"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a number of requests came to: how many failed, and how long the answers took, in no order.

    ``fault`` is the first failure in words.
    """

    requests: int
    failed: int
    latencies: tuple[timedelta, ...] = ()
    fault: str = ""
