"""Listeners and rules: their actions and transforms as the service takes, keeps and describes them."""

from __future__ import annotations

from typing import Any

from moto.elbv2.models import FakeAction

from pipeline.sandbox.registry import Parameters, Request, operation, refusal

_WEIGHT_MAX = 999
_LONGEST_STICKINESS = 604800
_SECRETS = ("ClientSecret", "UseExistingClientSecret")
_AUTHENTICATION: dict[str, Any] = {
    "SessionCookieName": "AWSELBAuthSessionCookie",
    "Scope": "openid",
    "SessionTimeout": 604800,
    "OnUnauthenticatedRequest": "authenticate",
}


@operation("elbv2", "CreateListener", "ModifyListener")
def put_listener(request: Request, parameters: Parameters) -> object:
    """Make or change a listener; actions that are given are all that it then has."""
    before: list[Any] = []
    balancer = parameters.get("LoadBalancerArn")
    if balancer is None:
        (listener,) = request.elbv2.describe_listeners(None, [parameters["ListenerArn"]])
        before, balancer = listener.default_actions, listener.load_balancer_arn
    kept = _kept(request, parameters.get("DefaultActions") or [], before, balancer)
    result: Any = request.native()
    (listener,) = result["Listeners"]
    if kept:
        listener.default_actions = listener._default_rule[0].actions = kept  # noqa: SLF001 - moto keeps them twice
    return result


@operation("elbv2", "CreateRule", "ModifyRule")
def put_rule(request: Request, parameters: Parameters) -> object:
    """Make or change a rule; a list that is given replaces the whole list, one that is not stays."""
    before: list[Any] = []
    listener_arn = parameters.get("ListenerArn")
    if listener_arn is None:
        (rule,) = request.elbv2.describe_rules(None, [parameters["RuleArn"]])
        if rule.is_default:
            raise refusal("OperationNotPermitted", "Default rules cannot be modified; modify their listener")
        before, listener_arn = rule.actions, rule.listener_arn
    (listener,) = request.elbv2.describe_listeners(None, [listener_arn])
    transforms, reset = parameters.get("Transforms"), parameters.get("ResetTransforms")
    if transforms and reset:
        raise refusal("ValidationError", "You cannot specify both Transforms and ResetTransforms")
    kept = _kept(request, parameters.get("Actions") or [], before, listener.load_balancer_arn)
    # moto knows no transforms: to it a change of these alone is none, and refused.
    alone = before and (transforms or reset) and not (kept or parameters.get("Conditions"))
    result: Any = {"Rules": [rule]} if alone else request.native()
    (rule,) = result["Rules"]
    rule.actions = kept or rule.actions
    if transforms or reset:
        rule.transforms = transforms or []
    return result


def _kept(request: Request, actions: list[Any], before: list[Any], balancer_arn: str) -> list[Any]:
    """Check actions and make of them what is kept: in their order, defaults filled in, without secrets."""
    balancer = request.elbv2.load_balancers.get(balancer_arn)
    network = balancer is not None and balancer.type == "network"
    kept = []
    for action in sorted(actions, key=lambda action: int(action.get("Order") or 0)):
        filled = dict(action)
        if action["Type"] == "forward":
            filled |= _forward(request, action, network=network)
        if config := action.get("AuthenticateCognitoConfig"):
            filled["AuthenticateCognitoConfig"] = _AUTHENTICATION | config
        if config := action.get("AuthenticateOidcConfig"):
            _check_secret(config, known=any(earlier.type == action["Type"] for earlier in before))
            public = {name: value for name, value in config.items() if name not in _SECRETS}
            filled["AuthenticateOidcConfig"] = _AUTHENTICATION | public
        kept.append(FakeAction(filled))
    return kept


def _check_secret(config: dict[str, Any], *, known: bool) -> None:
    given, existing = (config.get(name) for name in _SECRETS)
    if given and existing:
        text = "You cannot both specify a client secret and set UseExistingClientSecret to true"
        raise refusal("InvalidLoadBalancerAction", text)
    if not given and not (existing and known):
        text = "You must either specify a client secret or set UseExistingClientSecret to true"
        raise refusal("InvalidLoadBalancerAction", text)


def _forward(request: Request, action: dict[str, Any], *, network: bool) -> dict[str, Any]:
    scalar, config = action.get("TargetGroupArn"), action.get("ForwardConfig") or {}
    groups = [{"Weight": 1, **group} for group in config.get("TargetGroups") or []]
    if scalar and groups and [group["TargetGroupArn"] for group in groups] != [scalar]:
        raise refusal("ValidationError", "ForwardConfig and TargetGroupArn must name the same single target group")
    groups = groups or ([{"TargetGroupArn": scalar, "Weight": 1}] if scalar else [])
    if not groups:
        raise refusal("ValidationError", "A target group must be specified for a forward action")
    if any(group["TargetGroupArn"] not in request.elbv2.target_groups for group in groups):
        raise refusal("TargetGroupNotFound", "One or more target groups not found")
    if any(not 0 <= int(group["Weight"]) <= _WEIGHT_MAX for group in groups):
        raise refusal("ValidationError", "The weight for each target group must be between 0 and 999, inclusive")
    stickiness = config.get("TargetGroupStickinessConfig") or {"Enabled": False}
    seconds = int(stickiness.get("DurationSeconds") or 0)
    if stickiness.get("Enabled") and (network or not 1 <= seconds <= _LONGEST_STICKINESS):
        why = "is not supported by Network Load Balancers" if network else "lasts 1 to 604800 seconds"
        raise refusal("InvalidLoadBalancerAction", f"Target group stickiness {why}")
    forward = {"ForwardConfig": {"TargetGroups": groups, "TargetGroupStickinessConfig": stickiness}}
    # A single group stands in both ways, several in ForwardConfig alone.
    return forward if len(groups) > 1 else {**forward, "TargetGroupArn": groups[0]["TargetGroupArn"]}
