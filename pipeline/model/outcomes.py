"""How a step, a smoke test or a run ended: unhappy results are values too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from pipeline.errors import RebakeError
from pipeline.model.ids import ImageId, InstanceId
from pipeline.model.steps import PlannedStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The step did what it says. ``facts`` are for the reader and the record (ids, counts)."""

    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Nothing had to be done: it already stood as asked."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The step failed; ``reason`` is one sentence, ``hint`` the next step for the reader."""

    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A test, gate or guard said no."""

    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """The fleet is back on the image it had before."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Halted:
    """The andon cord was pulled; ``reason`` says by whom and what became of what was under way."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """The fleet may not be rolled now, so it was not begun, or stopped half way; ``reason`` says until when."""

    reason: str


Outcome = Done | Skipped | Failed | Refused | RolledBack | Halted | Paused


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """A planned step, how it ended, and how long it took."""

    planned: PlannedStep
    outcome: Outcome
    took: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneResult:
    """What was done to one fleet, steps that put it back included; ``stopped`` as in `RunResult`.

    ``outcome`` is how the fleet stands in the end; None: it was not begun, or left to AWS, and ``left`` says why.
    """

    fleet: str
    results: tuple[StepResult, ...] = ()
    outcome: Outcome | None = None
    stopped: RebakeError | None = None
    left: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the fleet is where it was to be."""
        return self.stopped is None and isinstance(self.outcome, (Done, Skipped))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """Everything a run did: its steps in order, up to and including the one that stopped it, then fleet by fleet.

    ``stopped`` is what ended it in the middle of a step and says nothing of the step itself: held by another run, no
    credentials, interrupted.
    """

    results: tuple[StepResult, ...] = ()
    lanes: tuple[LaneResult, ...] = ()
    stopped: RebakeError | None = None

    @property
    def every(self) -> tuple[StepResult, ...]:
        """All steps that were taken."""
        return (*self.results, *(result for lane in self.lanes for result in lane.results))

    @property
    def last(self) -> Outcome | None:
        """The outcome of the last step outside of waves; None: there was none."""
        return self.results[-1].outcome if self.results else None


class Verdict(StrEnum):
    """What one test says."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    ERROR = "error"
    UNKNOWN = "unknown"
    """A fact that it needs could not be had (a mirror was out of reach): nothing is said of the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """One smoke test or probe; ``message`` is the failure in the test's own words."""

    __test__ = False  # pytest would otherwise try to collect it

    name: str
    verdict: Verdict
    took: timedelta = timedelta()
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeReport:
    """All tests on one booted instance. No test at all is not a pass. ``junit`` is the JUnit XML."""

    image: ImageId
    instance: InstanceId
    instance_type: str
    tests: tuple[TestResult, ...]
    junit: str = ""

    @property
    def passed(self) -> bool:
        """Whether at least one test ran, none failed or broke, and nothing stayed unknown."""
        verdicts = {test.verdict for test in self.tests}
        return Verdict.PASSED in verdicts and not verdicts & {Verdict.FAILED, Verdict.ERROR, Verdict.UNKNOWN}

    @property
    def unknown(self) -> bool:
        """Whether nothing failed or broke, but something could not be known: no pass, and no fault of the image."""
        verdicts = {test.verdict for test in self.tests}
        return Verdict.UNKNOWN in verdicts and not verdicts & {Verdict.FAILED, Verdict.ERROR}
