"""The release gate as a verb, and its verdicts in the forms that pipelines read: JUnit XML and SARIF."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline import __version__
from pipeline.cli.door import open_room, room
from pipeline.cli.options import Common, verb
from pipeline.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from pipeline.runs.gate import Judged

_WORDS = {"pass": "ok", "complete": "ok", "refuse": "REFUSED"}
JUnitOption = Annotated[Path | None, typer.Option("--junit", help="Also write the verdicts here as JUnit XML.")]
SarifOption = Annotated[Path | None, typer.Option("--sarif", help="Also write what does not pass here as SARIF.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    verb(app)(gate)


def gate(
    common: Common,
    image: Annotated[str | None, typer.Option("--image", help="Ask about this image (ami-…).")] = None,
    fleet: Annotated[str | None, typer.Option("--fleet", help="About all that this fleet runs.")] = None,
    group: Annotated[str | None, typer.Option("--group", help="About the fleets of this patch group.")] = None,
    junit: JUnitOption = None,
    sarif: SarifOption = None,
) -> None:
    """Ask the release gate. Exit 0: every rule passes, 3: one refuses, or what it asks is not known."""
    asked = [one for one in (image, fleet, group) if one is not None]
    if len(asked) != 1:
        raise UsageError(
            "Say what to ask about: exactly one of --image, --fleet, --group.", hint="see: rebake gate --help"
        )
    if not asked[0]:
        raise UsageError("What to ask about is empty.", hint="a variable of the pipeline's is perhaps not set")
    runs = room("pipeline.runs.gate")
    with open_room(common) as (opened, _):
        fleets = () if image else runs.fleets_of(opened, fleet, group)
        judged = runs.gate(opened, image=image, fleets=fleets)
    passes = bool(judged) and all(one.passes for one in judged)
    if junit is not None:
        _write(junit, _junit(judged))
    if sarif is not None:
        _write(sarif, json.dumps(_sarif(judged, str(common.config)), indent=1))
    body = {"passes": passes, "judged": judged}
    print(room("pipeline.cli.encode").dump(body) if common.json else _text(judged))
    raise typer.Exit(ExitCode.DONE if passes else ExitCode.REFUSED)


def _text(judged: Sequence[Judged]) -> str:
    rows = [
        (one.subject, one.image or "-", _WORDS.get(verdict.answer, verdict.answer), verdict.gate, verdict.reason)
        for one in judged
        for verdict in one.verdicts
    ]
    passing = sum(one.passes for one in judged)
    return f"{room('pipeline.cli.output').table(rows)}\n\n{passing} of {len(judged)} images pass the release gate."


def _junit(judged: Sequence[Judged]) -> str:
    """Write a suite for each image; what is not known is an error, which no reader takes for a pass."""
    xml, outcomes = room("pipeline.probing.junit"), room("pipeline.model.outcomes")
    words = {"pass": outcomes.Verdict.PASSED, "complete": outcomes.Verdict.PASSED, "refuse": outcomes.Verdict.FAILED}
    suites = [
        xml.suite(
            " ".join(filter(None, (one.subject, one.image))),
            [
                outcomes.TestResult(
                    name=verdict.gate,
                    verdict=words.get(verdict.answer, outcomes.Verdict.ERROR),
                    message=f"{verdict.answer}: {verdict.reason}",
                )
                for verdict in one.verdicts
            ],
        )
        for one in judged
    ]
    return str(xml.merged(suites))


def _sarif(judged: Sequence[Judged], config: str) -> dict[str, Any]:
    """Write SARIF 2.1.0; every result stands at the configuration file, because its readers want a file."""
    where = {"physicalLocation": {"artifactLocation": {"uri": config}, "region": {"startLine": 1}}}
    results = [
        {
            "ruleId": verdict.gate,
            "level": "error" if verdict.answer == "refuse" else "warning",
            "message": {"text": f"{one.subject} {one.image or ''}: {verdict.answer}: {verdict.reason}"},
            "locations": [{**where, "logicalLocations": [{"name": one.image or one.subject, "kind": "resource"}]}],
            "partialFingerprints": {"subject/v1": f"{one.subject}/{one.image}/{verdict.gate}"},
        }
        for one in judged
        for verdict in one.verdicts
        if not verdict.answer.passes
    ]
    rules = [{"id": name} for name in sorted({verdict.gate for one in judged for verdict in one.verdicts})]
    driver = {"name": "rebake", "version": __version__, "rules": rules}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", hint="name a folder that exists") from error
