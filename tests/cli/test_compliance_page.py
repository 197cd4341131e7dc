"""The compliance page, and what a real browser makes of it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import nouns
import pytest
from browser import browser, look

from pipeline.cli.charts import Bar, bars
from pipeline.cli.compliance import reasons
from pipeline.cli.compliance_page import page
from pipeline.model.compliance import ComplianceReport, Reason, State, Vulnerability
from pipeline.model.findings import SLA, Severity
from pipeline.planning.compliance import burn_down

LONG = "fleet-with-a-name-of-forty-letters-in-it"
DAY = timedelta(days=1)


def found(**changes: object) -> ComplianceReport:
    """Make a report with an instance for each reason and one that is compliant, its words hostile to HTML."""
    rows = [nouns.compliance("i-0123456789abcdef0", fleet=LONG)]
    for number, reason in enumerate(Reason):
        row = nouns.compliance(f"i-{number:017x}", reason, fleet=f"fleet-{number}", age_days=9 * number or None)
        rows.append(replace(row, reasons={reason: "<b>because</b> of ami-0123456789abcdef0 " + "and so on " * 20}))
    states = {state: sum(row.state is state for row in rows) for state in State}
    cves = [
        Vulnerability(cve=f"CVE-2026-{age}", severity=severity, since=nouns.NOW - age * DAY)
        for age, severity in ((1, Severity.HIGH), (9, Severity.CRITICAL), (40, Severity.MEDIUM))
    ]
    values = {
        "by_fleet": {row.fleet: {state: int(row.state is state) for state in State} for row in rows},
        "by_patch_group": {"prod": states},
        "by_account": {"123456789012": states},
        "by_image": {"ami-0123456789abcdef0": states},
        "faults": {"web-gone": "There is no Auto Scaling group named web-gone in us-east-1."},
        "burn_down": burn_down(cves, SLA, nouns.NOW),
    }
    known = {"at": nouns.NOW, "account": "123456789012", "states": states, "blind": {}, "instances": tuple(rows)}
    return ComplianceReport(**{**known, **values, **changes})  # type: ignore[arg-type] # by name


def drawn(report: ComplianceReport) -> str:
    """Draw its page."""
    return page(report, dict(reasons(report.instances)))


def test_the_page_needs_nothing_beside_it() -> None:
    """No script, no address, nothing from elsewhere; and no words of AWS become elements."""
    html = drawn(found())
    assert not re.search(r"<script|<link|src=|href=|url\(|@import|https?:", html)
    assert "&lt;b&gt;because&lt;/b&gt;" in html
    assert html.count("<details>") == len(Reason) + 1
    assert all(reason.replace("_", " ") in html for reason in Reason)


def test_the_worst_fleets_come_first() -> None:
    """Not compliant, unknown, compliant."""
    html = drawn(found())
    assert html.index(">fleet-0<") < html.index(f">fleet-{len(Reason) - 1}<") < html.index(f">{LONG}<")


def test_what_nobody_has_looked_for_is_not_drawn() -> None:
    """The reason is told in the chart's place; without any open vulnerability it says so."""
    assert "Not known: it is off" in drawn(found(burn_down=(), blind={"findings": "it is off"}))
    assert "None is open that has a time." in drawn(found(burn_down=()))
    assert "<polygon" in drawn(found())


def test_bars_are_as_long_as_their_counts() -> None:
    """In percent of the longest; nothing at all is a chart, too."""
    html = bars(["a", "b"], [Bar(label="x", values=[3, 1]), Bar(label="y", values=[0, 2])])
    assert re.findall(r"width:([\d.]+)%", html) == ["75.00", "25.00", "50.00"]
    assert "<tr>" not in bars(["a"], [])


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_it_at_two_widths(width: int, tmp_path: Path) -> None:
    """Nothing is wider than the window, and all figures and folds can be read, without a script of the page's."""
    if browser() is None:
        pytest.skip("there is no browser here: install Chromium")
    path = tmp_path / "compliance.html"
    path.write_text(drawn(found()))
    seen = look(path, width=width, unfold=True)
    assert (seen.wide, seen.unfolded) == (width, width)
    assert seen.rows == 2 * (len(Reason) + 1)
    for words in ("Compliance", "Not compliant", "By state and patch group", LONG, "web-gone", "barred image"):
        assert words in seen.text
