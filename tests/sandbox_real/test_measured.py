from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sandbox_real.living import until
from world import Fleet, World

from pipeline.sandbox.clock import WallClock
from pipeline.sandbox.cloud import Cloud
from pipeline.sandbox.load import Generator, load_of
from pipeline.sandbox.machines import Tier
from pipeline.sandbox.real import open_machines, open_port

SPEED = 20.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Open an account whose instances are processes."""
    machines = open_machines(Tier.PROCESS, state_dir=tmp_path, speed=SPEED)
    with Cloud(clock=WallClock(SPEED), machines=machines).in_process() as cloud:
        yield World(cloud)


def behaving(world: World, fleet: Fleet, behaviour: str) -> int:
    """Make a version of a fleet's template whose instances behave so."""
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "sandbox:behaviour", "Value": behaviour}]}]
    return world.version(fleet.template, TagSpecifications=tags)


def total(world: World, name: str, **dimensions: str) -> float:
    """Add a metric up over the last hour."""
    now = world.cloud.clock.now()
    found = world.cloudwatch.get_metric_statistics(
        Namespace="Sandbox/Instances" if "InstanceId" in dimensions else "AWS/ApplicationELB",
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
        Period=60,
        Statistics=["Sum"],
    )
    return sum(point["Sum"] for point in found["Datapoints"])


def test_a_refresh_to_an_image_that_fails_under_traffic_is_ended_by_its_alarm(world: World) -> None:
    """What the load generator saw is what CloudWatch tells, to the last answer, and by instance."""
    fleet = world.fleet("web", world.base(), size=2, balanced=True, settle=0)
    health = world.elbv2.describe_target_health

    def states() -> list[str]:
        found = health(TargetGroupArn=fleet.target_group)["TargetHealthDescriptions"]
        return [each["TargetHealth"]["State"] for each in found]

    until(lambda: states() == ["healthy", "healthy"])
    suffix = fleet.listener.partition(":listener/")[2].rpartition("/")[0]
    dimensions = {"LoadBalancer": suffix, "TargetGroup": fleet.target_group.rpartition(":")[2]}
    alarm: dict[str, Any] = {
        "Namespace": "AWS/ApplicationELB",
        "MetricName": "HTTPCode_Target_5XX_Count",
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        "Statistic": "Sum",
        "Period": 10,
        "EvaluationPeriods": 1,
        "Threshold": 5,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }
    world.cloudwatch.put_metric_alarm(AlarmName="5xx", **alarm)
    until(lambda: world.cloudwatch.describe_alarms()["MetricAlarms"][0]["StateValue"] == "OK")
    old = {each["InstanceId"] for each in world.group("web")["Instances"]}
    generator = Generator(
        load_of(f"http://{fleet.balancer}:{open_port(8000)}/", seconds=60, requests=10**9, concurrency=4)
    )
    figures: list[dict[str, Any]] = []
    load = threading.Thread(target=lambda: figures.append(generator.run()))
    load.start()
    version = behaving(world, fleet, "fails-under-traffic:100")
    world.start(fleet, version, InstanceWarmup=600, AlarmSpecification={"Alarms": ["5xx"]})
    until(lambda: world.refresh("web")["Status"] == "Failed")
    generator.stop()
    load.join()
    (seen,) = figures
    assert "ALARM" in world.refresh("web")["StatusReason"]
    assert set(seen["status"]) == {"200", "500"}
    until(lambda: total(world, "RequestCount", **dimensions) == seen["answers"])
    assert total(world, "HTTPCode_Target_5XX_Count", **dimensions) == seen["status"]["500"]
    assert total(world, "HTTPCode_Target_2XX_Count", **dimensions) == seen["status"]["200"]
    assert not sum(total(world, "HTTPCode_Target_5XX_Count", InstanceId=each) for each in old)


def test_a_dead_instance_is_seen_and_replaced(world: World) -> None:
    """It runs, its status checks fail, and its group launches another."""
    fleet = world.fleet("web", world.base(), size=0, settle=0)
    version = behaving(world, fleet, "dead")
    template: Any = {"LaunchTemplateId": fleet.template, "Version": str(version)}
    world.autoscaling.update_auto_scaling_group(
        AutoScalingGroupName="web", LaunchTemplate=template, MaxSize=1, DesiredCapacity=1, HealthCheckGracePeriod=60
    )

    def checked() -> list[str]:
        return [each["InstanceStatus"]["Status"] for each in world.ec2.describe_instance_status()["InstanceStatuses"]]

    until(lambda: checked() == ["impaired"])

    def causes() -> str:
        found = world.autoscaling.describe_scaling_activities(AutoScalingGroupName="web")["Activities"]
        return " ".join(each["Cause"] for each in found)

    until(lambda: "status checks failure" in causes())
    until(lambda: "increasing the capacity from 0 to 1" in causes().partition("status checks failure")[0])


def test_a_network_load_balancer_shifts_weights_too(world: World) -> None:
    """Its listener takes weighted target groups; to nobody is 503."""
    world.fleet("web", world.base(), size=1, settle=0)
    until(lambda: [each["LifecycleState"] for each in world.group("web")["Instances"]] == ["InService"])
    member = world.group("web")["Instances"][0]["InstanceId"]
    subnet = world.ec2.describe_subnets()["Subnets"][0]
    balancer = world.elbv2.create_load_balancer(Name="net", Type="network", Subnets=[subnet["SubnetId"]])
    (made,) = balancer["LoadBalancers"]

    def group(name: str, port: int) -> str:
        created = world.elbv2.create_target_group(Name=name, Protocol="TCP", Port=port, VpcId=subnet["VpcId"])
        arn = created["TargetGroups"][0]["TargetGroupArn"]
        world.elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": member}])
        return arn

    def state(arn: str) -> str:
        (target,) = world.elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        return target["TargetHealth"]["State"]

    def weighted(*weights: int) -> Any:
        groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in zip(arns, weights, strict=True)]
        return [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]

    def asked(times: int) -> Any:
        url = f"http://{made['DNSName']}:{open_port(8000)}/"
        return Generator(load_of(url, seconds=30, requests=times, concurrency=1)).run()["status"]

    arns = [group("blue", 8080), group("green", 8081)]
    listener = world.elbv2.create_listener(
        LoadBalancerArn=made["LoadBalancerArn"], Protocol="TCP", Port=8000, DefaultActions=weighted(3, 1)
    )["Listeners"][0]["ListenerArn"]
    until(lambda: [state(arn) for arn in arns] == ["healthy", "healthy"])
    assert asked(20) == {"200": 20}
    suffix = listener.partition(":listener/")[2].rpartition("/")[0]
    shares = [{"LoadBalancer": suffix, "TargetGroup": arn.rpartition(":")[2]} for arn in arns]
    until(lambda: [total(world, "RequestCount", **share) for share in shares] == [15, 5])
    world.elbv2.modify_listener(ListenerArn=listener, DefaultActions=weighted(0, 0))
    until(lambda: bool(asked(1) == {"503": 1}))
