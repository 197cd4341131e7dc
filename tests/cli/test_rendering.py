from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, get_args

import nouns
import pytest

from pipeline.cli.charts import Chart, Sample, legend, stacked
from pipeline.cli.encode import dump, encode
from pipeline.cli.output import WORDS, outcome_text, plan_text, result_text, table
from pipeline.cli.report import page, record
from pipeline.errors import ExitCode, HeldError
from pipeline.model.ids import RunId
from pipeline.model.outcomes import (
    Done,
    Failed,
    Halted,
    LaneResult,
    Outcome,
    Refused,
    RolledBack,
    RunResult,
    Skipped,
    StepResult,
)
from pipeline.model.steps import Lane, Note, Plan, Step, Wave
from pipeline.planning.packages import ChangeKind, PackageChange
from pipeline.planning.release import Released, plan_release
from pipeline.planning.rollback import plan_rollback
from pipeline.ports.progress import Event, EventKind

FLEET = nouns.fleet_view(nouns.OLD, nouns.OLD)
RELEASE = plan_release(
    nouns.settings(FLEET.settings), [Released(family=nouns.family_view(), fleets=(FLEET,))], nouns.NOW
)


LANE = Lane(fleet="web-prod", steps=RELEASE.steps[:1])


def test_a_plan_reads_as_lines_grouped_by_target() -> None:
    """Target, step, reason; wave by wave; then the count, with its plurals."""
    lines = plan_text(RELEASE).splitlines()
    assert lines[0].split()[:2] == ["web", "bake"]
    assert lines[4] == "Wave fleets: 1 fleet"
    assert lines[5].split()[:2] == ["web-prod", "template"]
    assert lines[-1] == ("Plan: 1 bake, 1 smoke test, 1 promotion, 1 launch template version, 1 instance refresh.")


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (Plan(), "Plan: nothing to do."),
        (
            Plan(notes=(Note(target="web", text="x", blocked=ExitCode.REFUSED),)),
            "Plan: nothing can be done; 1 blocked.",
        ),
        (
            plan_rollback(nouns.fleet_view(nouns.OLD, refreshes=(nouns.refresh(),))),
            "Plan: 1 roll-back.",
        ),
        (Plan(steps=tuple(RELEASE.every) * 2), "2 instance refreshes."),
    ],
)
def test_the_count_says_what_will_happen(plan: Plan, said: str) -> None:
    """Nothing to do, blocked, and plurals each read right."""
    assert plan_text(plan).splitlines()[-1].endswith(said)


def test_every_kind_of_step_has_a_word() -> None:
    """No step of the union is unknown to the reader, and no two share a word."""
    assert set(WORDS) == set(get_args(Step))
    assert len(set(WORDS.values())) == len(WORDS)


@pytest.mark.parametrize(
    ("wave", "said"),
    [
        (Wave(name="dev", lanes=(LANE, LANE), concurrency=2), "Wave dev: 2 fleets, 2 at a time"),
        (
            Wave(name="prod", lanes=(LANE,), soak_before=timedelta(hours=24)),
            "Wave prod: 1 fleet, 24h after the wave before",
        ),
        (Wave(name="prod", lanes=(LANE,), not_before=nouns.NOW), "not before 2026-11-23 02:00 UTC"),
    ],
)
def test_a_wave_says_what_it_waits_for(wave: Wave, said: str) -> None:
    """How many fleets, how many at once, and when."""
    assert said in plan_text(Plan(waves=(wave,)))


def test_a_result_says_where_each_fleet_stands() -> None:
    """Done, rolled back and why, not begun and why, stopped by what."""
    lanes = (
        LaneResult(fleet="a", outcome=Done()),
        LaneResult(fleet="b", outcome=RolledBack(reason="alarm web-5xx")),
        LaneResult(fleet="c", left="b of wave dev failed"),
        LaneResult(fleet="d", stopped=HeldError("held by another run")),
        LaneResult(fleet="e", outcome=Halted(reason="halted by anna")),
    )
    text = result_text(RunResult(lanes=lanes))
    for said in (
        "a  done",
        "ROLLED BACK: alarm web-5xx",
        "not begun: b of wave dev failed",
        "STOPPED: held",
        "HALTED: ",
    ):
        assert said in text


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Done(facts={"image": "ami-1"}), "done, image ami-1"),
        (Skipped(reason="there already"), "nothing to do: there already"),
        (Failed(reason="broke", hint="mend"), "FAILED: broke -> mend"),
        (Refused(reason="no"), "REFUSED: no"),
        (RolledBack(reason="back"), "ROLLED BACK: back"),
    ],
)
def test_outcomes_read_as_words(outcome: Outcome, said: str) -> None:
    """Each outcome names itself and its next step."""
    assert outcome_text(outcome) == said


def test_tables_align_and_an_empty_one_is_empty() -> None:
    """Columns are as wide as their widest cell."""
    assert table([("a", "1"), ("bbb", "22")]) == "a    1\nbbb  22"
    assert table([]) == ""


def test_nouns_become_json() -> None:
    """Kinds of steps are named, durations are seconds, times are ISO 8601."""
    encoded = encode(RELEASE)
    assert encoded["steps"][0]["step"]["kind"] == "BuildImage"
    assert encoded["steps"][1]["step"]["image"] == {"kind": "Baked", "family": "web"}
    assert encode(timedelta(minutes=1)) == 60
    assert encode(nouns.NOW) == "2026-11-23T02:00:00+00:00"
    assert json.loads(dump(nouns.settings()))["root"] == "/project"


def run_record(*, failed: bool = False) -> dict[str, object]:
    """Make the record of a run with a refresh watched over a minute."""
    outcome = Failed(reason="<b>broke</b>") if failed else Done()
    results = tuple(StepResult(planned=step, outcome=outcome, took=timedelta(seconds=3)) for step in RELEASE.every)
    events = [
        Event(
            at=nouns.NOW + timedelta(seconds=second),
            kind=EventKind.PROGRESS,
            target="web-prod",
            text="InProgress",
            data={"image:ami-0old": 4 - second // 15, "image:ami-0new": second // 15},
        )
        for second in (0, 15, 30, 45, 60)
    ]
    changes = [PackageChange(name="openssl", kind=ChangeKind.CHANGED, before="3.0.20", after="3.0.22")]
    return record(
        run=RunId("run-1"),
        plan=RELEASE,
        result=RunResult(results=results),
        events=events,
        packages={nouns.NEW: changes},
    )


def test_the_report_is_one_page_that_loads_nothing() -> None:
    """Figures, chart, steps and packages stand in one file without a script or a link."""
    html = page(run_record())
    assert html.startswith("<!doctype html>")
    assert "1 package changed on ami-0new" in html
    assert html.count("<polygon") == 2
    assert "<script" not in html
    assert "http" not in html
    assert json.dumps(run_record())


def test_the_report_shows_traffic_and_failures() -> None:
    """Requests by image get a chart of their own; a failed step is shown, its text escaped."""
    traffic = {
        "requests": 10,
        "failed": 0,
        "images": {"ami-0old": 6, "ami-0new": 4},
        "timeline": [
            {"second": 0, "images": {"ami-0old": 6}, "failed": 0},
            {"second": 1, "images": {"ami-0new": 4}, "failed": 0},
        ],
    }
    html = page(run_record(failed=True) | {"traffic": traffic})
    assert html.count("<svg") == 3
    assert "6 requests" in html
    assert "&lt;b&gt;broke" in html
    assert '<dd class="bad">failed' in html


def test_the_report_shows_what_the_run_saw_served() -> None:
    """Requests and errors that CloudWatch counted while a fleet was watched become charts of their own."""
    record = run_record()
    events: Any = record["events"]
    for event in events[1:]:
        event["data"] |= {"requests:ami-0old": 300, "errors": 15}
    html = page(record)
    assert "web-prod: requests by image" in html
    assert "web-prod: errors" in html
    assert html.count("<svg") == 3


def test_a_chart_of_nothing_is_still_a_chart() -> None:
    """No samples draw axes only."""
    chart = Chart(title="t", unit="u", series=[], samples=[])
    assert "<polygon" not in stacked(chart, span=0)
    assert legend([], {}) == '<ul class="legend"></ul>'


def test_stepped_areas_hold_their_value() -> None:
    """Counts of instances stay until the next sample."""
    samples = [Sample(second=0, values={"a": 1}), Sample(second=10, values={"a": 2})]
    stepped = stacked(Chart(title="t", unit="u", series=["a"], samples=samples, stepped=True), span=20)
    smooth = stacked(Chart(title="t", unit="u", series=["a"], samples=samples), span=20)
    assert stepped.count(",") > smooth.count(",")
