"""Patch baselines that stand in SSM."""

from __future__ import annotations

from typing import Protocol

from pipeline.model.baselines import PatchBaseline
from pipeline.model.packages import OperatingSystem


class Baselines(Protocol):
    """SSM Patch Manager's baselines, and which of them a patch group has."""

    def get(self, id_: str, system: OperatingSystem) -> PatchBaseline:
        """Read a baseline; its name is ``ssm:`` and its id.

        Raises:
            NotFound: it does not exist.
            NotPossible: it is one for another operating system, or says something that cannot be evaluated here.
        """
        ...

    def chosen(self, patch_group: str | None, system: OperatingSystem) -> str:
        """Tell the id of the baseline that SSM has for a patch group, or (None) as the default for all."""
        ...

    def find(self, name: str) -> str | None:
        """Find a baseline of one's own by its exact name; answer its id."""
        ...

    def write(self, id_: str | None, name: str, baseline: PatchBaseline, system: OperatingSystem, token: str) -> str:
        """Make a baseline, or with an id bring that to the same; answer its id. The same token makes the same."""
        ...

    def register(self, id_: str, patch_group: str, system: OperatingSystem) -> None:
        """Give a patch group this baseline, in place of another of the same operating system."""
        ...
