"""Instances of tier B, and what tests ask of them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import timedelta

from sandbox_real.living import until

from pipeline.sandbox.machines import (
    CommandOutput,
    HealthCheck,
    Listener,
    Machines,
    MachineSpec,
    MachineState,
    Rule,
    Target,
    TargetGroup,
)
from pipeline.sandbox.real import open_port

NET = "127.29.1"
DOOR = "127.81.2.1"
CHECK = HealthCheck(interval=timedelta(seconds=1), healthy_threshold=2, unhealthy_threshold=2)


def spec(number: int, behaviour: str = "healthy", image: str = "ami-1") -> MachineSpec:
    """Describe an instance."""
    return MachineSpec(
        instance=f"i-{number}",
        image=image,
        address=f"{NET}.{number}",
        tags={"sandbox:behaviour": behaviour},
    )


def boot(machines: Machines, *specs: MachineSpec) -> None:
    """Boot and wait until each runs, whether it can be reached or not."""
    up = {MachineState.RUNNING, MachineState.IMPAIRED}
    for one in specs:
        machines.boot(one)
    until(lambda: all(machines.state(one.instance) in up for one in specs))


def run(machines: Machines, instance: str, script: str, seconds: float = 10) -> CommandOutput:
    """Run a command to its end."""
    command = machines.command(instance, script, timedelta(seconds=seconds))
    until(lambda: command.poll() is not None)
    output = command.poll()
    assert output is not None
    return output


def group(*numbers: int) -> TargetGroup:
    """Build a target group of instances."""
    targets = tuple(Target(instance=f"i-{n}", image="ami-1", address=f"{NET}.{n}", port=80) for n in numbers)
    return TargetGroup(arn="tg", check=CHECK, targets=targets)


def door(*rules: Rule) -> Listener:
    """Build a listener."""
    return Listener(arn="l", address=DOOR, port=80, rules=rules or (Rule(priority=1, weights={"tg": 1}),))


def get(address: str, path: str = "/") -> tuple[int, dict[str, object]]:
    """Ask an instance or the balancer."""
    try:
        with urllib.request.urlopen(f"http://{address}:{open_port(80)}{path}", timeout=5) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def answers(address: str) -> bool:
    """Whether somebody answers 200."""
    try:
        return get(address)[0] == 200
    except OSError:
        return False
