"""The journal of a run: JSON lines in a file, and in a bucket where one is configured."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.errors import NotPossible, RebakeError
from pipeline.model.ids import RunId
from pipeline.model.masking import Masker
from pipeline.ports.clock import Clock
from pipeline.ports.journal import BEGUN, ENDED, SCHEMA, Journals
from pipeline.ports.progress import Event, EventKind, Progress

_PAUSE = timedelta(minutes=5)
_TO_OWNER = 0o600
_BREAK = "\n"


class FileJournals:
    """The port `Journals` on a folder: a file a run, a line a record, each line one call of write."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: tuple[RunId, int] | None = None
        self._torn = False

    def keep(self, run: RunId, number: int, line: str) -> None:  # noqa: ARG002 - a line's number is its place
        """Append a line.

        Raises:
            NotPossible: the disk is full, or the folder cannot be written.
        """
        # After a disk was full in the middle of a line, the next one must not become a part of it.
        data = f"{_BREAK if self._torn else ''}{line}{_BREAK}".encode()
        try:
            written = os.write(self._file(run), data)
        except OSError as error:
            raise self._refused(error) from error
        self._torn = written < len(data)
        if self._torn:
            raise NotPossible(f"The journal in {self._folder} could not be written whole: the disk is full.")

    def sync(self) -> None:
        """Close the file once what was kept would outlive a crash of the machine; errors as for `keep`."""
        if self._open is None:
            return
        (_, file), self._open = self._open, None
        try:
            os.fsync(file)
            os.close(file)
        except OSError as error:
            raise self._refused(error) from error

    def runs(self) -> tuple[RunId, ...]:
        """List the runs, newest first: their ids begin with the time."""
        return tuple(RunId(path.stem) for path in sorted(self._folder.glob("*.jsonl"), reverse=True))

    def lines(self, run: RunId, *, ends: bool = False) -> tuple[str, ...]:
        """Read the lines; the last one may be torn."""
        try:
            text = (self._folder / f"{run}.jsonl").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise NotPossible(f"The journal of {run} cannot be read: {error.strerror}.") from error
        found = [line for line in text.split(_BREAK) if line]
        return (*found[:1], *found[1:][-1:]) if ends else tuple(found)

    def _file(self, run: RunId) -> int:
        if self._open is None or self._open[0] != run:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._open = (run, os.open(self._folder / f"{run}.jsonl", flags, _TO_OWNER))
        return self._open[1]

    def _refused(self, error: OSError) -> NotPossible:
        return NotPossible(f"The journal in {self._folder} cannot be written: {error.strerror}.")


class RunJournal:
    """The port `Journal`, and a `Progress` that keeps the events of the run while it is open.

    The bucket is spared what comes by the dozen (progress), and is left alone for a while when it does not answer:
    what it missed is put later. What cannot be kept is told once for each place through ``progress``.
    """

    def __init__(
        self,
        *,
        local: FileJournals,
        shared: Journals | None,
        clock: Clock,
        masker: Masker,
        progress: Progress,
        facts: Mapping[str, str],
    ) -> None:
        self.masker = masker
        self.begun = False
        self._local = local
        self._shared = shared
        self._clock = clock
        self._progress = progress
        self._facts = facts
        self._run: RunId | None = None
        self._number = 0
        self._unsent: list[tuple[int, str]] = []
        self._resumes: datetime | None = None
        self._told: set[str] = set()

    def begin(self, run: RunId, text: str, data: Mapping[str, Any]) -> None:
        """Write the first record, with the facts that are known of every run."""
        self._run, self._number, self.begun = run, 0, True
        self._write(self._clock.now(), BEGUN, text=text, data={**self._facts, **data})

    def emit(self, event: Event) -> None:
        """Write an event of an open run; what Packer prints stands in the build's log."""
        if event.kind is not EventKind.LINE:
            self._write(event.at, event.kind, target=event.target, text=event.text, data=event.data)

    def end(self, text: str, data: Mapping[str, Any]) -> None:
        """Write the last record and close."""
        self._write(self._clock.now(), ENDED, text=text, data=data)
        self._run = None

    def close(self) -> None:
        """Stay open: a display may close before the run's end is known."""

    def _write(self, at: datetime, kind: str, *, target: str = "", text: str, data: Mapping[str, Any]) -> None:
        if self._run is None:
            return
        self._number += 1
        told = self.masker.within({"target": target, "text": text, "data": data})
        stamp = {"schema": SCHEMA, "at": at.isoformat(), "run": self._run, "seq": self._number, "kind": kind}
        number, line = self._number, json.dumps({**stamp, **told})
        try:
            self._local.keep(self._run, number, line)
            if kind in {BEGUN, ENDED}:
                self._local.sync()
        except RebakeError as error:
            self._warn("local", error)
        if self._shared is not None and kind != EventKind.PROGRESS:
            self._unsent.append((number, line))
            if kind != BEGUN:  # it goes with the next one: what is urgent (a halt) does not wait for S3 first
                self._send(self._shared, last=kind == ENDED)

    def _send(self, shared: Journals, *, last: bool) -> None:
        if self._run is None or (self._resumes and self._clock.now() < self._resumes and not last):
            return
        try:
            while self._unsent:
                shared.keep(self._run, *self._unsent[0])
                del self._unsent[0]
        except RebakeError as error:
            self._resumes = self._clock.now() + _PAUSE
            self._warn("shared", error)

    def _warn(self, place: str, error: RebakeError) -> None:
        if place in self._told:
            return
        self._told.add(place)
        text = f"The run goes on, for AWS is the state: {error.whole}"
        event = Event(at=self._clock.now(), kind=EventKind.WARNING, target="journal", text=text)
        self._progress.emit(event)
        self.emit(event)
