from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta

import pytest

from pipeline.sandbox.machines import HealthCheck, Listener, Rule, Target, TargetGroup, TargetHealth, Traffic
from pipeline.sandbox.real.balancer.health import Tally, accepts, judge
from pipeline.sandbox.real.balancer.routing import Backend, Group, Route, find, routes
from pipeline.sandbox.real.balancer.wire import (
    REGISTERING,
    read_health,
    read_routing,
    read_traffic,
    write_health,
    write_routing,
    write_traffic,
)

SICK = TargetHealth(state="unhealthy", reason="Target.Timeout", description="Request timed out")


def group_of(*backends: Backend) -> Group:
    """Build a group of targets."""
    group = Group(HealthCheck())
    group.backends = {(b.target.instance, b.target.address, b.target.port): b for b in backends}
    group.refresh()
    return group


def backend(name: str, *, healthy: bool = True, draining: bool = False) -> Backend:
    """Build a target."""
    made = Backend(Target(instance=name, image="ami", address="127.0.0.1", port=1, draining=draining))
    made.healthy = healthy
    return made


@pytest.mark.parametrize("weights", [{"a": 90, "b": 10}, {"a": 1, "b": 0}, {"a": 3, "b": 2, "c": 5}])
def test_weights_are_exact_over_a_hundred_requests(weights: dict[str, int]) -> None:
    """A shift to 10 % can be seen after a handful of requests, not only on average."""
    route = Route(Rule(priority=1, weights=weights))
    seen = Counter(route.group() for _ in range(100))
    assert seen == Counter({name: 100 * w // sum(weights.values()) for name, w in weights.items() if w})


def test_a_rule_whose_weights_are_all_zero_goes_nowhere() -> None:
    """The client is told that there is no target."""
    assert Route(Rule(priority=1, weights={"a": 0})).group() is None


def test_targets_take_turns() -> None:
    """Round robin among the healthy."""
    group = group_of(backend("a"), backend("b"), backend("c", healthy=False), backend("d", draining=True))
    assert Counter(b.target.instance for b in (group.pick() for _ in range(6)) if b) == {"a": 3, "b": 3}


def test_with_nobody_healthy_everybody_gets_requests() -> None:
    """Fail-open: ELB prefers a doubtful answer to none; draining targets stay out."""
    group = group_of(backend("a", healthy=False), backend("b", healthy=False), backend("c", draining=True))
    assert {b.target.instance for b in (group.pick() for _ in range(4)) if b} == {"a", "b"}
    assert group_of().pick() is None


def test_rules_are_asked_by_priority_and_the_default_last() -> None:
    """Paths match with case, hosts without; only * and ? are special."""
    table = routes(
        [
            Rule(priority=0, weights={"default": 1}),
            Rule(priority=20, paths=("/api/*",), weights={"api": 1}),
            Rule(priority=10, paths=("/api/v?/[x]",), hosts=("*.example.com",), weights={"v": 1}),
        ]
    )

    def to(path: str, host: str = "") -> str | None:
        route = find(table, path, host)
        return route.group() if route else None

    assert to("/api/v1/[x]", "WWW.Example.com") == "v"
    assert to("/api/v1/x", "www.example.com") == "api"
    assert to("/API/v1") == "default"
    assert find(table[:2], "/other", "") is None


def test_one_pass_makes_a_new_target_healthy() -> None:
    """The healthy threshold is for targets that were unhealthy."""
    check = HealthCheck(healthy_threshold=3, unhealthy_threshold=2)
    tally = Tally()
    assert judge(tally, check, None).state == "healthy"
    assert judge(tally, check, SICK).state == "healthy"
    assert judge(tally, check, SICK) == SICK
    assert [judge(tally, check, None).state for _ in range(3)] == ["unhealthy", "unhealthy", "healthy"]


def test_a_new_target_is_initial_until_its_checks_say_otherwise() -> None:
    """First it registers, then it is checked, then it is unhealthy."""
    tally, check = Tally(), HealthCheck(unhealthy_threshold=2)
    assert tally.health == REGISTERING
    assert judge(tally, check, SICK).reason == "Elb.InitialHealthChecking"
    assert judge(tally, check, SICK) == SICK


@pytest.mark.parametrize(
    ("matcher", "status", "ok"),
    [("200", 200, True), ("200,202", 202, True), ("200-299", 204, True), ("200-299", 301, False), ("200", 500, False)],
)
def test_a_matcher_takes_codes_lists_and_ranges(matcher: str, status: int, ok: bool) -> None:
    """ELB's three ways to write it."""
    assert accepts(matcher, status) is ok


def test_the_wire_carries_everything() -> None:
    """What one process writes the other reads back, equal."""
    listener = Listener(
        arn="l",
        address="127.0.0.1",
        port=80,
        rules=(
            Rule(priority=1, paths=("/a",), hosts=("h",), weights={"g": 3}),
            Rule(priority=2, fixed_status=503, fixed_body="no"),
        ),
    )
    group = TargetGroup(
        arn="g",
        check=HealthCheck(path="/h", port=8, interval=timedelta(seconds=7), matcher="200-204"),
        targets=(Target(instance="i", image="ami", address="127.0.0.2", port=80, draining=True),),
    )
    assert read_routing(write_routing([listener], [group])) == ((listener,), (group,))
    key = ("g", "i", 80)
    assert read_health(json.loads(write_health(key, SICK))) == (key, SICK)
    served = Traffic(listener="l", group="g", instance="i", answers={"Target_2XX": 2}, seconds={0.0021: 1, 0.5: 1})
    assert read_traffic(json.loads(write_traffic([served]))) == [served]
