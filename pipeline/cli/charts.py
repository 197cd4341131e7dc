"""Charts as inline SVG: no script, no font, no file beside the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 920, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 24, 28
_TICKS = 4


def clock(seconds: float) -> str:
    """Write seconds as minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One moment: seconds since the start, and a value by series."""

    second: float
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Stacked series over time. ``stepped``: a value holds until the next sample (counts of instances).

    ``mark`` writes a moment below the axis; ``now`` is one that a line is drawn at.
    """

    title: str
    unit: str
    series: Sequence[str]
    samples: Sequence[Sample]
    stepped: bool = False
    mark: Callable[[float], str] = clock
    now: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A row of a bar chart: counts in the order of the chart's series."""

    label: str
    values: Sequence[int]


def bars(series: Sequence[str], rows: Sequence[Bar]) -> str:
    """Draw a row for each bar, of the length of its sum, with its counts as text."""
    most = max((sum(row.values) for row in rows), default=0) or 1
    lines = []
    for row in rows:
        parts = [
            f'<i class="s{index + 1}" style="width:{100 * value / most:.2f}%" title="{value:,} {escape(name)}"></i>'
            for index, (name, value) in enumerate(zip(series, row.values, strict=True))
            if value
        ]
        told = " / ".join(f"{value:,}" for value in row.values)
        drawn = f'<td class="bar"><div>{"".join(parts)}</div></td>'
        lines.append(f'<tr><td>{escape(row.label)}</td>{drawn}<td class="n">{told}</td></tr>')
    return f'<table class="bars">{"".join(lines)}</table>'


def stacked(chart: Chart, *, span: float) -> str:
    """Draw a chart over ``span`` seconds; series take the colours ``--series-1`` … of the page in their order."""
    step, top = _scale(
        max((sum(sample.values.values()) for sample in chart.samples), default=0) or 1, whole=chart.stepped
    )
    areas = []
    for index, name in enumerate(chart.series):
        below = [(s.second, sum(s.values.get(other, 0) for other in chart.series[:index])) for s in chart.samples]
        above = [(s.second, base + s.values.get(name, 0)) for s, (_, base) in zip(chart.samples, below, strict=True)]
        if chart.stepped:
            above, below = _steps(above, span), _steps(below, span)
        points = " ".join(_point(at, value, span, top) for at, value in (*above, *reversed(below)))
        areas.append(f'<polygon class="s{index + 1}" points="{points}"><title>{escape(name)}</title></polygon>')
    label = escape(f"{chart.title}: {', '.join(chart.series)}")
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
        f"{_axes(span, step, top, chart)}{''.join(areas)}{_line(chart.now, span)}</svg>"
    )


def legend(series: Sequence[str], notes: Mapping[str, str]) -> str:
    """Name the series beside their colours, with a note each (totals)."""
    items = [
        f'<li><span class="key s{index + 1}"></span>{escape(name)} <small>{escape(notes.get(name, ""))}</small></li>'
        for index, name in enumerate(series)
    ]
    return f'<ul class="legend">{"".join(items)}</ul>'


def _steps(points: Sequence[tuple[float, float]], span: float) -> list[tuple[float, float]]:
    stepped: list[tuple[float, float]] = []
    for at, value in points:
        if stepped:
            stepped.append((at, stepped[-1][1]))
        stepped.append((at, value))
    if stepped:
        stepped.append((max(span, stepped[-1][0]), stepped[-1][1]))
    return stepped


def _point(at: float, value: float, span: float, top: float) -> str:
    x = _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(at / (span or 1), 1)
    y = _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value / top
    return f"{x:.1f},{y:.1f}"


def _scale(most: float, *, whole: bool) -> tuple[float, float]:
    """Choose the distance of the marks (1, 2 or 5 times a power of ten, at most five marks) and the last of them."""
    power = 10.0 ** max(math.floor(math.log10(most / _TICKS)), 0 if whole else -9)
    step = next(power * factor for factor in (1, 2, 5, 10) if most <= power * factor * _TICKS)
    return step, step * math.ceil(most / step)


def _line(at: float | None, span: float) -> str:
    if at is None:
        return ""
    x, _ = _point(at, 0, span, 1).split(",")
    return f'<line class="now" x1="{x}" x2="{x}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'


def _axes(span: float, step: float, top: float, chart: Chart) -> str:
    marks = []
    for tick in range(round(top / step) + 1):
        _, y = _point(0, step * tick, span, top).split(",")
        label = f"{step * tick:,.0f}" if step >= 1 else f"{step * tick:.3g}"
        marks.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        marks.append(f'<text x="{_LEFT - 6}" y="{y}" dy="4" text-anchor="end">{label}</text>')
    for tick in range(_TICKS + 1):
        share = tick / _TICKS
        x, _ = _point(span * share, 0, span, top).split(",")
        anchor = "end" if tick == _TICKS else "middle"
        label = escape(chart.mark(span * share))
        marks.append(f'<text x="{x}" y="{_HEIGHT - 8}" text-anchor="{anchor}">{label}</text>')
    marks.append(f'<text x="{_LEFT}" y="{_TOP - 8}" class="unit">{escape(chart.unit)}</text>')
    return "".join(marks)
