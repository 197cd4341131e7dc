"""Target groups as the service keeps and describes them, and pages of what elbv2 describes."""

from __future__ import annotations

from typing import Any

from pipeline.sandbox.balancing import used
from pipeline.sandbox.registry import Parameters, Request, operation, page, refusal

_PAGE = 400
_DELAY = "deregistration_delay.timeout_seconds"
_LONGEST_DELAY = 3600
_DEFAULTS = {
    "target_group_health.dns_failover.minimum_healthy_targets.count": "1",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage": "off",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
}
_OF_APPLICATIONS = {
    "load_balancing.algorithm.anomaly_mitigation": "off",
    "stickiness.app_cookie.cookie_name": "",
    "stickiness.app_cookie.duration_seconds": "86400",
    "stickiness.lb_cookie.duration_seconds": "86400",
}
_OF_NETWORKS = {
    "deregistration_delay.connection_termination.enabled": "false",
    "preserve_client_ip.enabled": "true",
    "proxy_protocol_v2.enabled": "false",
    "target_health_state.unhealthy.connection_termination.enabled": "true",
    "target_health_state.unhealthy.draining_interval_seconds": "0",
}


@operation("elbv2", "CreateTargetGroup")
def create_target_group(request: Request, parameters: Parameters) -> object:
    """Make a target group; the same again is the same group."""
    asked = {name: value for name, value in parameters.items() if name != "Tags"}
    for group in request.elbv2.target_groups.values():
        if group.name == asked["Name"] and group.asked == asked:
            return {"TargetGroups": [group]}
    result: Any = request.native()
    (group,) = result["TargetGroups"]
    group.asked = asked
    group.attributes |= _DEFAULTS | (_OF_APPLICATIONS if "HTTP" in (group.protocol or "") else _OF_NETWORKS)
    return result


@operation("elbv2", "ModifyTargetGroupAttributes")
def modify_target_group_attributes(request: Request, parameters: Parameters) -> object:
    """Set attributes of a target group, those that it has."""
    arn = parameters["TargetGroupArn"]
    (group,) = request.elbv2.describe_target_groups(None, [arn], None)
    wanted = {each["Key"]: each.get("Value", "") for each in parameters["Attributes"]}
    for key in wanted:
        if key not in group.attributes:
            raise refusal("ValidationError", f"Target group attribute key '{key}' is not recognized")
    delay = wanted.get(_DELAY, "0")
    if not (delay.isdecimal() and int(delay) <= _LONGEST_DELAY):
        raise refusal("ValidationError", f"'{_DELAY}' value '{delay}' must be between '0-3600' inclusive")
    # moto would refuse the longest delay.
    request.elbv2.modify_target_group_attributes(arn, {key: wanted[key] for key in wanted if key != _DELAY})
    group.attributes |= wanted
    return {"Attributes": wanted}


@operation("elbv2", "DescribeListeners", "DescribeTargetGroups")
def describe_in_pages(request: Request, parameters: Parameters) -> object:
    """Describe listeners or target groups, a page at a time."""
    balancers: dict[str, list[str]] = {}
    for balancer, group in used(request):
        balancers.setdefault(group, []).append(balancer)
    for arn, group in request.elbv2.target_groups.items():
        group.load_balancer_arns = sorted(set(balancers.get(arn, [])))
    result: Any = request.native()
    ((name, items),) = result.items()
    if len(items) < len(set(parameters.get("ListenerArns") or [])):
        raise refusal("ListenerNotFound", "One or more listeners not found")
    start = {**parameters, "NextToken": parameters.get("Marker")}
    shown, marker = page(list(items), start, size="PageSize", default=_PAGE, limit=_PAGE)
    return {name: shown, "NextMarker": marker or None}
