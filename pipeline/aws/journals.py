"""Journals in a bucket: an object a record, ``<prefix>/<run>/<number>.json``."""

from __future__ import annotations

from pipeline.aws.objects import S3Objects
from pipeline.aws.session import Clients
from pipeline.model.ids import RunId
from pipeline.model.settings import Bucket


class S3Journals:
    """The port `Journals`."""

    def __init__(self, clients: Clients, bucket: Bucket) -> None:
        self._clients = clients
        self._objects = S3Objects(lambda: clients.s3_briefly, bucket)

    def keep(self, run: RunId, number: int, line: str) -> None:
        """Put an object, on the condition that there is none."""
        with self._clients.unguarded():  # that the run has lost its lease belongs into the journal, too
            self._objects.put_once(f"{run}/{number:06}.json", line.encode())

    def runs(self) -> tuple[RunId, ...]:
        """List the runs by the folders of the prefix."""
        return tuple(map(RunId, reversed(self._objects.folders())))

    def lines(self, run: RunId, *, ends: bool = False) -> tuple[str, ...]:
        """Fetch the records: a call a thousand of them, and one for each."""
        names = self._objects.names(run)
        wanted = [*names[:1], *names[1:][-1:]] if ends else names
        return tuple((self._objects.get(name) or b"").decode(errors="replace") for name in wanted)
