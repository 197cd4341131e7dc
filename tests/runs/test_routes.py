"""Blue-green over other routes: a network load balancer's listener, and a rule that does more than forward."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import rooms
from rooms import SceneMaker
from runs.stands import OURS, Stand, configured, watched
from runs.watching import KilledError, kill

from pipeline.errors import ExitCode

SHORT = timedelta(seconds=15)
STICKY = {"Enabled": True, "DurationSeconds": 600}
LOGIN = {
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


def over_tcp(make: SceneMaker) -> Stand:
    """Make a fleet of two behind a network load balancer."""
    scene = make(rooms.fleet())
    world = scene.world
    subnets = world.ec2.describe_subnets()["Subnets"][:2]
    made = world.elbv2.create_target_group(Name="tcp", Protocol="TCP", Port=8080, VpcId=subnets[0]["VpcId"])
    targets = made["TargetGroups"][0]["TargetGroupArn"]
    world.elbv2.modify_target_group_attributes(
        TargetGroupArn=targets, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "20"}]
    )
    balancer = world.elbv2.create_load_balancer(
        Name="tcp", Type="network", Subnets=[subnet["SubnetId"] for subnet in subnets]
    )["LoadBalancers"][0]["LoadBalancerArn"]
    forward: Any = [{"Type": "forward", "TargetGroupArn": targets}]
    listener = world.elbv2.create_listener(LoadBalancerArn=balancer, Protocol="TCP", Port=80, DefaultActions=forward)[
        "Listeners"
    ][0]["ListenerArn"]
    fleet = world.fleet(
        "web-prod", world.image("old", tags=OURS), size=2, TargetGroupARNs=[targets], HealthCheckType="ELB"
    )
    return configured(scene, replace(fleet, listener=listener), shifts=(20, 100), soak=SHORT, keep_blue=SHORT)


def test_a_network_load_balancer_shifts_by_its_listener(make: SceneMaker) -> None:
    """The same steps, on the weights of its default action; there are no rules to ask for."""
    stand = over_tcp(make)
    image = stand.image()
    calls = stand.scene.world.cloud.calls
    calls.clear()
    assert stand.roll(image)[0] is ExitCode.DONE
    shifts = [
        [one["Weight"] for one in call.parameters["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]]
        for call in calls.matching("elasticloadbalancing:ModifyListener")
    ]
    assert shifts == [[1, 0], [80, 20], [0, 100], [1]]
    assert not calls.matching("elasticloadbalancing:DescribeRules")
    assert set(stand.groups()) == {"web-prod-v2"}
    assert stand.plan(image).empty


def test_a_rule_keeps_whatever_else_it_does(make: SceneMaker) -> None:
    """Sign-in, stickiness and a third group's share go along with every shift; sticky clients are waited for."""
    scene = make(rooms.fleet())
    world = scene.world
    fleet = world.fleet("web-prod", world.image("old", tags=OURS), size=2, balanced=True)
    (own,) = world.elbv2.describe_target_groups(Names=["web-prod"])["TargetGroups"]
    beside = world.elbv2.create_target_group(Name="legacy", Protocol="HTTP", Port=80, VpcId=own["VpcId"])
    legacy = beside["TargetGroups"][0]["TargetGroupArn"]
    other: Any = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
    world.elbv2.modify_listener(ListenerArn=fleet.listener, DefaultActions=other)
    shared = [{"TargetGroupArn": fleet.target_group, "Weight": 3}, {"TargetGroupArn": legacy, "Weight": 1}]
    forward = {
        "Type": "forward",
        "Order": 2,
        "ForwardConfig": {"TargetGroups": shared, "TargetGroupStickinessConfig": STICKY},
    }
    actions: Any = [LOGIN, forward]
    path: Any = [{"Field": "path-pattern", "Values": ["/shop*"]}]
    made = world.elbv2.create_rule(ListenerArn=fleet.listener, Priority=1, Conditions=path, Actions=actions)
    rule = made["Rules"][0]["RuleArn"]
    before: Any = made["Rules"][0]
    stand = configured(scene, fleet, route=rule, shifts=(20, 100), soak=SHORT, keep_blue=SHORT)
    image = stand.image()
    world.cloud.calls.clear()
    assert stand.roll(image)[0] is ExitCode.DONE
    sent = world.cloud.calls.matching("elasticloadbalancing:ModifyRule")
    weights = []
    for call in sent:
        login, forwards = call.parameters["Actions"]
        config = login["AuthenticateOidcConfig"]
        assert config.pop("UseExistingClientSecret") is True
        assert login == before["Actions"][0]
        assert forwards["ForwardConfig"]["TargetGroupStickinessConfig"] == STICKY
        weights.append([one["Weight"] for one in forwards["ForwardConfig"]["TargetGroups"]])
    # blue, legacy and green; then blue, green and legacy, whose quarter never changes; then green and legacy
    assert weights == [[3, 1, 0], [240, 60, 100], [0, 300, 100], [3, 1]]
    (after,) = world.elbv2.describe_rules(RuleArns=[rule])["Rules"]
    assert after["Conditions"] == before["Conditions"]
    named: list[datetime] = [call.at for call in world.cloud.calls.matching("autoscaling:CreateOrUpdateTags")]
    assert named[-1] - sent[2].at >= timedelta(seconds=600)


@pytest.mark.parametrize("words", ["50 % green", "RetireGroup:"])
def test_sticky_clients_come_along_on_the_way_back(make: SceneMaker, words: str) -> None:
    """At weight 0 they would stay with green for as long as they stick: it leaves the route in one call instead."""
    bare = make(rooms.fleet())
    world = bare.world
    fleet = world.fleet("web-prod", world.image("old", tags=OURS), size=2, balanced=True)
    config: Any = {
        "TargetGroups": [{"TargetGroupArn": fleet.target_group, "Weight": 1}],
        "TargetGroupStickinessConfig": STICKY,
    }
    forward: Any = [{"Type": "forward", "ForwardConfig": config}]
    world.elbv2.modify_listener(ListenerArn=fleet.listener, DefaultActions=forward)
    stand = configured(bare, fleet, shifts=(50, 100), soak=SHORT, keep_blue=timedelta(hours=1))
    with pytest.raises(KilledError):
        watched(stand, words, kill).roll(stand.image())
    world.cloud.calls.clear()
    began = world.cloud.clock.now()
    assert stand.back() is ExitCode.DONE
    (call,) = world.cloud.calls.matching("elasticloadbalancing:ModifyListener")
    sent = call.parameters["DefaultActions"][0]["ForwardConfig"]
    assert [(one["TargetGroupArn"], one["Weight"]) for one in sent["TargetGroups"]] == [(fleet.target_group, 1)]
    assert sent["TargetGroupStickinessConfig"] == STICKY
    assert set(stand.groups()) == {"web-prod"}
    assert world.cloud.clock.now() - began < timedelta(minutes=5), "nobody sticks to what has left the route"


def test_a_weighted_group_is_counted_in_its_units(make: SceneMaker) -> None:
    """Four units are two instances of weight two: green is as strong, and not taken for half of blue."""
    scene = make(rooms.fleet())
    world = scene.world
    image = world.image("old", tags=OURS)
    bare = world.fleet("web-prod", image, size=0, balanced=True, settle=0)
    specification = {"LaunchTemplateId": bare.template, "Version": "1"}
    policy: Any = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": specification,
            "Overrides": [{"InstanceType": "t3.small", "WeightedCapacity": "2"}],
        }
    }
    world.autoscaling.update_auto_scaling_group(
        AutoScalingGroupName="web-prod", MixedInstancesPolicy=policy, MinSize=2, MaxSize=8, DesiredCapacity=4
    )
    world.wait(60)
    stand = configured(scene, bare, shifts=(50, 100), soak=SHORT, keep_blue=SHORT)
    assert stand.roll(stand.image())[0] is ExitCode.DONE
    (group,) = stand.groups().values()
    assert (group["MinSize"], group["DesiredCapacity"], len(group["Instances"])) == (2, 4, 2)
    assert stand.weights() == {group["TargetGroupARNs"][0].split("/")[1]: 1}
