from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import nouns
import pytest
from rooms import SceneMaker

from pipeline.errors import ExitCode
from pipeline.model.images import Stage
from pipeline.model.outcomes import Failed, Refused, SmokeReport, TestResult, Verdict
from pipeline.model.settings import SmokeSettings
from pipeline.ports.instances import Instance
from pipeline.runs import plans
from pipeline.runs.apply import apply, exit_code

WORDS = {Verdict.UNKNOWN: "the mirror is out of reach", Verdict.FAILED: "the app is down", Verdict.PASSED: ""}


@dataclass(slots=True, kw_only=True)
class Verdicts:
    """Answers, by instance type, with these verdicts."""

    by_type: Mapping[str, tuple[Verdict, ...]]

    def run(self, settings: SmokeSettings, instance: Instance) -> SmokeReport:
        """Report one test for each verdict."""
        assert settings.timeout
        verdicts = self.by_type.get(instance.instance_type, (Verdict.PASSED,))
        tests = tuple(TestResult(name=f"test_{one}", verdict=one, message=WORDS[one]) for one in verdicts)
        return SmokeReport(
            image=instance.image, instance=instance.id, instance_type=instance.instance_type, tests=tests
        )


@pytest.mark.parametrize(
    ("small", "large", "code", "outcome", "said", "stage"),
    [
        (Verdict.UNKNOWN, Verdict.PASSED, ExitCode.FAILED, Failed, "stays a candidate", Stage.CANDIDATE),
        (Verdict.UNKNOWN, Verdict.FAILED, ExitCode.REFUSED, Refused, "is rejected", Stage.REJECTED),
    ],
)
def test_what_could_not_be_known_rejects_nothing(
    make: SceneMaker, small: Verdict, large: Verdict, code: ExitCode, outcome: type, said: str, stage: Stage
) -> None:
    """An image whose only fault is a fact out of reach stays a candidate, and the sentence names the fact."""
    matrix = SmokeSettings(instance_types=("t3.small", "m5.large"))
    scene = make(families={"web": nouns.family(smoke=matrix)})
    types = {"t3.small": (Verdict.PASSED, small), "m5.large": (Verdict.PASSED, large)}
    tools = replace(scene.room.tools, smoke=Verdicts(by_type=types))
    room = replace(scene.room, tools=tools)
    plan = plans.for_release(room)
    result = apply(room, plan)
    assert exit_code(plan, result) is code
    assert isinstance(result.last, outcome)
    assert said in str(result.last)
    assert "t3.small: test_unknown: the mirror is out of reach" in str(result.last)
    (image,) = room.images_of("web").baked
    assert image.stage is stage
