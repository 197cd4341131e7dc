"""Traffic, through Elastic Load Balancing: application and network load balancers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from pipeline.aws.failures import translated
from pipeline.aws.paging import copied_tags, tag_list, tags_of
from pipeline.aws.session import Clients
from pipeline.errors import HeldError, NotFound, NotOurs, NotPossible
from pipeline.model.ids import InstanceId, TargetGroupArn
from pipeline.model.names import TAG_ORIGIN
from pipeline.model.traffic import Route, TargetGroup, TargetHealth

_RULE = ":listener-rule/"
# A network load balancer's listener has no rules beside its default.
_WITH_RULES = {"HTTP", "HTTPS"}


class ElbTraffic:
    """The port `Traffic`. A route is the ARN of a rule, or of a listener whose default action is meant."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def route(self, arn: str) -> Route:
        """Fetch the forward action of a listener rule, or of the default action of a listener.

        Raises:
            NotFound: there is no such listener or rule.
            NotPossible: it does not forward, or it is a default rule, which only its listener can change.
        """
        return _route(arn, self._actions(arn))

    @translated("elasticloadbalancing")
    def weigh(self, route: Route, weights: Mapping[TargetGroupArn, int]) -> None:
        """Let the route forward to these target groups with these weights; nothing is sent where it does already.

        ModifyRule and ModifyListener replace the list of actions, so all of them are sent again whole. They take no
        version of what they replace: a change between the reading here and the call is lost.

        Raises:
            HeldError: the route's weights are no longer those of ``route``: somebody else changed them.
        """
        actions = self._actions(route.arn)
        present = _route(route.arn, actions).weights
        if present == weights:
            return
        if present != route.weights:
            raise HeldError(
                f"{route.arn} forwards to {_words(present)}, and no longer to {_words(route.weights)}.",
                hint="find out who else shifts its traffic, and run again",
            )
        again: Any = [_again(action, weights) for action in actions]
        if _RULE in route.arn:
            self._clients.elbv2.modify_rule(RuleArn=route.arn, Actions=again)
        else:
            self._clients.elbv2.modify_listener(ListenerArn=route.arn, DefaultActions=again)

    def elsewhere(self, target_group: TargetGroupArn, *, route: str) -> tuple[str, ...]:
        """List the listeners and rules, other than the route, that forward to the target group."""
        return tuple(arn for arn in self.forwarding(target_group) if arn != route)

    @translated("elasticloadbalancing")
    def forwarding(self, target_group: TargetGroupArn) -> Mapping[str, int]:
        """Tell which listeners and rules forward to a target group, each with its weight there.

        Raises:
            NotFound: it is gone.
        """
        balancers = self._described(TargetGroupArns=[target_group])[0].get("LoadBalancerArns", [])
        listeners = [
            listener
            for balancer in balancers
            for page in self._clients.elbv2.get_paginator("describe_listeners").paginate(LoadBalancerArn=balancer)
            for listener in page["Listeners"]
        ]
        actions = {listener["ListenerArn"]: listener.get("DefaultActions", []) for listener in listeners}
        for listener in listeners:
            if listener.get("Protocol") in _WITH_RULES:
                paginator = self._clients.elbv2.get_paginator("describe_rules")
                for page in paginator.paginate(ListenerArn=listener["ListenerArn"]):
                    # The default rule is the listener's own action.
                    actions |= {rule["RuleArn"]: rule["Actions"] for rule in page["Rules"] if not rule["IsDefault"]}
        weights = {arn: _forwards(found) for arn, found in actions.items()}
        return {arn: found[target_group] for arn, found in weights.items() if target_group in found}

    def target_group(self, arn: TargetGroupArn) -> TargetGroup:
        """Fetch a target group; affinity to a source address (network load balancers) has no end and counts as none.

        Raises:
            NotFound: there is none.
        """
        known = self._attributes(arn)
        kind = known.get("stickiness.type", "")
        sticky = known.get(f"stickiness.{kind}.duration_seconds", 0) if known.get("stickiness.enabled") == "true" else 0
        return TargetGroup(
            arn=arn,
            deregistration_delay=timedelta(seconds=int(known.get("deregistration_delay.timeout_seconds", 0))),
            stickiness=timedelta(seconds=int(sticky)),
        )

    @translated("elasticloadbalancing")
    def clone(self, source: TargetGroupArn, *, name: str, tags: Mapping[str, str]) -> TargetGroupArn:
        """Make a target group of the same settings, attributes and tags of the user's, or take on one of that name.

        Tags are there from the first moment. Only attributes that differ from a fresh group's are sent: some that are
        described cannot be set on every type.

        Raises:
            NotOurs: a target group of that name exists and is of another fleet, or nobody's.
        """
        try:
            made = TargetGroupArn(self._described(Names=[name])[0]["TargetGroupArn"])
        except NotFound:
            made = self._create(source, name, tags)
        else:
            known = self._tags(made)
            if known.get(TAG_ORIGIN) != tags.get(TAG_ORIGIN):
                raise NotOurs(
                    f"The target group {name} exists and is not of this rollout.",
                    hint="delete it or rename it: green groups' target groups have names of their own",
                )
            # One that a killed run has begun is this run's now, and as young as it.
            if not tags.items() <= known.items():
                written: Any = tag_list(tags)
                self._clients.elbv2.add_tags(ResourceArns=[made], Tags=written)
        wanted, fresh = self._attributes(source), self._attributes(made)
        different: Any = [{"Key": key, "Value": value} for key, value in wanted.items() if value != fresh.get(key, "")]
        if different:
            self._clients.elbv2.modify_target_group_attributes(TargetGroupArn=made, Attributes=different)
        return made

    def delete(self, target_group: TargetGroupArn) -> None:
        try:
            self._delete(target_group)
        except NotFound:
            return

    def health(self, target_group: TargetGroupArn) -> tuple[TargetHealth, ...]:
        """List the registered targets, draining ones too; empty for a target group that is gone.

        A load balancer without a healthy target sends to all of them; their states say so nevertheless.
        """
        try:
            return self._health(target_group)
        except NotFound:
            return ()

    @translated("elasticloadbalancing")
    def _actions(self, arn: str) -> Any:
        if _RULE not in arn:
            return self._clients.elbv2.describe_listeners(ListenerArns=[arn])["Listeners"][0].get("DefaultActions", [])
        rule = self._clients.elbv2.describe_rules(RuleArns=[arn])["Rules"][0]
        if rule.get("IsDefault"):
            raise NotPossible(f"{arn} is a default rule.", hint="name its listener's ARN instead")
        return rule.get("Actions", [])

    @translated("elasticloadbalancing")
    def _described(self, **asked: Any) -> list[Any]:
        pages = self._clients.elbv2.get_paginator("describe_target_groups").paginate(**asked)
        return [group for page in pages for group in page["TargetGroups"]]

    @translated("elasticloadbalancing")
    def _attributes(self, arn: TargetGroupArn) -> dict[str, str]:
        return tags_of(self._clients.elbv2.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"])

    def _tags(self, arn: TargetGroupArn) -> dict[str, str]:
        (answer,) = self._clients.elbv2.describe_tags(ResourceArns=[arn])["TagDescriptions"]
        return tags_of(answer.get("Tags", []))

    def _create(self, source: TargetGroupArn, name: str, tags: Mapping[str, str]) -> TargetGroupArn:
        # Whatever CreateTargetGroup takes of what is described; the rest is identity (name, ARN, load balancers).
        elbv2: Any = self._clients.elbv2
        settable = elbv2.meta.service_model.operation_model("CreateTargetGroup").input_shape.members
        (known,) = self._described(TargetGroupArns=[source])
        settings = {key: value for key, value in known.items() if key in settable}
        written = tag_list(copied_tags(self._tags(source)) | dict(tags))
        made = elbv2.create_target_group(Name=name, Tags=written, **settings)
        return TargetGroupArn(made["TargetGroups"][0]["TargetGroupArn"])

    @translated("elasticloadbalancing")
    def _delete(self, arn: TargetGroupArn) -> None:
        self._clients.elbv2.delete_target_group(TargetGroupArn=arn)

    @translated("elasticloadbalancing")
    def _health(self, arn: TargetGroupArn) -> tuple[TargetHealth, ...]:
        answer: Any = self._clients.elbv2.describe_target_health(TargetGroupArn=arn)
        return tuple(
            TargetHealth(
                instance=InstanceId(entry["Target"]["Id"]),
                state=entry["TargetHealth"]["State"],
                reason=entry["TargetHealth"].get("Reason", ""),
            )
            for entry in answer["TargetHealthDescriptions"]
        )


def _route(arn: str, actions: Iterable[Any]) -> Route:
    forward = next((action for action in actions if action["Type"] == "forward"), None)
    if forward is None:
        raise NotPossible(f"{arn} does not forward to target groups.", hint="name the rule that serves the fleet")
    sticky = forward.get("ForwardConfig", {}).get("TargetGroupStickinessConfig", {})
    seconds = sticky.get("DurationSeconds", 0) if sticky.get("Enabled") else 0
    return Route(arn=arn, weights=_forwards([forward]), stickiness=timedelta(seconds=seconds))


def _forwards(actions: Iterable[Any]) -> dict[TargetGroupArn, int]:
    """Read where actions forward to; one target group may be written without weights."""
    found: dict[TargetGroupArn, int] = {}
    for action in actions:
        alone = [{"TargetGroupArn": action["TargetGroupArn"]}] if action.get("TargetGroupArn") else []
        for group in action.get("ForwardConfig", {}).get("TargetGroups") or alone:
            found[TargetGroupArn(group["TargetGroupArn"])] = group.get("Weight", 1)
    return found


def _again(action: Any, weights: Mapping[TargetGroupArn, int]) -> Any:
    """Write an action as it was described, a forward action with these weights."""
    match action["Type"]:
        case "forward":
            # Beside several target groups the scalar is refused, so it goes for one, too.
            groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights.items()]
            config = {**action.get("ForwardConfig", {}), "TargetGroups": groups}
            return {key: value for key, value in action.items() if key != "TargetGroupArn"} | {"ForwardConfig": config}
        case "authenticate-oidc":
            # The client secret is never described.
            return {
                **action,
                "AuthenticateOidcConfig": {**action["AuthenticateOidcConfig"], "UseExistingClientSecret": True},
            }
        case _:
            return action


def _words(weights: Mapping[TargetGroupArn, int]) -> str:
    return ", ".join(f"{arn.split('/')[1]}={weight}" for arn, weight in weights.items())
