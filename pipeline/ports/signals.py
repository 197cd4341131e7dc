"""Words that people leave for running rollouts: the andon cord, approvals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pipeline.model.signals import Signal


class Signals(Protocol):
    """SSM parameters, one a signal."""

    def under(self, path: str) -> Mapping[str, Signal]:
        """Read all signals below a path, in one call, by the last part of their names."""
        ...

    def read(self, name: str) -> Signal | None:
        """Read one signal; None: it does not stand there."""
        ...

    def leave(self, name: str, signal: Signal) -> None:
        """Leave a signal; one that stands there is replaced."""
        ...

    def take(self, name: str) -> bool:
        """Take a signal away; False when none stood there."""
        ...
