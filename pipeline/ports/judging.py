"""What gates ask outside AWS: probes from here, an external judge, a statistical test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pipeline.model.gates import Answers, GateVerdict, JudgeGate


class Prober(Protocol):
    """HTTP requests from here."""

    def ask(self, url: str, *, status: int, requests: int) -> Answers:
        """Send requests one after the other; an answer of another status, or none in five seconds, has failed.

        Redirects are answers and are not followed; certificates of ``https`` are checked.
        """
        ...


class Judge(Protocol):
    """A command or a URL that knows more of the service than we do."""

    def ask(self, gate: JudgeGate, facts: Mapping[str, str]) -> GateVerdict:
        """Tell it what is known and hear one of continue, wait, abort, complete; anything else is unknown."""
        ...


class Statistics(Protocol):
    """Statistical tests."""

    def mann_whitney(self, control: Sequence[float], experiment: Sequence[float]) -> float:
        """Answer the two-sided p-value of the Mann-Whitney U test: how likely such a difference is by chance.

        Raises:
            ToolMissing: the extra ``canary`` is not installed.
        """
        ...
