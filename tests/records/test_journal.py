"""The journal's file: one write a line, whole lines for every reader, and nothing that raises."""

from __future__ import annotations

import json
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.errors import NotPossible, Unavailable
from pipeline.model.ids import RunId
from pipeline.model.masking import Masker
from pipeline.ports.progress import Event, EventKind
from pipeline.records.events import Recorder
from pipeline.records.journal import FileJournals, RunJournal
from pipeline.runs.journal import read
from pipeline.sandbox.clock import ManualClock

RUN = RunId("20261123T181500-kqzt")


class Bucket:
    """A place in memory that can be out of order."""

    def __init__(self) -> None:
        self.kept: dict[int, str] = {}
        self.tries = 0
        self.down = False

    def keep(self, _: RunId, number: int, line: str) -> None:
        """Keep a record, or not."""
        self.tries += 1
        if self.down:
            raise Unavailable("S3 does not answer.", hint="wait")
        self.kept.setdefault(number, line)

    def runs(self) -> tuple[RunId, ...]:
        """There is one."""
        return (RUN,)

    def lines(self, _: RunId, *, ends: bool = False) -> tuple[str, ...]:
        """In order."""
        assert not ends
        return tuple(self.kept.values())


class Journalling:
    """A journal, the place it is shared in, and what the reader is told."""

    def __init__(self, folder: Path, masker: Masker | None = None) -> None:
        self.clock = ManualClock()
        self.bucket = Bucket()
        self.told = Recorder()
        self.local = FileJournals(folder)
        self.path = folder / f"{RUN}.jsonl"
        self.journal = RunJournal(
            local=self.local,
            shared=self.bucket,
            clock=self.clock,
            masker=masker or Masker(),
            progress=self.told,
            facts={"host": "bastion"},
        )

    def event(self, text: str, **data: str | float) -> None:
        """Let something happen."""
        event = Event(at=self.clock.now(), kind=EventKind.STARTED, target="web", text=text, data=data)
        self.journal.emit(event)


@contextmanager
def longest_file(size: int) -> Iterator[None]:
    """Let no file become longer: writes are cut short there, as on a disk that becomes full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_line_that_was_cut_short_spoils_no_other(tmp_path: Path) -> None:
    """The disk is full in the middle of a line and has space again later: told once, and only that line is lost."""
    made = Journalling(tmp_path)
    made.journal.begin(RUN, "rebake roll web", {})
    with longest_file(made.path.stat().st_size + 50):
        made.event("this is cut short")
        made.event("this has no space at all")
    made.event("there is space again")
    made.journal.end("", {"exit_code": 0})
    found = read(made.local.lines(RUN))
    assert [record.seq for record in found] == [1, 5, 6]
    assert [record.text for record in found][1:] == ["there is space again", ""]
    (warning,) = made.told.events
    assert "could not be written whole" in warning.text
    assert len(made.bucket.kept) == 6


def test_a_line_is_one_write_to_the_end_of_the_file(tmp_path: Path) -> None:
    """What somebody else has added is never written over; the reader leaves out what is not a record."""
    made = Journalling(tmp_path)
    made.journal.begin(RUN, "rebake roll web", {})
    with made.path.open("ab") as file:
        file.write(b'{"schema": 2}\n\xff\xfe\n')
    made.journal.end("done", {"exit_code": 0})
    assert [record.kind for record in read(made.local.lines(RUN))] == ["begun", "ended"]


def test_a_folder_that_cannot_be_made_stops_nothing(tmp_path: Path) -> None:
    """A file stands where the folder should be: one warning, and S3 has it all."""
    (tmp_path / "journal").touch()
    made = Journalling(tmp_path / "journal")
    made.journal.begin(RUN, "rebake roll web", {})
    made.event("something")
    made.journal.end("", {})
    assert len(made.told.events) == 1
    assert len(made.bucket.kept) == 4


def test_a_bucket_that_is_down_is_left_alone_for_a_while(tmp_path: Path) -> None:
    """One try in five minutes, and one at the end; what it has missed arrives in order when it is back."""
    made = Journalling(tmp_path)
    made.bucket.down = True
    made.journal.begin(RUN, "rebake roll web", {})
    assert made.bucket.tries == 0  # nothing urgent waits for the first record
    for _ in range(20):
        made.event("something")
        made.clock.advance(timedelta(seconds=30))
    assert made.bucket.tries == 2
    made.bucket.down = False
    made.journal.end("", {"exit_code": 0})
    assert [*made.bucket.kept] == [*range(1, 24)]
    assert [event.text for event in made.told.events] == [
        "The run goes on, for AWS is the state: S3 does not answer. -> wait"
    ]


def test_progress_stays_here_and_lines_of_packer_in_its_log(tmp_path: Path) -> None:
    """An object a percentage would be paid for by the dozen."""
    made = Journalling(tmp_path)
    made.journal.begin(RUN, "rebake bake web", {})
    for kind in (EventKind.PROGRESS, EventKind.LINE):
        made.journal.emit(Event(at=made.clock.now(), kind=kind, target="web", text="50 %"))
    made.journal.end("", {})
    assert [record.kind for record in read(made.local.lines(RUN))] == ["begun", "progress", "ended"]
    assert [*made.bucket.kept] == [1, 3]


def test_nothing_is_kept_before_the_beginning_and_after_the_end(tmp_path: Path) -> None:
    """A plan that nobody approved leaves no file."""
    made = Journalling(tmp_path)
    made.event("too early")
    made.journal.end("", {})
    assert not made.path.exists()
    made.journal.begin(RUN, "rebake roll web", {})
    made.journal.end("", {})
    made.event("too late")
    made.journal.close()
    assert len(made.path.read_text().splitlines()) == 2


def test_masked_wherever_a_secret_may_stand(tmp_path: Path) -> None:
    """In texts, in keys, in lists, in what only becomes text when it is written; also one that is learnt later."""
    made = Journalling(tmp_path, Masker(["hunter22"]))
    made.journal.begin(
        RUN, "rebake --reason hunter22", {"words": ("hunter22",), "hunter22": [Path("/hunter22"), None, True, 1.5]}
    )
    made.journal.masker.learn("later")
    made.event("sooner or later", hint="later")
    made.journal.end("hunter22", {})
    for text in (made.path.read_text(), *made.bucket.kept.values()):
        assert "hunter22" not in text
        assert "later" not in text
    first = json.loads(made.path.read_text().splitlines()[0])
    assert first["data"] == {"host": "bastion", "words": ["***"], "***": ["/***", None, True, 1.5]}


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """A folder in the place of a file."""
    (tmp_path / f"{RUN}.jsonl").mkdir()
    local = FileJournals(tmp_path)
    assert local.runs() == (RUN,)
    with pytest.raises(NotPossible, match="Is a directory"):
        local.lines(RUN)
