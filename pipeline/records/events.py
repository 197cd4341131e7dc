"""Where events go besides the terminal: memory, several places at once."""

from __future__ import annotations

from pipeline.ports.progress import Event, Progress


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
