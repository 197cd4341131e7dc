"""What the sandbox and its balancer process tell each other: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from pipeline.sandbox.machines import HealthCheck, Listener, Rule, Target, TargetGroup, TargetHealth, Traffic

HealthKey = tuple[str, str, int]
"""Target group, instance, port."""

REGISTERING = TargetHealth(
    state="initial", reason="Elb.RegistrationInProgress", description="Target registration is in progress"
)


def write_routing(listeners: Sequence[Listener], groups: Sequence[TargetGroup]) -> str:
    """Write what is to be routed."""
    data = {"listeners": list(map(asdict, listeners)), "groups": list(map(asdict, groups))}
    return json.dumps(data, default=timedelta.total_seconds)


def read_routing(line: str | bytes) -> tuple[tuple[Listener, ...], tuple[TargetGroup, ...]]:
    """Read what `write_routing` wrote."""
    data = json.loads(line)
    listeners = tuple(Listener(**one | {"rules": tuple(map(_rule, one["rules"]))}) for one in data["listeners"])
    return listeners, tuple(map(_group, data["groups"]))


def _rule(fields: dict[str, Any]) -> Rule:
    return Rule(**fields | {name: tuple(fields[name]) for name in ("paths", "hosts")})


def _group(fields: dict[str, Any]) -> TargetGroup:
    check = fields["check"]
    check |= {name: timedelta(seconds=check[name]) for name in ("interval", "timeout")}
    targets = tuple(Target(**target) for target in fields["targets"])
    return TargetGroup(arn=fields["arn"], check=HealthCheck(**check), targets=targets)


def write_health(key: HealthKey, health: TargetHealth) -> str:
    """Write a target's new health."""
    return json.dumps({"target": key, "health": asdict(health)})


def read_health(data: Mapping[str, Any]) -> tuple[HealthKey, TargetHealth]:
    """Read what `write_health` wrote."""
    group, instance, port = data["target"]
    return (group, instance, port), TargetHealth(**data["health"])


def write_traffic(served: Sequence[Traffic]) -> str:
    """Write what was served."""
    return json.dumps({"traffic": list(map(asdict, served))})


def read_traffic(data: Mapping[str, Any]) -> list[Traffic]:
    """Read what `write_traffic` wrote; the names of JSON's fields are texts."""
    return [
        Traffic(**one | {"seconds": {float(took): count for took, count in one["seconds"].items()}})
        for one in data["traffic"]
    ]
