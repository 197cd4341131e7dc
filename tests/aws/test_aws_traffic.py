"""Routes, weights and target groups on the sandbox's load balancers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from aws.account import WEB, Account
from world import Fleet

from pipeline.errors import AccessDenied, HeldError, NotFound, NotOurs, NotPossible
from pipeline.model.ids import TargetGroupArn
from pipeline.model.traffic import TargetGroup

OURS = {"rebake:origin": "web"}


@pytest.fixture
def fleet(account: Account) -> Fleet:
    """A balanced group whose listener forwards to its target group."""
    return account.world.fleet(WEB, account.base().id, size=2, balanced=True)


@pytest.fixture
def blue(fleet: Fleet) -> TargetGroupArn:
    """The fleet's target group."""
    return TargetGroupArn(fleet.target_group)


@pytest.fixture
def green(account: Account, blue: TargetGroupArn) -> TargetGroupArn:
    """A clone of it."""
    return account.traffic.clone(blue, name="web-green", tags=OURS)


def rule(account: Account, fleet: Fleet, *actions: dict[str, Any], path: str = "/a") -> str:
    """Make a rule of the fleet's listener."""
    conditions: Any = [{"Field": "path-pattern", "Values": [path]}]
    wanted: Any = list(actions)
    made = account.world.elbv2.create_rule(
        ListenerArn=fleet.listener, Priority=len(path), Conditions=conditions, Actions=wanted
    )
    return made["Rules"][0]["RuleArn"]


def forward(weights: dict[str, int], **more: Any) -> dict[str, Any]:
    """Make a forward action."""
    groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights.items()]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups, **more}}


def actions_of(account: Account, arn: str) -> Any:
    """Describe a rule's actions."""
    return account.world.elbv2.describe_rules(RuleArns=[arn])["Rules"][0]["Actions"]


def mutations(account: Account, do: Callable[[], object]) -> list[str]:
    """Do it and tell the calls that could have changed something."""
    account.cloud.calls.clear()
    do()
    return [call.action for call in account.cloud.calls if call.mutating]


def test_a_listener_without_weights_is_a_route(account: Account, fleet: Fleet, blue: TargetGroupArn) -> None:
    """One target group has all of the traffic."""
    route = account.traffic.route(fleet.listener)
    assert (dict(route.weights), route.stickiness) == ({blue: 1}, timedelta())


def test_weights_of_a_listener_are_replaced_in_one_call(
    account: Account, fleet: Fleet, blue: TargetGroupArn, green: TargetGroupArn
) -> None:
    """A group of weight nought stays listed, in the order given; one alone is written with its weight, too."""
    route = account.traffic.route(fleet.listener)
    calls = mutations(account, lambda: account.traffic.weigh(route, {blue: 100, green: 0}))
    assert calls == ["elasticloadbalancing:ModifyListener"]
    route = account.traffic.route(fleet.listener)
    assert list(route.weights.items()) == [(blue, 100), (green, 0)]
    account.traffic.weigh(route, {green: 1})
    assert dict(account.traffic.route(fleet.listener).weights) == {green: 1}


def test_everything_else_of_a_rule_is_sent_again(
    account: Account, fleet: Fleet, blue: TargetGroupArn, green: TargetGroupArn
) -> None:
    """ModifyRule replaces the list of actions: sign-in keeps its secret, the forward action its stickiness."""
    oidc = {
        "Type": "authenticate-oidc",
        "Order": 1,
        "AuthenticateOidcConfig": {
            "Issuer": "https://id.example.com",
            "AuthorizationEndpoint": "https://id.example.com/auth",
            "TokenEndpoint": "https://id.example.com/token",
            "UserInfoEndpoint": "https://id.example.com/user",
            "ClientId": "web",
            "ClientSecret": "kept by the service",
        },
    }
    sticky = {"Enabled": True, "DurationSeconds": 600}
    arn = rule(account, fleet, oidc, {**forward({blue: 10}, TargetGroupStickinessConfig=sticky), "Order": 2})
    before = actions_of(account, arn)
    route = account.traffic.route(arn)
    assert route.stickiness == timedelta(minutes=10)
    calls = mutations(account, lambda: account.traffic.weigh(route, {blue: 90, green: 10}))
    assert calls == ["elasticloadbalancing:ModifyRule"]
    login, forwards = actions_of(account, arn)
    assert login == before[0]
    assert forwards["Order"] == 2
    assert forwards["ForwardConfig"]["TargetGroupStickinessConfig"] == sticky
    assert dict(account.traffic.route(arn).weights) == {blue: 90, green: 10}


def test_other_actions_are_sent_as_they_are(
    account: Account, fleet: Fleet, blue: TargetGroupArn, green: TargetGroupArn
) -> None:
    """Only the forward action is changed."""
    pool = {"UserPoolArn": "arn:aws:cognito-idp:1", "UserPoolClientId": "web", "UserPoolDomain": "id"}
    cognito = {"Type": "authenticate-cognito", "Order": 1, "AuthenticateCognitoConfig": pool}
    arn = rule(account, fleet, cognito, {"Type": "forward", "TargetGroupArn": blue, "Order": 2})
    before = actions_of(account, arn)
    account.traffic.weigh(account.traffic.route(arn), {blue: 0, green: 100})
    assert actions_of(account, arn)[0] == before[0]
    assert dict(account.traffic.route(arn).weights) == {blue: 0, green: 100}


def test_a_network_load_balancer_has_weights_too(account: Account, fleet: Fleet) -> None:
    """Its listener has no rules, so that none are asked for."""
    elbv2 = account.world.elbv2
    subnets = account.world.ec2.describe_subnets()["Subnets"][:2]
    balancer = elbv2.create_load_balancer(
        Name="tcp", Type="network", Subnets=[subnet["SubnetId"] for subnet in subnets]
    )["LoadBalancers"][0]["LoadBalancerArn"]
    made = elbv2.create_target_group(Name="tcp", Protocol="TCP", Port=8080, VpcId=subnets[0]["VpcId"])
    blue = TargetGroupArn(made["TargetGroups"][0]["TargetGroupArn"])
    action: Any = {"Type": "forward", "TargetGroupArn": blue}
    answer = elbv2.create_listener(LoadBalancerArn=balancer, Protocol="TCP", Port=9, DefaultActions=[action])
    listener = answer["Listeners"][0]["ListenerArn"]
    green = account.traffic.clone(blue, name="tcp-green", tags=OURS)
    account.traffic.weigh(account.traffic.route(listener), {blue: 90, green: 10})
    assert dict(account.traffic.route(listener).weights) == {blue: 90, green: 10}
    account.cloud.calls.clear()
    assert account.traffic.elsewhere(blue, route=fleet.listener) == (listener,)
    assert "elasticloadbalancing:DescribeRules" not in {call.action for call in account.cloud.calls}


def test_weights_that_somebody_else_changed_are_not_overwritten(
    account: Account, fleet: Fleet, blue: TargetGroupArn, green: TargetGroupArn
) -> None:
    """Both are told; nothing is changed."""
    seen = account.traffic.route(fleet.listener)
    account.traffic.weigh(seen, {blue: 50, green: 50})
    with pytest.raises(HeldError, match="forwards to web=50, web-green=50, and no longer to web=1"):
        account.traffic.weigh(seen, {blue: 90, green: 10})
    assert account.traffic.route(fleet.listener).weights[blue] == 50


def test_weights_that_stand_already_are_not_sent_again(
    account: Account, fleet: Fleet, blue: TargetGroupArn, green: TargetGroupArn
) -> None:
    """A run whose answer was lost finds its work done."""
    seen = account.traffic.route(fleet.listener)
    wanted = {blue: 50, green: 50}
    account.traffic.weigh(seen, wanted)
    assert mutations(account, lambda: account.traffic.weigh(seen, wanted)) == []


def test_what_does_not_forward_is_no_route(account: Account, fleet: Fleet) -> None:
    """Neither is a default rule, which only its listener can change, nor what does not exist."""
    fixed = rule(account, fleet, {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}})
    with pytest.raises(NotPossible, match="does not forward"):
        account.traffic.route(fixed)
    rules = account.world.elbv2.describe_rules(ListenerArn=fleet.listener)["Rules"]
    (default,) = [entry["RuleArn"] for entry in rules if entry["IsDefault"]]
    with pytest.raises(NotPossible, match="is a default rule"):
        account.traffic.route(default)
    account.world.elbv2.delete_rule(RuleArn=fixed)
    with pytest.raises(NotFound):
        account.traffic.route(fixed)
    with pytest.raises(NotFound):
        account.traffic.route(fleet.listener.replace("listener/", "listener/other/"))


def test_other_ways_to_a_target_group_are_listed(
    account: Account, fleet: Fleet, blue: TargetGroupArn, green: TargetGroupArn
) -> None:
    """Rules of the same load balancer count, by weight or alone; other target groups do not."""
    ways = (
        rule(account, fleet, forward({blue: 1, green: 0})),
        rule(account, fleet, {"Type": "forward", "TargetGroupArn": blue}, path="/ab"),
    )
    other = rule(account, fleet, forward({green: 1}), path="/abc")
    assert account.traffic.elsewhere(blue, route=fleet.listener) == ways
    assert account.traffic.elsewhere(blue, route=ways[0]) == (fleet.listener, ways[1])
    assert account.traffic.elsewhere(green, route=other) == ways[:1]


def test_a_target_group_is_read_with_its_times(account: Account, blue: TargetGroupArn) -> None:
    """Stickiness counts only while it is on, and each kind has its own time."""
    assert account.traffic.target_group(blue) == TargetGroup(arn=blue, deregistration_delay=timedelta(seconds=20))
    wanted = {
        "stickiness.enabled": "true",
        "stickiness.type": "lb_cookie",
        "stickiness.lb_cookie.duration_seconds": "60",
    }
    account.world.elbv2.modify_target_group_attributes(
        TargetGroupArn=blue, Attributes=[{"Key": key, "Value": value} for key, value in wanted.items()]
    )
    assert account.traffic.target_group(blue).stickiness == timedelta(minutes=1)
    with pytest.raises(NotFound):
        account.traffic.target_group(TargetGroupArn(f"{blue}0"))


def test_a_clone_is_like_its_source(account: Account, blue: TargetGroupArn) -> None:
    """Settings, attributes and the user's tags; ours take the place of older ones of ours."""
    marks = {"team": "web", "rebake:origin": "old", "rebake:run": "old"}
    account.world.elbv2.add_tags(
        ResourceArns=[blue], Tags=[{"Key": key, "Value": value} for key, value in marks.items()]
    )
    account.world.elbv2.modify_target_group(TargetGroupArn=blue, HealthCheckPath="/up", UnhealthyThresholdCount=4)
    clone = account.traffic.clone(blue, name="web-green", tags=OURS)
    elbv2 = account.world.elbv2
    source, made = (elbv2.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"][0] for arn in (blue, clone))
    identity = {"TargetGroupArn", "TargetGroupName", "LoadBalancerArns"}
    assert {key: value for key, value in made.items() if key not in identity} == {
        key: value for key, value in source.items() if key not in identity
    }
    wanted, found = (elbv2.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"] for arn in (blue, clone))
    assert found == wanted
    (tags,) = elbv2.describe_tags(ResourceArns=[clone])["TagDescriptions"]
    assert {tag["Key"]: tag["Value"] for tag in tags["Tags"]} == {"team": "web", "rebake:origin": "web"}


def test_only_attributes_that_differ_are_sent(account: Account, blue: TargetGroupArn) -> None:
    """Some that are described cannot be set on every type of target group."""
    account.cloud.calls.clear()
    account.traffic.clone(blue, name="web-green", tags=OURS)
    (sent,) = [call.parameters for call in account.cloud.calls if "ModifyTargetGroupAttributes" in call.action]
    assert sent["Attributes"] == [{"Key": "deregistration_delay.timeout_seconds", "Value": "20"}]


def test_an_interrupted_clone_is_completed(account: Account, blue: TargetGroupArn) -> None:
    """The same call answers the group that stands, and gives it the attributes that it lacks."""
    account.cloud.deny("elasticloadbalancing:ModifyTargetGroupAttributes")
    with pytest.raises(AccessDenied):
        account.traffic.clone(blue, name="web-green", tags=OURS)
    account.cloud.allow_all()
    clone = account.traffic.clone(blue, name="web-green", tags=OURS)
    assert account.traffic.target_group(clone).deregistration_delay == timedelta(seconds=20)
    assert mutations(account, lambda: account.traffic.clone(blue, name="web-green", tags=OURS)) == []


@pytest.mark.usefixtures("green")
def test_a_target_group_of_somebody_else_is_not_taken(account: Account, blue: TargetGroupArn) -> None:
    """The name is theirs."""
    with pytest.raises(NotOurs, match="web-green exists"):
        account.traffic.clone(blue, name="web-green", tags={"rebake:origin": "shop"})


def test_health_is_told_target_by_target(account: Account, blue: TargetGroupArn) -> None:
    """Draining ones are listed; a target group that is gone has none."""
    account.cloud.clock.advance(timedelta(minutes=2))
    assert [target.state for target in account.traffic.health(blue)] == ["healthy", "healthy"]
    account.changes.resize(WEB, minimum=0, desired=1)
    account.cloud.clock.advance(timedelta(seconds=5))
    states = {target.state: target for target in account.traffic.health(blue)}
    assert set(states) == {"healthy", "draining"}
    assert states["draining"].reason == "Target.DeregistrationInProgress"
    assert account.traffic.health(TargetGroupArn(f"{blue}0")) == ()


def test_a_target_group_in_use_is_not_deleted(
    account: Account, fleet: Fleet, blue: TargetGroupArn, green: TargetGroupArn
) -> None:
    """Deleting twice is no error."""
    account.traffic.weigh(account.traffic.route(fleet.listener), {blue: 1, green: 0})
    with pytest.raises(NotPossible, match="in use"):
        account.traffic.delete(green)
    account.traffic.weigh(account.traffic.route(fleet.listener), {blue: 1})
    account.traffic.delete(green)
    account.traffic.delete(green)
    assert account.traffic.health(green) == ()
