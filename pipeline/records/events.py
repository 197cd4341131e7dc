"""Where events go besides the terminal: a log of JSON lines, memory, several places at once."""

from __future__ import annotations

import contextlib
import json
from typing import TextIO

from pipeline.ports.progress import Event, Progress


class JsonLines:
    """Write each event as one JSON object on a line of its own; the stream stays its owner's to close."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def emit(self, event: Event) -> None:
        """Write an event; a stream that is full or closed loses it, for a log must not stop a rollout."""
        line = {"at": event.at.isoformat(), "kind": event.kind, "target": event.target, "text": event.text}
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(json.dumps({**line, **({"data": dict(event.data)} if event.data else {})}) + "\n")
            self._stream.flush()

    def close(self) -> None:
        """Leave the stream as it is: every line is written through already."""


class Fanout:
    """Give each event to several sinks, in order."""

    def __init__(self, *sinks: Progress) -> None:
        self._sinks = sinks

    def emit(self, event: Event) -> None:
        """Show an event everywhere."""
        for sink in self._sinks:
            sink.emit(event)

    def close(self) -> None:
        """Finish all displays."""
        for sink in self._sinks:
            sink.close()


class Recorder:
    """Keep events in memory, for the report at the end."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    @property
    def events(self) -> tuple[Event, ...]:
        """All events so far, in order."""
        return tuple(self._events)

    def emit(self, event: Event) -> None:
        """Keep an event."""
        self._events.append(event)

    def close(self) -> None:
        """Keep everything: the report is made after the run."""
