"""A compliance report as one self-contained HTML page, readable without a script: each fleet unfolds by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from html import escape

from pipeline.cli.charts import Bar, Chart, Sample, bars, legend, stacked
from pipeline.cli.report import document
from pipeline.cli.sla import span
from pipeline.model.compliance import Burn, ComplianceReport, Counts, InstanceCompliance, Reason, State
from pipeline.planning.sla import FixReport

_WORDS = {State.COMPLIANT: "compliant", State.NON_COMPLIANT: "not compliant", State.UNKNOWN: "unknown"}
_SERIES = tuple(_WORDS.values())
_TONES = {State.COMPLIANT: "good", State.NON_COMPLIANT: "bad", State.UNKNOWN: ""}
_AGES = ((7, "up to 7 days"), (14, "8-14 days"), (30, "15-30 days"), (60, "31-60 days"), (90, "61-90 days"))
_OLDER, _NO_AGE = "over 90 days", "not known"
_BURN = ("late", "within their time")
_STYLE = """
:root{--series-1:#1a8f5c;--series-2:#c9372c;--series-3:#8a94a6}
@media(prefers-color-scheme:dark){:root{--series-1:#43c59e;--series-2:#ff8a80;--series-3:#7c879a}}
.burn{--series-1:#c9372c;--series-2:#e0a030}.now{stroke:var(--ink);stroke-dasharray:4 3}
table:not(.bars) th:nth-child(3):last-child{text-align:right}
td:last-child{white-space:normal}body{max-width:76rem}details td:nth-child(3){white-space:nowrap}
.bars td,.bars td:last-child{white-space:nowrap;width:1%}.bars td.bar{width:99%}.bar div{display:flex;height:1.1rem}
.bar i{display:block;min-width:2px}details{border-bottom:1px solid var(--line);content-visibility:auto;
contain-intrinsic-size:auto 2.2rem}summary{cursor:pointer;padding:.4rem 0;display:flex;gap:.2rem 1rem;flex-wrap:wrap}
summary b{flex:1 1 14rem;overflow-wrap:anywhere}summary::before{content:"\\25b8";color:var(--soft)}
details[open] summary::before{content:"\\25be"}details td{font-size:.9rem}
@media(max-width:44rem){.bars tr{display:flex;flex-wrap:wrap;gap:0 .8rem}.bars td{width:auto;display:block}
.bars td.bar{width:100%;order:3}.burn svg{min-width:40rem}}
"""


def page(found: ComplianceReport, reasons: Mapping[Reason, int], fixes: FixReport | None = None) -> str:
    """Draw the page; ``reasons`` counts instances by reason, in the order in which they are shown.

    ``fixes`` makes the first figure of it; None: nobody asked for it.
    """
    return document(
        "Rebake compliance",
        "<h1>Compliance</h1>",
        f'<p class="sub">{found.at.astimezone(UTC):%A %-d %B %Y, %H:%M} UTC, account {escape(found.account)}</p>',
        _figures(found, fixes),
        "".join(f'<p class="bad">Not known, {escape(name)}: {escape(why)}</p>' for name, why in found.blind.items()),
        _states("By state and patch group", {"all": found.states, **found.by_patch_group}),
        _bars("By age of the image", _ages(found.instances)),
        f'<h2>Vulnerabilities with a fix, by day</h2><div class="burn scroll">{_burn_down(found)}</div>',
        _table(
            "Why", ("Reason", "State", "Instances"), [(_words(one), _WORDS[one.state], reasons[one]) for one in reasons]
        ),
        _states("By image", found.by_image),
        _states("By account", found.by_account),
        _table("Fleets that could not be read", ("Fleet", "Why"), list(found.faults.items())),
        _fleets(found),
        style=_STYLE,
    )


def _figures(found: ComplianceReport, fixes: FixReport | None) -> str:
    today = next((burn for burn in found.burn_down if burn.day == found.at.date()), None)
    counts = [
        ("Fleets", len(found.by_fleet) + len(found.faults), ""),
        ("Instances", len(found.instances), ""),
        *((_WORDS[state].capitalize(), found.states[state], _TONES[state]) for state in _WORDS),
        *([("Vulnerabilities late", today.late, "bad" if today.late else "good")] if today else []),
    ]
    rows = [(name, f"{number:,}", tone if number else "") for name, number, tone in counts]
    if fixes is not None:
        longest = "none" if fixes.longest is None else span(fixes.longest)
        rows.insert(0, ("Fix published to every fleet", longest, "bad" if fixes.late else "good"))
    cells = "".join(f'<div><dt>{name}</dt><dd class="{tone}">{value}</dd></div>' for name, value, tone in rows)
    return f'<dl class="figures">{cells}</dl>'


def _bar(name: str, states: Mapping[State, int]) -> Bar:
    return Bar(label=name, values=[states[state] for state in _WORDS])


def _ages(rows: Sequence[InstanceCompliance]) -> list[Bar]:
    found = {label: dict.fromkeys(State, 0) for label in (*(label for _, label in _AGES), _OLDER, _NO_AGE)}
    for row in rows:
        age = row.age_days
        label = _NO_AGE if age is None else next((label for limit, label in _AGES if age <= limit), _OLDER)
        found[label][row.state] += 1
    return [_bar(label, states) for label, states in found.items()]


def _burn_down(found: ComplianceReport) -> str:
    if "findings" in found.blind:
        return f"<p>Not known: {escape(found.blind['findings'])}</p>"
    days = found.burn_down
    if not days:
        return "<p>None is open that has a time.</p>"
    span = float(len(days) - 1)
    chart = Chart(
        title="Vulnerabilities with a fix",
        unit="open vulnerabilities; to the right of today: what may still be open",
        series=_BURN,
        samples=[_sample(number, day) for number, day in enumerate(days)],
        stepped=True,
        now=float((found.at.date() - days[0].day).days),
        mark=lambda at: f"{days[round(at)].day:%-d %b}",
    )
    return f"{legend(_BURN, {})}{stacked(chart, span=span)}"


def _sample(number: int, burn: Burn) -> Sample:
    return Sample(second=number, values={_BURN[0]: burn.late, _BURN[1]: burn.open})


def _states(title: str, counts: Counts) -> str:
    return _bars(title, [_bar(name, states) for name, states in counts.items()])


def _bars(title: str, rows: Sequence[Bar]) -> str:
    return f"<h2>{title}</h2>{legend(_SERIES, {})}{bars(_SERIES, rows)}"


def _fleets(found: ComplianceReport) -> str:
    by_fleet = defaultdict[str, list[InstanceCompliance]](list)
    for row in found.instances:
        by_fleet[row.fleet].append(row)
    worst = sorted(found.by_fleet.items(), key=lambda one: [-one[1][state] for state in State])
    return "<h2>Fleets</h2>" + "".join(_fleet(name, states, by_fleet[name]) for name, states in worst)


def _fleet(name: str, states: Mapping[State, int], rows: Sequence[InstanceCompliance]) -> str:
    told = "".join(
        f'<span class="{_TONES[state]}">{states[state]} {_WORDS[state]}</span>' for state in _WORDS if states[state]
    )
    head = ("Instance", "State", "Image", "Template", "Patches", "Why")
    return f"<details><summary><b>{escape(name)}</b>{told}</summary>{_rows(head, map(_instance, rows))}</details>"


def _instance(row: InstanceCompliance) -> str:
    age = "" if row.age_days is None else f", {row.age_days} d"
    patches = "-" if row.missing is None else f"{row.missing} missing, {row.failed} failed"
    version = f"version {row.version or '-'}"
    cells = [
        f"<code>{escape(row.instance)}</code>",
        f'<span class="{_TONES[row.state]}">{_WORDS[row.state]}</span>',
        escape((row.image or "-") + age),
        escape(version if row.version == row.expected else f"{version}, not {row.expected or '-'}"),
        patches,
        "<br>".join(map(escape, row.reasons.values())),
    ]
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _words(reason: Reason) -> str:
    return reason.replace("_", " ")


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str | int]]) -> str:
    if not rows:
        return ""
    lines = ("".join(map(_cell, row)) for row in rows)
    return f"<h2>{title}</h2>{_rows(head, lines)}"


def _cell(value: str | int) -> str:
    return f'<td class="n">{value:,}</td>' if isinstance(value, int) else f"<td>{escape(value)}</td>"


def _rows(head: Sequence[str], lines: Iterable[str]) -> str:
    cells = "".join(f"<th>{name}</th>" for name in head)
    return f'<div class="scroll"><table><tr>{cells}</tr>{"".join(f"<tr>{line}</tr>" for line in lines)}</table></div>'
