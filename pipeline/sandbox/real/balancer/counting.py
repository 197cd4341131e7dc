"""What was served, counted until it is told."""

from __future__ import annotations

from collections import Counter

from pipeline.sandbox.machines import Traffic

Source = tuple[str, str, str]
"""Listener, target group, instance."""


class Counts:
    """Answers by where they came from and of what kind they are, and how long targets took."""

    def __init__(self) -> None:
        self._rows: dict[Source, tuple[Counter[str], Counter[float]]] = {}

    def add(self, source: Source, kind: str, seconds: float | None = None) -> None:
        """Count an answer; durations are kept to two digits, so that few of them differ."""
        row = self._rows.get(source)
        if row is None:
            row = self._rows[source] = Counter(), Counter()
        row[0][kind] += 1
        if seconds is not None:
            row[1][float(f"{seconds:.2g}")] += 1

    def take(self) -> list[Traffic]:
        """Hand out what was counted since this was last asked."""
        rows, self._rows = self._rows, {}
        return [
            Traffic(listener=listener, group=group, instance=instance, answers=dict(answers), seconds=dict(seconds))
            for (listener, group, instance), (answers, seconds) in rows.items()
        ]
