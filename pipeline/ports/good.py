"""Where it is written down which images are protected as ways back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pipeline.model.good import Ledger


class Ledgers(Protocol):
    """One for each fleet; whoever holds the fleet writes it."""

    def of(self, fleet: str) -> Ledger:
        """Read a fleet's; empty: nothing was written yet.

        Raises:
            NotPossible: what stands there is not ours.
        """
        ...

    def all(self) -> Mapping[str, Ledger]:
        """Read those of all fleets, whoever has configured them; errors as for `of`."""
        ...

    def write(self, fleet: str, ledger: Ledger) -> None:
        """Write a fleet's."""
        ...
