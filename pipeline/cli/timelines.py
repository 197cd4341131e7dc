"""Charts over time for the report: instances by image, requests by image, errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

from pipeline.cli.charts import Chart, Sample, legend, stacked

_IMAGE, _REQUESTS, _ERRORS = "image:", "requests:", "errors"
_LOST = "!"
"""The load generator's word for requests that got no answer at all."""


def fleet_charts(events: Sequence[Mapping[str, Any]]) -> str:
    """Draw what the run saw of each fleet: who ran, who answered how much, how much of it failed."""
    by_fleet: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        if any(key.startswith(_IMAGE) for key in event["data"]):
            by_fleet.setdefault(event["target"], []).append(event)
    return "".join(_charts_of(fleet, seen) for fleet, seen in by_fleet.items())


def load_charts(traffic: Mapping[str, Any] | None) -> str:
    """Draw a load from outside: requests by image, and those that failed, by the second."""
    if not traffic:
        return ""
    served = [
        Sample(second=row["second"], values={name: n for name, n in row["images"].items() if name != _LOST})
        for row in traffic["timeline"]
    ]
    failed = [Sample(second=row["second"], values={"failed": row["failed"]}) for row in traffic["timeline"]]
    totals = {name: f"{count:,} requests" for name, count in traffic["images"].items()}
    unit = "requests per second"
    return _section("Requests by image", unit, served, totals) + _section("Failed requests", unit, failed, {})


def _charts_of(fleet: str, seen: Sequence[Mapping[str, Any]]) -> str:
    start = datetime.fromisoformat(seen[0]["at"])
    moments = [(datetime.fromisoformat(event["at"]) - start).total_seconds() for event in seen]
    instances = [
        Sample(second=second, values=_taken(event["data"], _IMAGE)) for second, event in zip(moments, seen, strict=True)
    ]
    charts = _section(f"{fleet}: instances by image", "instances", instances, {}, stepped=True)
    rates, errors = [], []
    for before, second, event in zip(moments, moments[1:], seen[1:], strict=False):
        served = _taken(event["data"], _REQUESTS)
        if served and second > before:
            rates.append(Sample(second=second, values={name: n / (second - before) for name, n in served.items()}))
            failed = event["data"].get(_ERRORS, 0) / (second - before)
            errors.append(Sample(second=second, values={"answered 5xx": failed}))
    if rates:
        unit = "requests per second"
        charts += _section(f"{fleet}: requests by image", unit, rates, {})
        charts += _section(f"{fleet}: errors", unit, errors, {})
    return charts


def _taken(data: Mapping[str, Any], prefix: str) -> dict[str, float]:
    return {key.removeprefix(prefix): float(value) for key, value in data.items() if key.startswith(prefix)}


def _section(
    title: str, unit: str, samples: Sequence[Sample], notes: Mapping[str, str], *, stepped: bool = False
) -> str:
    series = list(dict.fromkeys(name for sample in samples for name in sample.values))
    chart = Chart(title=title, unit=unit, series=series, samples=samples, stepped=stepped)
    span = samples[-1].second if samples else 0
    return f"<h2>{escape(title)}</h2>{legend(series, notes)}{stacked(chart, span=span)}"
