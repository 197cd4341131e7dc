from datetime import UTC, datetime

from pipeline.ports.progress import Event, EventKind, Progress
from pipeline.records import Fanout, Recorder

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
STARTED = Event(at=NOON, kind=EventKind.STARTED, target="web", text="baking")
MOVED = Event(at=NOON, kind=EventKind.PROGRESS, target="web-dev", text="50 %", data={"percentage": 50, "ami-1": 2})


def test_a_fanout_reaches_every_sink() -> None:
    """All sinks see all events and the end."""
    one, two = Recorder(), Recorder()
    fanout: Progress = Fanout(one, two)
    fanout.emit(STARTED)
    fanout.emit(MOVED)
    fanout.close()
    assert one.events == two.events == (STARTED, MOVED)
