from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from world import World

from pipeline.sandbox.machines import CommandOutput


def test_rules_reach_the_machines(world: World) -> None:
    """Paths, hosts, weights and fixed answers of listener rules are handed to the balancer in order of priority."""
    fleet = world.fleet("web", world.base(), size=1, balanced=True)
    forward: Any = {
        "Type": "forward",
        "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": fleet.target_group, "Weight": 7}]},
    }
    fixed: Any = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503", "MessageBody": "later"}}
    create = world.elbv2.create_rule
    create(
        ListenerArn=fleet.listener,
        Priority=20,
        Conditions=[{"Field": "host-header", "HostHeaderConfig": {"Values": ["a.example"]}}],
        Actions=[forward],
    )
    create(
        ListenerArn=fleet.listener,
        Priority=10,
        Conditions=[{"Field": "path-pattern", "Values": ["/down/*"]}],
        Actions=[fixed],
    )
    world.wait(5)
    down, host, last = world.cloud.virtual.listeners[0].rules
    assert (down.paths, down.fixed_status, down.fixed_body) == (("/down/*",), 503, "later")
    assert (host.hosts, host.weights) == (("a.example",), {fleet.target_group: 7})
    assert last.weights == {fleet.target_group: 1}
    (target,) = world.cloud.virtual.groups[0].targets
    assert (target.port, target.draining) == (8080, False)


def test_target_health_says_why(world: World) -> None:
    """Targets that are unknown, unused, stopped or draining say so with the reasons of the service."""
    fleet = world.fleet("web", world.base(), size=1, balanced=True)
    (member,) = [each["InstanceId"] for each in world.group("web")["Instances"]]
    world.autoscaling.suspend_processes(AutoScalingGroupName="web")

    def reason(id_: str) -> str:
        asked: Any = {"TargetGroupArn": fleet.target_group, "Targets": [{"Id": id_}]}
        health = world.elbv2.describe_target_health(**asked)["TargetHealthDescriptions"][0]["TargetHealth"]
        return health.get("Reason", health["State"])

    assert reason(member) == "healthy"
    assert reason("i-00000000") == "Target.NotRegistered"
    world.ec2.stop_instances(InstanceIds=[member])
    world.wait(10)
    assert reason(member) == "Target.InvalidState"
    world.ec2.start_instances(InstanceIds=[member])
    world.wait(20)
    world.elbv2.deregister_targets(TargetGroupArn=fleet.target_group, Targets=[{"Id": member}])
    assert reason(member) == "Target.DeregistrationInProgress"
    world.elbv2.register_targets(TargetGroupArn=fleet.target_group, Targets=[{"Id": member}])
    world.elbv2.delete_listener(ListenerArn=fleet.listener)
    assert reason(member) == "Target.NotInUse"


def test_balancing_that_is_refused(world: World) -> None:
    """A name is taken once, and target groups that do not exist are told of."""
    world.fleet("web", world.base(), size=0, balanced=True, settle=0)
    subnets = [subnet["SubnetId"] for subnet in world.ec2.describe_subnets()["Subnets"][:2]]
    with pytest.raises(world.elbv2.exceptions.DuplicateLoadBalancerNameException):
        world.elbv2.create_load_balancer(Name="web", Subnets=subnets)
    for call in (world.elbv2.deregister_targets, world.elbv2.describe_target_health):
        with pytest.raises(world.elbv2.exceptions.TargetGroupNotFoundException):
            call(TargetGroupArn="arn:none", Targets=[{"Id": "i-0"}])


def test_latency_takes_the_clouds_time(world: World) -> None:
    """A slow call takes sandbox time and is answered; cleared faults are gone."""
    world.cloud.faults.delay("ec2:DescribeInstances", timedelta(minutes=2))
    before = world.cloud.clock.now()
    world.ec2.describe_instances()
    assert world.cloud.clock.now() - before == timedelta(minutes=2)
    world.cloud.faults.clear()
    world.ec2.describe_instances()
    assert world.cloud.clock.now() - before == timedelta(minutes=2)


def test_hidden_invocations_and_agents_that_are_offline(world: World) -> None:
    """A command's result is not visible at once, and an agent that is offline is not listed."""
    made: Any = world.ec2.run_instances(ImageId=world.base(), InstanceType="t3.small", MinCount=2, MaxCount=2)
    first, second = (each["InstanceId"] for each in made["Instances"])
    world.cloud.virtual.behave(second, "offline")
    world.cloud.virtual.answer = lambda _: CommandOutput(status="Success", exit_status=0)
    world.wait(20)
    listed = world.ssm.describe_instance_information()["InstanceInformationList"]
    assert [each["InstanceId"] for each in listed] == [first]
    world.cloud.faults.hide_new_ids(timedelta(seconds=5))
    command = world.ssm.send_command(InstanceIds=[first], DocumentName="AWS-RunShellScript")["Command"]["CommandId"]
    with pytest.raises(ClientError, match="InvocationDoesNotExist"):
        world.ssm.get_command_invocation(CommandId=command, InstanceId=first)
    world.wait(6)
    assert world.ssm.get_command_invocation(CommandId=command, InstanceId=first)["Status"] == "Success"
