"""One self-contained HTML page about a run: what was planned, what happened, what changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any

from pipeline.cli.encode import encode
from pipeline.cli.output import outcome_text, stands, word
from pipeline.cli.timelines import fleet_charts, load_charts
from pipeline.errors import UsageError
from pipeline.execute.waiting import describe
from pipeline.model.ids import ImageId, RunId
from pipeline.model.outcomes import RunResult
from pipeline.model.steps import Plan
from pipeline.planning.packages import PackageChange
from pipeline.ports.progress import Event

_STYLE = """
:root{--ink:#1a1f2b;--soft:#5b6472;--line:#d9dde3;--page:#fff;--good:#176f3a;--bad:#b3261e;
--series-1:#8a94a6;--series-2:#2f6fde;--series-3:#0f9d76;--series-4:#c77700;--series-5:#a03fb0}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaf0;--soft:#a2abba;--line:#363d4a;--page:#14171d;--good:#6fd797;
--bad:#ff8a80;--series-1:#6c7688;--series-2:#6ea0ff;--series-3:#43c59e;--series-4:#f0a83c;--series-5:#d28be0}}
*{box-sizing:border-box}body{margin:0 auto;padding:1.5rem;max-width:62rem;font:16px/1.5 system-ui,sans-serif;
color:var(--ink);background:var(--page)}h1{font-size:1.6rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}
p.sub{color:var(--soft);margin:.2rem 0 1.5rem}.figures{display:flex;flex-wrap:wrap;gap:1rem;margin:0;padding:0}
.figures div{border:1px solid var(--line);border-radius:.5rem;padding:.6rem 1rem;min-width:9rem}
.figures dt{color:var(--soft);font-size:.8rem}.figures dd{margin:0;font-size:1.4rem;font-variant-numeric:tabular-nums}
.good{color:var(--good)}.bad{color:var(--bad)}.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}code{font-size:.9em}
svg{width:100%;height:auto}svg text{fill:var(--soft);font-size:11px}.grid{stroke:var(--line)}
.s1{fill:var(--series-1);background:var(--series-1)}.s2{fill:var(--series-2);background:var(--series-2)}
.s3{fill:var(--series-3);background:var(--series-3)}.s4{fill:var(--series-4);background:var(--series-4)}
.s5{fill:var(--series-5);background:var(--series-5)}.legend{list-style:none;
display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;
padding:0;margin:.3rem 0}.key{display:inline-block;width:.8rem;height:.8rem;border-radius:.2rem;margin-right:.4rem}
small{color:var(--soft)}td{overflow-wrap:anywhere}
td:nth-child(-n+2){white-space:nowrap}
@media(max-width:44rem){body{padding:1rem}th{display:none}tr{display:block;padding:.5rem 0;
border-bottom:1px solid var(--line)}td,td.n{display:inline-block;border:0;padding:.1rem .6rem .1rem 0;text-align:left}
td.wide{display:block}svg text{font-size:17px}}
"""


def record(
    *,
    run: RunId,
    plan: Plan,
    result: RunResult,
    events: Sequence[Event],
    packages: Mapping[ImageId, Sequence[PackageChange]],
) -> dict[str, Any]:
    """Gather what a page is made of, as JSON types: it can be kept, and the page drawn from it again.

    ``packages`` maps an image baked in the run to what changed on it.
    """
    steps = [
        {
            "target": step.planned.target,
            "step": word(step.planned.step),
            "why": step.planned.why,
            "outcome": outcome_text(step.outcome),
            "ok": type(step.outcome).__name__ in {"Done", "Skipped"},
            "seconds": step.took.total_seconds(),
        }
        for step in result.every
    ]
    stops = [lane.stopped for lane in result.lanes]
    return {
        "run": run,
        "began": events[0].at.isoformat() if events else "",
        "steps": steps,
        "fleets": [{"fleet": lane.fleet, "stands": stands(lane), "ok": lane.succeeded} for lane in result.lanes],
        "stopped": next((stopped.message for stopped in (result.stopped, *stops) if stopped), ""),
        "notes": encode(plan.notes),
        "events": encode(events),
        "packages": encode(packages),
    }


def require_writable(path: Path) -> None:
    """Find out before anything is changed whether a report could be written there.

    Raises:
        UsageError: it could not.
    """
    if path.suffix == ".json":
        raise UsageError(f"The report {path} is a page, and its data goes beside it as .json.", hint="name it .html")
    stood = path.exists()
    try:
        path.open("ab").close()
    except OSError as error:
        raise UsageError(
            f"The report {path} cannot be written: {error.strerror}.", hint="name a file in a folder that exists"
        ) from error
    if not stood:
        path.unlink()


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write the page, and its data beside it as JSON.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        path.write_text(page(content), encoding="utf-8")
        path.with_suffix(".json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"The report {path} cannot be written: {error.strerror}.", hint="the run itself is finished"
        ) from error


def page(content: Mapping[str, Any]) -> str:
    """Draw the page. ``traffic`` in the content (figures and samples of a load) adds a chart of requests by image."""
    body = [
        f"<h1>Run {escape(str(content['run']))}</h1>",
        f'<p class="sub">{_moment(content["began"])}</p>',
        f'<p class="bad">{escape(content["stopped"])}</p>',
        _figures(content),
        _fleet_table(content["fleets"]),
        fleet_charts(content["events"]),
        load_charts(content.get("traffic")),
        _step_table(content["steps"]),
        *(_package_table(image, changes) for image, changes in content["packages"].items()),
    ]
    return document(f"Rebake run {content['run']}", *body)


def document(title: str, *body: str, style: str = "") -> str:
    """Put a page together, with nothing beside it; ``style`` is added to the usual one."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}{style}</style></head>"
        f"<body>{''.join(body)}</body></html>"
    )


def _moment(stamp: str) -> str:
    return f"{datetime.fromisoformat(stamp).astimezone(UTC):%A %-d %B %Y, %H:%M} UTC" if stamp else ""


def _figures(content: Mapping[str, Any]) -> str:
    steps = content["steps"]
    failed = [step for step in steps if not step["ok"]]
    outcome = "stopped" if content["stopped"] else "failed" if failed else "done"
    rows = [
        ("Outcome", outcome, "good" if outcome == "done" else "bad"),
        ("Steps", str(len(steps)), ""),
        ("Duration", describe(timedelta(seconds=sum(step["seconds"] for step in steps))), ""),
    ]
    changed = sum(len(changes) for changes in content["packages"].values())
    if changed:
        rows.append(("Packages changed", str(changed), ""))
    traffic = content.get("traffic")
    if traffic:
        rows.append(("Requests", f"{traffic['requests']:,}", ""))
        rows.append(("Requests failed", f"{traffic['failed']:,}", "bad" if traffic["failed"] else "good"))
    cells = "".join(f'<div><dt>{name}</dt><dd class="{tone}">{escape(value)}</dd></div>' for name, value, tone in rows)
    return f'<dl class="figures">{cells}</dl>'


def _fleet_table(fleets: Sequence[Mapping[str, Any]]) -> str:
    if not fleets:
        return ""
    rows = "".join(
        f'<tr><td>{escape(one["fleet"])}</td><td class="wide {"good" if one["ok"] else "bad"}">{escape(one["stands"])}'
        "</td></tr>"
        for one in fleets
    )
    head = "<tr><th>Fleet</th><th>Stands</th></tr>"
    return f'<h2>Fleets</h2><div class="scroll"><table>{head}{rows}</table></div>'


def _step_table(steps: Sequence[Mapping[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{escape(step['target'])}</td><td>{escape(step['step'])}</td>"
        f"<td class=wide>{escape(step['why'])}</td>"
        f'<td class="wide {"good" if step["ok"] else "bad"}">{escape(step["outcome"])}</td>'
        f'<td class="n">{describe(timedelta(seconds=step["seconds"]))}</td></tr>'
        for step in steps
    )
    head = "<tr><th>Target</th><th>Step</th><th>Why</th><th>Outcome</th><th>Took</th></tr>"
    return f'<h2>Steps</h2><div class="scroll"><table>{head}{rows}</table></div>'


def _package_table(image: str, changes: Sequence[Mapping[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(change['name'])}</code></td><td>{escape(change['before'] or '-')}</td>"
        f"<td>{escape(change['after'] or '-')}</td>"
        f"<td>{escape(' '.join([*change['advisories'], *change['cves']]))}</td></tr>"
        for change in changes
    )
    head = "<tr><th>Package</th><th>Before</th><th>After</th><th>Advisories and CVEs</th></tr>"
    title = f"<h2>{len(changes)} package{'' if len(changes) == 1 else 's'} changed on {escape(image)}</h2>"
    return f'{title}<div class="scroll"><table>{head}{rows}</table></div>'
