"""What the sandbox and its balancer process tell each other: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from pipeline.sandbox.machines import HealthCheck, Listener, Rule, Target, TargetGroup, TargetHealth, Traffic

Routing = tuple[tuple[Listener, ...], tuple[TargetGroup, ...], dict[str, str]]
"""Listeners, target groups, and the image of each instance."""

HealthKey = tuple[str, str, int]
"""Target group, instance, port."""

REGISTERING = TargetHealth(
    state="initial", reason="Elb.RegistrationInProgress", description="Target registration is in progress"
)


def write_routing(listeners: Sequence[Listener], groups: Sequence[TargetGroup], images: Mapping[str, str]) -> str:
    """Write what is to be routed."""
    return json.dumps(
        {
            "listeners": [
                [one.arn, one.address, one.port, [_rule_fields(rule) for rule in one.rules]] for one in listeners
            ],
            "groups": [
                [one.arn, _check_fields(one.check), [[t.instance, t.address, t.port, t.draining] for t in one.targets]]
                for one in groups
            ],
            "images": dict(images),
        }
    )


def read_routing(line: str | bytes) -> Routing:
    """Read what `write_routing` wrote."""
    data = json.loads(line)
    listeners = tuple(
        Listener(arn=arn, address=address, port=port, rules=tuple(_rule(fields) for fields in rules))
        for arn, address, port, rules in data["listeners"]
    )
    groups = tuple(
        TargetGroup(
            arn=arn,
            check=_check(check),
            targets=tuple(Target(instance=i, address=a, port=p, draining=d) for i, a, p, d in targets),
        )
        for arn, check, targets in data["groups"]
    )
    return listeners, groups, data["images"]


def write_health(key: HealthKey, health: TargetHealth) -> str:
    """Write a target's new health."""
    return json.dumps({"health": [*key, health.state, health.reason, health.description]})


def read_health(data: Mapping[str, Any]) -> tuple[HealthKey, TargetHealth]:
    """Read what `write_health` wrote."""
    group, instance, port, state, reason, description = data["health"]
    return (group, instance, port), TargetHealth(state=state, reason=reason, description=description)


def write_traffic(served: Sequence[Traffic]) -> str:
    """Write what was served."""
    rows = [[one.listener, one.group, one.instance, dict(one.answers), list(one.seconds.items())] for one in served]
    return json.dumps({"traffic": rows})


def read_traffic(data: Mapping[str, Any]) -> list[Traffic]:
    """Read what `write_traffic` wrote."""
    return [
        Traffic(listener=listener, group=group, instance=instance, answers=answers, seconds=dict(seconds))
        for listener, group, instance, answers, seconds in data["traffic"]
    ]


def _rule_fields(rule: Rule) -> list[Any]:
    return [rule.priority, rule.paths, rule.hosts, dict(rule.weights), rule.fixed_status, rule.fixed_body]


def _rule(fields: list[Any]) -> Rule:
    priority, paths, hosts, weights, status, body = fields
    return Rule(
        priority=priority,
        paths=tuple(paths),
        hosts=tuple(hosts),
        weights=weights,
        fixed_status=status,
        fixed_body=body,
    )


def _check_fields(check: HealthCheck) -> list[Any]:
    return [
        check.path,
        check.port,
        check.interval.total_seconds(),
        check.timeout.total_seconds(),
        check.healthy_threshold,
        check.unhealthy_threshold,
        check.matcher,
    ]


def _check(fields: list[Any]) -> HealthCheck:
    path, port, interval, timeout, healthy, unhealthy, matcher = fields
    return HealthCheck(
        path=path,
        port=port,
        interval=timedelta(seconds=interval),
        timeout=timedelta(seconds=timeout),
        healthy_threshold=healthy,
        unhealthy_threshold=unhealthy,
        matcher=matcher,
    )
