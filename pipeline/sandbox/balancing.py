"""Load balancers: target health as the machines see it, draining, and routes derived from what moto stores."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from pipeline.sandbox.fleets.model import Group, Member
from pipeline.sandbox.machines import HealthCheck, Listener, Rule, Target, TargetGroup, TargetHealth
from pipeline.sandbox.registry import Parameters, Request, operation, refusal
from pipeline.sandbox.state import Scope, State

_LAST_PRIORITY = 50001
_WELL = frozenset({"healthy", "unused"})


def register(scope: Scope, group_arn: str, instance: str) -> None:
    """Register an instance of a group; a target group that is gone is left alone, as Auto Scaling does."""
    group = scope.elbv2.target_groups.get(group_arn)
    if group is not None:
        scope.state.draining.pop((group_arn, instance), None)
        group.register([{"Id": instance}])


def deregister(scope: Scope, group_arn: str, instance: str) -> timedelta:
    """Begin to drain a target and answer how long that takes; nought when it is not registered."""
    group = scope.elbv2.target_groups.get(group_arn)
    target = group.targets.pop(instance, None) if group is not None else None
    if target is None:
        return timedelta()
    delay = timedelta(seconds=int(group.attributes["deregistration_delay.timeout_seconds"]))
    scope.state.draining[group_arn, instance] = scope.now + delay, int(target["Port"])
    return delay


def target_health(scope: Scope, group_arn: str, instance: str) -> TargetHealth:
    """Tell a target's health in elbv2's words."""
    group = scope.elbv2.target_groups.get(group_arn)
    target = group.targets.get(instance) if group is not None else None
    if target is None:
        if (group_arn, instance) in scope.state.draining:
            text = "Target deregistration is in progress"
            return TargetHealth(state="draining", reason="Target.DeregistrationInProgress", description=text)
        text = "Target is not registered to the target group"
        return TargetHealth(state="unused", reason="Target.NotRegistered", description=text)
    if all(group_arn != each for _, each in used(scope)):
        text = "Target group is not configured to receive traffic from the load balancer"
        return TargetHealth(state="unused", reason="Target.NotInUse", description=text)
    machine = scope.state.instances.get(instance)
    if machine is not None and machine.state in {"stopped", "stopping", "terminated"}:
        text = f"Target is in the {machine.state} state"
        return TargetHealth(state="unused", reason="Target.InvalidState", description=text)
    return scope.state.machines.health(group_arn, instance, int(target["Port"]))


def passing(scope: Scope, group: Group, member: Member) -> bool:
    """Tell whether a member passes the checks of all its target groups that are in use."""
    return all(target_health(scope, arn, member.instance).state in _WELL for arn in group.target_groups)


def failing(scope: Scope, group: Group, member: Member) -> bool:
    """Tell whether a target group reports a member as unhealthy."""
    return any(target_health(scope, arn, member.instance).state == "unhealthy" for arn in group.target_groups)


def alarm_state(scope: Scope, name: str) -> str:
    """Tell a CloudWatch alarm's state; empty when there is no such alarm."""
    alarm = scope.backend("cloudwatch").alarms.get(name)
    return str(alarm.state_value) if alarm else ""


def route(state: State) -> None:
    """Let the machines' load balancers be what moto stores, whenever that has changed."""
    for key, (until, _) in list(state.draining.items()):
        if state.clock.now() >= until:
            del state.draining[key]
    scopes = [state.scope(account, region) for account, region in state.networks.regions()]
    listeners = [listener for scope in scopes for listener in _listeners(scope)]
    groups = [_group(scope, group) for scope in scopes for group in scope.elbv2.target_groups.values()]
    if state.routed != (listeners, groups):
        state.machines.route(listeners, groups)
        state.routed = (listeners, groups)


def _listeners(scope: Scope) -> Iterator[Listener]:
    for balancer in scope.elbv2.load_balancers.values():
        for listener in balancer.listeners.values():
            rules = sorted(map(_rule, listener.rules.values()), key=lambda rule: rule.priority)
            yield Listener(arn=listener.arn, address=balancer.dns_name, port=int(listener.port), rules=tuple(rules))


def _rule(rule: Any) -> Rule:
    values: dict[str, list[str]] = {}
    for condition in rule.conditions or []:
        field = condition["Field"]
        detail = condition.get("PathPatternConfig") or condition.get("HostHeaderConfig") or {}
        values[field] = list(condition.get("Values") or detail.get("Values") or [])
    action = rule.actions[-1].data
    fixed = action.get("FixedResponseConfig") or {}
    return Rule(
        priority=int(rule.priority) if str(rule.priority).isdecimal() else _LAST_PRIORITY,
        paths=tuple(values.get("path-pattern", ())),
        hosts=tuple(values.get("host-header", ())),
        weights=_weights(action),
        fixed_status=int(fixed["StatusCode"]) if fixed else None,
        fixed_body=str(fixed.get("MessageBody") or ""),
    )


def _weights(action: dict[str, Any]) -> dict[str, int]:
    groups = (action.get("ForwardConfig") or {}).get("TargetGroups") or []
    return {group["TargetGroupArn"]: int(group["Weight"]) for group in groups}


def used(scope: Scope) -> Iterator[tuple[str, str]]:
    """List which load balancer forwards to which target group."""
    for balancer in scope.elbv2.load_balancers.values():
        for listener in balancer.listeners.values():
            for rule in listener.rules.values():
                for action in rule.actions:
                    yield from ((balancer.arn, group) for group in _weights(action.data))


def _group(scope: Scope, group: Any) -> TargetGroup:
    port = str(group.health_check_port or "")
    registered = [(id_, int(target["Port"]), False) for id_, target in group.targets.items()]
    draining = [(id_, port, True) for (arn, id_), (_, port) in scope.state.draining.items() if arn == group.arn]
    targets = []
    for id_, target_port, drains in [*registered, *draining]:
        instance = scope.state.instances.get(id_)
        if instance is not None and instance.state not in {"terminated", "shutting-down"}:
            where, image = instance.private_ip_address, instance.image_id
            targets.append(Target(instance=id_, image=image, address=where, port=target_port, draining=drains))
    check = HealthCheck(
        path="" if group.health_check_protocol == "TCP" else group.health_check_path or "/",
        port=int(port) if port.isdecimal() else None,
        interval=timedelta(seconds=int(group.health_check_interval_seconds)),
        timeout=timedelta(seconds=int(group.health_check_timeout_seconds)),
        healthy_threshold=int(group.healthy_threshold_count),
        unhealthy_threshold=int(group.unhealthy_threshold_count),
        matcher=str((getattr(group, "matcher", None) or {}).get("HttpCode") or "200"),
    )
    return TargetGroup(arn=group.arn, check=check, targets=tuple(targets))


@operation("elbv2", "CreateLoadBalancer")
def create_load_balancer(request: Request, parameters: Parameters) -> object:
    """Create a load balancer whose DNS name is a loopback address of its own."""
    for balancer in request.elbv2.load_balancers.values():
        if balancer.name == parameters["Name"]:
            raise refusal(
                "DuplicateLoadBalancerName", "A load balancer with the same name exists, but with differences"
            )
    result = request.native()
    arn, newest = request.elbv2.load_balancers.popitem()
    newest.dns_name = request.state.networks.next_balancer(request.account, request.region)
    if newest.type == "network":
        newest.arn = arn.replace("/app/", "/net/", 1)
        request.elbv2.tagging_service.copy_tags(arn, newest.arn)
    request.elbv2.load_balancers[newest.arn] = newest
    return result


@operation("elbv2", "DeregisterTargets")
def deregister_targets(request: Request, parameters: Parameters) -> object:
    """Begin to drain targets; one that is not registered is no error."""
    if parameters["TargetGroupArn"] not in request.elbv2.target_groups:
        raise refusal("TargetGroupNotFound", "One or more target groups not found")
    for target in parameters.get("Targets") or []:
        deregister(request, parameters["TargetGroupArn"], target["Id"])
    return {}


@operation("elbv2", "DescribeTargetHealth")
def describe_target_health(request: Request, parameters: Parameters) -> object:
    """Tell the health of the targets, draining ones included."""
    arn = parameters["TargetGroupArn"]
    group = request.elbv2.target_groups.get(arn)
    if group is None:
        raise refusal("TargetGroupNotFound", "One or more target groups not found")
    draining = {id_: port for (group_arn, id_), (_, port) in request.state.draining.items() if group_arn == arn}
    ports = {**draining, **{id_: int(target["Port"]) for id_, target in group.targets.items()}}
    asked = [target["Id"] for target in parameters.get("Targets") or []] or list(ports)
    descriptions = []
    for id_ in asked:
        health = target_health(request, arn, id_)
        detail = {"State": health.state, "Reason": health.reason or None, "Description": health.description or None}
        port = ports.get(id_, int(group.port or 0))
        descriptions.append({"Target": {"Id": id_, "Port": port}, "HealthCheckPort": str(port), "TargetHealth": detail})
    return {"TargetHealthDescriptions": descriptions}
