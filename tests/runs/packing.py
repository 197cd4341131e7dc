"""A bake that dies: the builder's calls, with an end after so many of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from rooms import ApiBuilder
from runs.watching import KilledError

from pipeline.ports.builder import BuildProduct, BuildRequest
from pipeline.sandbox.calls import action_name, mutates

CALLS = 10
"""So many calls a build takes that change something."""


@dataclass(slots=True, kw_only=True)
class DyingBuilder(ApiBuilder):
    """Packer 1.6.6, killed with its whole group after ``lives`` calls that change something."""

    lives: int = CALLS

    def build(self, request: BuildRequest, on_line: Callable[[str], None]) -> BuildProduct:
        """Build, or be killed."""
        changes = count(1)

        def die(model: Any, **_: Any) -> None:
            if mutates(action_name("ec2", model.name)) and next(changes) == self.lives:
                raise KilledError

        events = self.clients.ec2.meta.events
        events.register("after-call", die)
        try:
            return ApiBuilder.build(self, request, on_line)
        finally:
            events.unregister("after-call", die)
