"""Which target gets a request: rules by priority, weights among groups, round robin among healthy targets."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable

from pipeline.sandbox.machines import HealthCheck, Rule, Target

Key = tuple[str, str, int]
"""Instance, address, port: a target's identity within its group."""


class Backend:
    """A target and what is known of it. A draining one gets nothing new; what is under way with it is answered."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.draining = target.draining
        self.healthy = False
        self.watching: asyncio.Task[None] | None = None

    def unwatch(self) -> None:
        """End its health checks."""
        if self.watching is not None:
            self.watching.cancel()
            self.watching = None


class Group:
    """A target group: it hands out targets in turn."""

    def __init__(self, check: HealthCheck) -> None:
        self.check = check
        self.backends: dict[Key, Backend] = {}
        self._ready: tuple[Backend, ...] = ()
        self._next = 0

    def refresh(self) -> None:
        """Note that a target came, went or changed its health."""
        open_ones = tuple(b for b in self.backends.values() if not b.draining)
        # Fail-open as ELB does it: with nobody healthy, everybody gets requests.
        self._ready = tuple(b for b in open_ones if b.healthy) or open_ones

    def pick(self) -> Backend | None:
        """Answer the next target; None when there is none."""
        if not self._ready:
            return None
        self._next = (self._next + 1) % len(self._ready)
        return self._ready[self._next]


class Route:
    """A rule, compiled."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._paths = _patterns(rule.paths, ignore_case=False)
        self._hosts = _patterns(rule.hosts, ignore_case=True)
        self._credit = dict.fromkeys(rule.weights, 0)

    def matches(self, path: str, host: str) -> bool:
        """Whether a request meets all conditions; a rule without conditions takes everything."""
        return (self._paths is None or self._paths.fullmatch(path) is not None) and (
            self._hosts is None or self._hosts.fullmatch(host) is not None
        )

    def group(self) -> str | None:
        """Answer the next target group: smooth weighted round robin, so that 90/10 is exact in every ten."""
        weights = self.rule.weights
        total = sum(weights.values())
        if total == 0:
            return None
        for arn, weight in weights.items():
            self._credit[arn] += weight
        best = max(self._credit, key=self._credit.__getitem__)
        self._credit[best] -= total
        return best


def routes(rules: Iterable[Rule]) -> tuple[Route, ...]:
    """Compile rules in the order in which they are asked: by priority, those without conditions last."""
    return tuple(Route(rule) for rule in sorted(rules, key=lambda r: (not (r.paths or r.hosts), r.priority)))


def find(table: tuple[Route, ...], path: str, host: str) -> Route | None:
    """Find the first rule that a request meets."""
    return next((route for route in table if route.matches(path, host)), None)


def _patterns(globs: tuple[str, ...] | list[str], *, ignore_case: bool) -> re.Pattern[str] | None:
    if not globs:
        return None
    # ELB knows * and ? only; fnmatch would also read [ ] as a set.
    parts = (re.escape(glob).replace(r"\*", ".*").replace(r"\?", ".") for glob in globs)
    return re.compile("|".join(parts), re.IGNORECASE if ignore_case else 0)
