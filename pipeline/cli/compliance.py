"""A compliance report as text, as CSV, and as the page of `pipeline.cli.compliance_page`."""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pipeline.cli.carry import ask
from pipeline.cli.compliance_page import page
from pipeline.cli.encode import dump, encode
from pipeline.cli.journalling import begun, end
from pipeline.cli.options import Common
from pipeline.cli.output import table
from pipeline.cli.sla import headline
from pipeline.errors import ExitCode, UsageError
from pipeline.model.compliance import ComplianceReport, Counts, InstanceCompliance, Reason, State
from pipeline.planning.sla import FixReport
from pipeline.runs import compliance as runs
from pipeline.runs.room import Room

_WORDS = {State.COMPLIANT: "compliant", State.NON_COMPLIANT: "not compliant", State.UNKNOWN: "unknown"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS = (
    *("account", "fleet", "family", "group", "patch_group", "instance", "image", "age_days", "version", "expected"),
    *("missing", "failed", "findings", "managed", "state", "reasons", "details"),
)


def text(found: ComplianceReport, fixes: FixReport | None = None) -> str:
    """Write the sums, why instances are not compliant or unknown, and each fleet that is not all compliant.

    ``fixes`` is the headline; None: nobody asked for it.
    """
    fleets = len(found.by_fleet) + len(found.faults)
    parts = [
        headline(fixes) if fixes else "",
        f"{len(found.instances)} instances, {fleets} fleet{'' if fleets == 1 else 's'}: {_sum(found.states)}",
        _section("Why", [(reason, str(number)) for reason, number in reasons(found.instances)]),
        *(
            _section(title, [(name, _sum(states)) for name, states in counts.items()])
            for title, counts in (
                ("By patch group", found.by_patch_group),
                ("By account", found.by_account),
                ("By image", found.by_image),
                ("Fleets that are not all compliant", _unhappy(found.by_fleet)),
            )
        ),
        _section("Fleets that could not be read", list(found.faults.items())),
        _section("Not known", list(found.blind.items())),
    ]
    return "\n\n".join(filter(None, parts))


def as_json(found: ComplianceReport, fixes: FixReport | None) -> str:
    """Write all of it; ``sla`` is what `rebake sla` prints."""
    return dump({**encode(found), **({"sla": fixes} if fixes else {})})


def reasons(rows: Iterable[InstanceCompliance]) -> Sequence[tuple[Reason, int]]:
    """Count instances by reason, the most frequent first."""
    return Counter(reason for row in rows for reason in row.reasons).most_common()


def as_csv(found: ComplianceReport) -> str:
    """Write a line for each instance as RFC 4180 says, with a header; nothing in it is a formula to a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for row in found.instances:
        cells = [*(getattr(row, name) for name in _COLUMNS[:-2]), list(row.reasons), list(row.reasons.values())]
        writer.writerow(map(_cell, cells))
    return out.getvalue()


def write_page(path: Path, found: ComplianceReport, fixes: FixReport | None = None) -> None:
    """Write the page; ``fixes`` as for `text`.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        path.write_text(page(found, dict(reasons(found.instances)), fixes), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", hint="make room, or name another") from error


def publish(common: Common, room: Room, found: ComplianceReport) -> ExitCode:
    """Write the compliance items of instances once somebody has said yes; stdout has the report already."""
    rows = runs.publishable(found)
    unmanaged = f"{len(found.instances) - len(rows)} are not managed by it and are left out"
    plan = f"Plan: compliance items of {len(rows)} instances to Systems Manager; {unmanaged}."
    print(plan, file=sys.stderr)
    if common.dry_run or not rows:
        return ExitCode.DONE
    ask(common, "")
    with begun(common, room, targets=found.by_fleet):
        failed = runs.publish(room, found)
    code = ExitCode.PARTIAL if failed else ExitCode.DONE
    told = f"Written: {len(rows) - len(failed)} instances; {unmanaged}."
    end(room, code, told, failed=failed)
    print("\n".join(filter(None, [told, _section("Refused", list(failed.items()))])), file=sys.stderr)
    return code


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list() | tuple():
            text = "; ".join(map(str, value))
        case _:
            text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _section(title: str, rows: Sequence[tuple[str, str]]) -> str:
    return f"{title}:\n{table((f'  {name}', told) for name, told in rows)}" if rows else ""


def _sum(states: Mapping[State, int]) -> str:
    return ", ".join(f"{states[state]} {_WORDS[state]}" for state in _WORDS if states[state]) or "none"


def _unhappy(counts: Counts) -> Counts:
    return {name: states for name, states in counts.items() if sum(states.values()) != states[State.COMPLIANT]}
