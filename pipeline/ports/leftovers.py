"""What killed bakes, tests and rollouts have left behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pipeline.model.leftovers import Kind, Resource
from pipeline.model.settings import GroupSelector


class Leftovers(Protocol):
    """The account's resources of all kinds that may be leftovers, other people's among them."""

    def found(self, selectors: Sequence[GroupSelector]) -> tuple[Resource, ...]:
        """List them, except approvals; launch template versions only of the templates of groups that are selected.

        Traffic is not among the holders of groups and target groups: ask `Traffic`.
        """
        ...

    def remove(self, kind: Kind, id_: str) -> bool:
        """Remove one, except groups, target groups and approvals; False: something uses it yet, ask again.

        One that is gone is no error.

        Raises:
            NotPossible: a group or a refresh boots the launch template version.
            StepFailed: AWS removed a part of it only.
        """
        ...
