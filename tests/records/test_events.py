import io
import json
from datetime import UTC, datetime
from pathlib import Path

from pipeline.ports.progress import Event, EventKind, Progress
from pipeline.records import Fanout, JsonLines, Recorder

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
STARTED = Event(at=NOON, kind=EventKind.STARTED, target="web", text="baking")
MOVED = Event(at=NOON, kind=EventKind.PROGRESS, target="web-dev", text="50 %", data={"percentage": 50, "ami-1": 2})


def test_each_event_is_a_line_of_json() -> None:
    """A log line carries time, kind, target and text, and figures only where there are some."""
    stream = io.StringIO()
    sink: Progress = JsonLines(stream)
    sink.emit(STARTED)
    sink.emit(MOVED)
    sink.close()
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"at": "2026-11-23T12:00:00+00:00", "kind": "started", "target": "web", "text": "baking"},
        {
            "at": "2026-11-23T12:00:00+00:00",
            "kind": "progress",
            "target": "web-dev",
            "text": "50 %",
            "data": {"percentage": 50, "ami-1": 2},
        },
    ]


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    """A stream that is closed or refuses to be written loses the line, never the run."""
    (tmp_path / "log").touch()
    with (tmp_path / "log").open(encoding="utf-8") as stream:
        JsonLines(stream).emit(STARTED)
    JsonLines(stream).emit(STARTED)
    assert (tmp_path / "log").read_bytes() == b""


def test_a_fanout_reaches_every_sink() -> None:
    """All sinks see all events and the end."""
    one, two = Recorder(), Recorder()
    fanout: Progress = Fanout(one, two)
    fanout.emit(STARTED)
    fanout.emit(MOVED)
    fanout.close()
    assert one.events == two.events == (STARTED, MOVED)
