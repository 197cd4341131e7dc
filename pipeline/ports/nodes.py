"""Instances as Systems Manager knows them: their agents, their patches, and what is said of them there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from pipeline.model.compliance import Agent, InstanceCompliance, PatchState
from pipeline.model.ids import InstanceId, RunId


class Nodes(Protocol):
    """Managed nodes; what Systems Manager knows nothing of is not in an answer."""

    def agents(self, instances: Sequence[InstanceId]) -> Mapping[InstanceId, Agent]:
        """Tell how the agents of instances do, fifty in a call."""
        ...

    def patches(self, instances: Sequence[InstanceId]) -> Mapping[InstanceId, PatchState]:
        """Count patches by the last scan of each instance, fifty in a call; one that was never scanned is not there."""
        ...

    def publish(self, found: InstanceCompliance, at: datetime, run: RunId) -> None:
        """Write what an instance is as its compliance items of type ``Custom:Rebake``, in place of those before.

        Unknown is written as not compliant: Systems Manager has no word for it.
        """
        ...
