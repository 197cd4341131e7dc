"""Leases: at most one run works on a family's images, and at most one on a fleet."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from pipeline.model.leases import Lease


class Leases(Protocol):
    """SSM parameters, one a holder, numbered: writing one that stands already fails, so each number has one owner."""

    @property
    def me(self) -> tuple[str, str]:
        """Who this is, for people (``root@ci-7``), and which process."""
        ...

    def gone(self, lease: Lease) -> bool:
        """Tell whether the holder was a process of this machine that has ended."""
        ...

    def latest(self, name: str) -> Lease | None:
        """Read the lease with the highest number, which may be over; None: nobody ever had it."""
        ...

    def create(self, lease: Lease) -> bool:
        """Write a lease with a number of its own, and remove the ones before; False: somebody else has the number."""
        ...

    def rewrite(self, lease: Lease) -> None:
        """Write a lease of ours again, with another end."""
        ...

    def guarded(self, check: Callable[[], None]) -> AbstractContextManager[None]:
        """Call the check before every call that changes something in AWS, until the block ends; its errors stop it."""
        ...
