"""Events that are a reason to look at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from pipeline.model.findings import Notice


class Notices(Protocol):
    """A queue of events: told at least once, in any order, some never."""

    def receive(self, queue: str, wait: timedelta) -> tuple[Notice, ...]:
        """Take up to ten of them, waiting at most so long for the first; untold ones come again after a while.

        Raises:
            NotFound: there is no such queue.
        """
        ...

    def done(self, queue: str, notices: Sequence[Notice]) -> None:
        """Delete those that were acted on."""
        ...
