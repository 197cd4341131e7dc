from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from world import Fleet, World

OIDC: dict[str, Any] = {
    "Issuer": "https://issuer.example",
    "AuthorizationEndpoint": "https://issuer.example/authorize",
    "TokenEndpoint": "https://issuer.example/token",
    "UserInfoEndpoint": "https://issuer.example/user",
    "ClientId": "web",
}
COGNITO: dict[str, Any] = {"UserPoolArn": "arn:pool", "UserPoolClientId": "web", "UserPoolDomain": "users"}


@pytest.fixture
def fleet(world: World) -> Fleet:
    """Make a listener that forwards to the blue target group."""
    return world.fleet("blue", world.base(), size=0, balanced=True, settle=0)


@pytest.fixture
def green(world: World, fleet: Fleet) -> str:
    """Make another target group."""
    return group(world, fleet.group.replace("blue", "green"))


def group(world: World, name: str, **more: Any) -> str:
    """Make a target group."""
    vpc = world.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    wanted: dict[str, Any] = {"Protocol": "HTTP", "Port": 80, "VpcId": vpc, **more}
    return world.elbv2.create_target_group(Name=name, **wanted)["TargetGroups"][0]["TargetGroupArn"]


def forward(weights: dict[str, int], **stickiness: Any) -> Any:
    """Build a forward action."""
    config: dict[str, Any] = {"TargetGroups": [{"TargetGroupArn": arn, "Weight": w} for arn, w in weights.items()]}
    if stickiness:
        config["TargetGroupStickinessConfig"] = stickiness
    return {"Type": "forward", "ForwardConfig": config}


def default(world: World, listener: str) -> list[Any]:
    """Read a listener's default actions."""
    actions: list[Any] = world.elbv2.describe_listeners(ListenerArns=[listener])["Listeners"][0]["DefaultActions"]
    return actions


def rule(world: World, listener: str, priority: int = 1, **more: Any) -> str:
    """Make a rule."""
    conditions: Any = [{"Field": "path-pattern", "Values": [f"/{priority}"]}]
    made = world.elbv2.create_rule(ListenerArn=listener, Priority=priority, Conditions=conditions, **more)
    return made["Rules"][0]["RuleArn"]


def described(world: World, arn: str) -> Any:
    """Read a rule."""
    return world.elbv2.describe_rules(RuleArns=[arn])["Rules"][0]


def refused(call: Callable[..., Any], code: str, **parameters: Any) -> None:
    """Expect a refusal."""
    with pytest.raises(ClientError) as error:
        call(**parameters)
    assert error.value.response["Error"]["Code"] == code


def test_a_shift_is_read_back_exactly(world: World, fleet: Fleet, green: str) -> None:
    """Weights and stickiness of a listener and of a rule survive their modification; the scalar stands for one only."""
    alone, both = default(world, fleet.listener), {fleet.target_group: 999, green: 0}
    assert alone == [
        {
            "Type": "forward",
            "TargetGroupArn": fleet.target_group,
            "ForwardConfig": {
                "TargetGroups": [{"TargetGroupArn": fleet.target_group, "Weight": 1}],
                "TargetGroupStickinessConfig": {"Enabled": False},
            },
        }
    ]
    shifted = forward(both, Enabled=True, DurationSeconds=60)
    answered = world.elbv2.modify_listener(ListenerArn=fleet.listener, DefaultActions=[shifted])
    assert answered["Listeners"][0]["DefaultActions"] == default(world, fleet.listener) == [shifted]
    of_rule = rule(world, fleet.listener, Actions=[forward(both)])
    world.elbv2.modify_rule(RuleArn=of_rule, Actions=[shifted])
    assert described(world, of_rule)["Actions"] == [shifted]
    # What was read can be sent back: the scalar beside a ForwardConfig of the same single group.
    world.elbv2.modify_rule(RuleArn=of_rule, Actions=alone)
    assert described(world, of_rule)["Actions"] == alone


def test_all_weights_nought_reach_the_machines(world: World, fleet: Fleet, green: str) -> None:
    """A forward to nobody is allowed, and a Network Load Balancer may be weighted too."""
    world.elbv2.modify_listener(ListenerArn=fleet.listener, DefaultActions=[forward({fleet.target_group: 0, green: 0})])
    subnet = world.ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    balancer = world.elbv2.create_load_balancer(
        Name="net", Type="network", Subnets=[subnet], Tags=[{"Key": "team", "Value": "web"}]
    )["LoadBalancers"][0]["LoadBalancerArn"]
    assert ":loadbalancer/net/net/" in balancer
    assert world.elbv2.describe_tags(ResourceArns=[balancer])["TagDescriptions"][0]["Tags"]
    old, new = group(world, "old", Protocol="TCP"), group(world, "new", Protocol="TCP")
    listener = world.elbv2.create_listener(
        LoadBalancerArn=balancer, Protocol="TCP", Port=80, DefaultActions=[forward({old: 9, new: 1})]
    )["Listeners"][0]["ListenerArn"]
    sticky = [forward({old: 1, new: 1}, Enabled=True, DurationSeconds=60)]
    refused(world.elbv2.modify_listener, "InvalidLoadBalancerAction", ListenerArn=listener, DefaultActions=sticky)
    world.wait(1)
    weights = [one.rules[-1].weights for one in world.cloud.virtual.listeners]
    assert weights == [{fleet.target_group: 0, green: 0}, {old: 9, new: 1}]
    assert {one.arn: one.check.path for one in world.cloud.virtual.groups}[old] == ""


def test_action_lists_are_replaced_whole(world: World, fleet: Fleet) -> None:
    """Authentication is kept in its order without its secret, and is gone when it is not sent again."""
    oidc: Any = {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": {**OIDC, "ClientSecret": "s"}}
    cognito: Any = {"Type": "authenticate-cognito", "Order": 1, "AuthenticateCognitoConfig": COGNITO}
    last: Any = {**forward({fleet.target_group: 1}), "Order": 2}
    arn = rule(world, fleet.listener, Actions=[last, oidc])
    first, second = described(world, arn)["Actions"]
    config = first["AuthenticateOidcConfig"]
    assert (first["Type"], second["Type"]) == ("authenticate-oidc", "forward")
    assert (config["ClientId"], config["Scope"], config["SessionTimeout"]) == ("web", "openid", 604800)
    assert "ClientSecret" not in config
    for secret in ({}, {"ClientSecret": "s", "UseExistingClientSecret": True}):
        wrong = [{**first, "AuthenticateOidcConfig": config | secret}, second]
        refused(world.elbv2.modify_rule, "InvalidLoadBalancerAction", RuleArn=arn, Actions=wrong)
    again: Any = {**first, "AuthenticateOidcConfig": {**config, "UseExistingClientSecret": True}}
    world.elbv2.modify_rule(RuleArn=arn, Actions=[again, second])
    assert described(world, arn)["Actions"] == [first, second]
    world.elbv2.modify_listener(ListenerArn=fleet.listener, DefaultActions=[cognito, last])
    assert [action["Type"] for action in default(world, fleet.listener)] == ["authenticate-cognito", "forward"]
    world.elbv2.modify_rule(RuleArn=arn, Actions=[second])
    world.elbv2.modify_listener(ListenerArn=fleet.listener, DefaultActions=[last])
    assert described(world, arn)["Actions"] == default(world, fleet.listener) == [second]


def test_transforms_stay_unless_they_are_sent(world: World, fleet: Fleet) -> None:
    """As conditions and actions do; they can be changed alone and removed."""
    rewrites: Any = [{"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": [{"Regex": "^/a", "Replace": "/b"}]}}]
    other: Any = [{"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": [{"Regex": "^/c", "Replace": "/d"}]}}]
    to_blue = [forward({fleet.target_group: 1})]
    arn = rule(world, fleet.listener, Actions=to_blue, Transforms=rewrites)
    world.elbv2.modify_rule(RuleArn=arn, Actions=to_blue)
    assert described(world, arn)["Transforms"] == rewrites
    world.elbv2.modify_rule(RuleArn=arn, Transforms=other)
    assert described(world, arn)["Transforms"] == other
    assert described(world, arn)["Conditions"][0]["Values"] == ["/1"]
    refused(world.elbv2.modify_rule, "ValidationError", RuleArn=arn, Transforms=other, ResetTransforms=True)
    world.elbv2.modify_rule(RuleArn=arn, ResetTransforms=True)
    assert described(world, arn)["Transforms"] == []
    assert described(world, arn)["Actions"][0]["TargetGroupArn"] == fleet.target_group


def test_actions_that_are_refused(world: World, fleet: Fleet, green: str) -> None:
    """Weights out of range, groups that are not there, two ways that disagree, a default rule, a new rule's secret."""
    modify, blue = world.elbv2.modify_listener, fleet.target_group
    for code, action in (
        ("ValidationError", forward({blue: 1000})),
        ("ValidationError", {"Type": "forward"}),
        ("ValidationError", {**forward({green: 1}), "TargetGroupArn": blue}),
        ("TargetGroupNotFound", forward({blue: 1, "arn:none": 1})),
        ("InvalidLoadBalancerAction", forward({blue: 1, green: 1}, Enabled=True, DurationSeconds=604801)),
    ):
        refused(modify, code, ListenerArn=fleet.listener, DefaultActions=[action])
    assert default(world, fleet.listener)[0]["TargetGroupArn"] == blue
    (only,) = world.elbv2.describe_rules(ListenerArn=fleet.listener)["Rules"]
    refused(
        world.elbv2.modify_rule,
        "OperationNotPermitted",
        RuleArn=only["RuleArn"],
        Actions=[forward({green: 1})],
    )
    existing = {"Type": "authenticate-oidc", "AuthenticateOidcConfig": {**OIDC, "UseExistingClientSecret": True}}
    refused(
        modify,
        "InvalidLoadBalancerAction",
        ListenerArn=fleet.listener,
        DefaultActions=[existing, forward({blue: 1})],
    )


def test_a_target_group_is_in_use_while_anything_names_it(world: World, fleet: Fleet, green: str) -> None:
    """At weight nought too, and it tells which load balancer uses it."""
    arn = rule(world, fleet.listener, Actions=[forward({fleet.target_group: 1, green: 0})])
    delete, describe = world.elbv2.delete_target_group, world.elbv2.describe_target_groups
    refused(delete, "ResourceInUse", TargetGroupArn=green)
    (balancer,) = world.elbv2.describe_load_balancers()["LoadBalancers"]
    used = describe(LoadBalancerArn=balancer["LoadBalancerArn"])["TargetGroups"]
    assert [each["TargetGroupName"] for each in used] == ["blue", "green"]
    world.elbv2.modify_rule(RuleArn=arn, Actions=[forward({fleet.target_group: 1})])
    assert describe(TargetGroupArns=[green])["TargetGroups"][0]["LoadBalancerArns"] == []
    delete(TargetGroupArn=green)
    refused(describe, "TargetGroupNotFound", TargetGroupArns=[green])


def test_a_target_group_is_made_once(world: World, green: str) -> None:
    """The same again is the same group, another of that name is none, and a name has 32 characters at most."""
    assert group(world, "green") == green
    for name, code in (("green", "DuplicateTargetGroupName"), ("g" * 33, "ValidationError")):
        with pytest.raises(ClientError) as error:
            group(world, name, Port=81)
        assert error.value.response["Error"]["Code"] == code
    world.elbv2.add_tags(ResourceArns=[green], Tags=[{"Key": "fleet", "Value": "web"}])
    (tags,) = world.elbv2.describe_tags(ResourceArns=[green])["TagDescriptions"]
    assert tags["Tags"] == [{"Key": "fleet", "Value": "web"}]


def test_attributes_are_copied_from_group_to_group(world: World, fleet: Fleet, green: str) -> None:
    """Every attribute that is described can be set to what was described, the longest delay included."""
    change, describe = world.elbv2.modify_target_group_attributes, world.elbv2.describe_target_group_attributes
    longest: Any = [
        {"Key": "deregistration_delay.timeout_seconds", "Value": "3600"},
        {"Key": "stickiness.type", "Value": "app_cookie"},
        {"Key": "stickiness.app_cookie.cookie_name", "Value": "session"},
        {"Key": "slow_start.duration_seconds", "Value": "30"},
    ]
    change(TargetGroupArn=fleet.target_group, Attributes=longest)
    blue: Any = describe(TargetGroupArn=fleet.target_group)["Attributes"]
    assert all(each in blue for each in longest)
    assert change(TargetGroupArn=green, Attributes=blue)["Attributes"] == blue
    assert describe(TargetGroupArn=green)["Attributes"] == blue
    for key, value in (("slow_start", "1"), ("deregistration_delay.timeout_seconds", "3601")):
        refused(change, "ValidationError", TargetGroupArn=green, Attributes=[{"Key": key, "Value": value}])


def test_what_is_described_comes_in_pages(world: World, fleet: Fleet, green: str) -> None:
    """Rules, listeners and target groups, all and by ARN; one that is missing is told of."""
    to_green = [forward({green: 1})]
    arns = [rule(world, fleet.listener, number, Actions=to_green) for number in (1, 2, 3)]
    (balancer,) = world.elbv2.describe_load_balancers()["LoadBalancers"]
    for port in (8001, 8002):
        world.elbv2.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=port, DefaultActions=to_green
        )

    def pages(operation: str, key: str, **of: Any) -> list[int]:
        pager = world.client("elbv2").get_paginator(operation)
        return [len(each[key]) for each in pager.paginate(**of, PaginationConfig={"PageSize": 2})]

    assert pages("describe_rules", "Rules", ListenerArn=fleet.listener) == [2, 2]
    assert pages("describe_listeners", "Listeners", LoadBalancerArn=balancer["LoadBalancerArn"]) == [2, 1]
    assert pages("describe_target_groups", "TargetGroups") == [2]
    asked = world.elbv2.describe_rules(RuleArns=arns[1:])["Rules"]
    assert [each["Priority"] for each in asked] == ["2", "3"]
    refused(world.elbv2.describe_listeners, "ListenerNotFound", ListenerArns=[fleet.listener, "arn:none"])
    refused(world.elbv2.describe_rules, "RuleNotFound", RuleArns=["arn:none"])
