"""Health checks: one task per target, on the target group's terms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import ClientError, ClientTimeout, request
from yarl import URL

from pipeline.sandbox.machines import HealthCheck, Target, TargetHealth
from pipeline.sandbox.real.balancer.wire import REGISTERING
from pipeline.sandbox.real.ports import open_port

_CHECKING = TargetHealth(
    state="initial", reason="Elb.InitialHealthChecking", description="Initial health checks in progress"
)
_HEALTHY = TargetHealth(state="healthy")
_HEADERS = {"User-Agent": "ELB-HealthChecker/2.0"}
_SHORTEST_INTERVAL = 0.05  # seconds: faster checks would measure the checker
_SHORTEST_TIMEOUT = 0.5  # seconds: a process on a busy machine needs real time, whatever the speed


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a target's last checks said. ``passed`` and ``failed`` count in a row."""

    health: TargetHealth = REGISTERING
    passed: int = 0
    failed: int = 0


def judge(tally: Tally, check: HealthCheck, fault: TargetHealth | None) -> TargetHealth:
    """Count one check and tell the health after it.

    One pass makes a new target healthy, as ELB documents; the healthy threshold is for one that was unhealthy.
    """
    if fault is None:
        tally.passed, tally.failed = tally.passed + 1, 0
        enough = 1 if tally.health.state == "initial" else check.healthy_threshold
        if tally.passed >= enough:
            tally.health = _HEALTHY
    else:
        tally.passed, tally.failed = 0, tally.failed + 1
        if tally.failed >= check.unhealthy_threshold:
            tally.health = fault
        elif tally.health.state == "initial":
            tally.health = _CHECKING
    return tally.health


def accepts(matcher: str, status: int) -> bool:
    """Whether a matcher (``200``, ``200,202``, ``200-299``) accepts a status."""
    for part in matcher.split(","):
        low, _, high = part.strip().partition("-")
        if int(low) <= status <= int(high or low):
            return True
    return False


async def watch(target: Target, check: HealthCheck, speed: float, tell: Callable[[TargetHealth], None]) -> None:
    """Check a target until cancelled; ``tell`` hears every change."""
    tally = Tally()
    interval = max(check.interval.total_seconds() / speed, _SHORTEST_INTERVAL)
    tell(tally.health)
    while True:
        before = tally.health
        after = judge(tally, check, await probe(target, check, speed))
        if after != before:
            tell(after)
        await asyncio.sleep(interval)


async def probe(target: Target, check: HealthCheck, speed: float) -> TargetHealth | None:
    """Check a target once; None is a pass."""
    timeout = ClientTimeout(total=max(check.timeout.total_seconds() / speed, _SHORTEST_TIMEOUT))
    url = URL(f"http://{target.address}:{open_port(check.port or target.port)}{check.path}", encoded=True)
    try:
        if not check.path:
            async with asyncio.timeout(timeout.total):
                _, writer = await asyncio.open_connection(url.host, url.port)
            writer.close()
            return None
        async with request("GET", url, headers=_HEADERS, timeout=timeout, allow_redirects=False) as answer:
            if accepts(check.matcher, answer.status):
                return None
    except TimeoutError:
        return TargetHealth(state="unhealthy", reason="Target.Timeout", description="Request timed out")
    except (ClientError, OSError):
        return TargetHealth(state="unhealthy", reason="Target.FailedHealthChecks", description="Health checks failed")
    return TargetHealth(
        state="unhealthy",
        reason="Target.ResponseCodeMismatch",
        description=f"Health checks failed with these codes: [{answer.status}]",
    )
