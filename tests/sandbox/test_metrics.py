from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from world import Fleet, World


@pytest.fixture
def fleet(world: World) -> Fleet:
    """Make a fleet of two behind a load balancer."""
    return world.fleet("web", world.base(), size=2, balanced=True)


def asked(world: World, fleet: Fleet, name: str, *, of: str = "TargetGroup") -> dict[str, Any]:
    """Name a metric with the dimensions that AWS gives it."""
    (balancer,) = world.elbv2.describe_load_balancers()["LoadBalancers"]
    values = {
        "LoadBalancer": balancer["LoadBalancerArn"].partition(":loadbalancer/")[2],
        "TargetGroup": fleet.target_group.rpartition(":")[2],
    }
    names = ("LoadBalancer", "TargetGroup") if of == "TargetGroup" else ("LoadBalancer",)
    dimensions = [{"Name": each, "Value": values[each]} for each in names]
    return {"Namespace": "AWS/ApplicationELB", "MetricName": name, "Dimensions": dimensions}


def of_instance(instance: str, name: str) -> dict[str, Any]:
    """Name a metric of an instance."""
    dimensions = [{"Name": "InstanceId", "Value": instance}]
    return {"Namespace": "Sandbox/Instances", "MetricName": name, "Dimensions": dimensions}


def query(
    world: World,
    *metrics: dict[str, Any],
    stat: str = "Sum",
    period: int = 60,
    since: datetime | None = None,
    **more: Any,
) -> list[Any]:
    """Ask for metrics, each as its values by time."""
    now = world.cloud.clock.now()
    queries: Any = [
        {"Id": f"m{number}", "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}}
        for number, metric in enumerate(metrics)
    ]
    start = since or now - timedelta(minutes=10)
    answer = world.cloudwatch.get_metric_data(
        MetricDataQueries=queries, StartTime=start, EndTime=now + timedelta(seconds=1), **more
    )
    return [dict(zip(each["Timestamps"], each["Values"], strict=True)) for each in answer["MetricDataResults"]]


def test_what_was_served_is_counted_as_aws_counts_it(world: World, fleet: Fleet) -> None:
    """By target group, by load balancer and by instance; what no target was chosen for was no request."""
    old, new = (each["InstanceId"] for each in world.group("web")["Instances"])
    serve = world.cloud.virtual.serve
    serve(fleet.target_group, old, Target_2XX=98, Target_5XX=2, seconds=0.1)
    serve(fleet.target_group, new, Target_2XX=10, ELB_5XX=1, seconds=0.3)
    serve(fleet.target_group, Target_2XX=7, ELB_5XX=5)
    names = ("RequestCount", "HTTPCode_Target_2XX_Count", "HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count")
    for of in ("TargetGroup", "LoadBalancer"):
        values = query(world, *(asked(world, fleet, name, of=of) for name in names))
        assert [list(each.values()) for each in values] == [[118], [115], [2], [6]]
    for instance, requests, errors, average in ((old, 100, [2], 0.1), (new, 11, [], 0.3)):
        assert list(query(world, of_instance(instance, "RequestCount"))[0].values()) == [requests]
        assert list(query(world, of_instance(instance, "HTTPCode_Target_5XX_Count"))[0].values()) == errors
        (times,) = query(world, of_instance(instance, "TargetResponseTime"), stat="Average")
        assert list(times.values()) == [pytest.approx(average)]
    response_time = asked(world, fleet, "TargetResponseTime")
    statistics = {"p50": 0.1, "p99": 0.3, "Maximum": 0.3, "Minimum": 0.01, "SampleCount": 117}
    for stat, value in statistics.items():
        assert list(query(world, response_time, stat=stat)[0].values()) == [value]
    with pytest.raises(ClientError, match="does not know the statistic"):
        query(world, response_time, stat="tm99")


def test_periods_are_of_the_sandboxs_time(world: World, fleet: Fleet) -> None:
    """Of a second and of a minute, each a whole multiple; newest first unless asked otherwise."""
    world.wait(60 - world.cloud.clock.now().second)
    minute = world.cloud.clock.now()
    for number in (1, 2, 3):
        world.cloud.virtual.serve(fleet.target_group, Target_2XX=number, seconds=0.1)
        world.wait(30)
    served = asked(world, fleet, "HTTPCode_Target_2XX_Count")
    (by_minute,) = query(world, served)
    assert list(by_minute.items()) == [(minute + timedelta(minutes=1), 3), (minute, 3)]
    (by_second,) = query(world, served, period=1, since=minute + timedelta(seconds=30), ScanBy="TimestampAscending")
    assert [at - minute for at in by_second] == [timedelta(seconds=30), timedelta(seconds=60)]


def test_healthy_hosts_are_counted_over_time(world: World, fleet: Fleet) -> None:
    """Also while nothing else moves."""
    hosts = [asked(world, fleet, name) for name in ("HealthyHostCount", "UnHealthyHostCount")]
    world.autoscaling.suspend_processes(AutoScalingGroupName="web")
    world.wait(300)
    world.cloud.virtual.behave(world.group("web")["Instances"][0]["InstanceId"], "sick")
    world.wait(240)
    healthy, unhealthy = query(world, *hosts, stat="Average", ScanBy="TimestampAscending")
    assert (healthy.keys(), len(healthy)) == (unhealthy.keys(), 11)
    assert (list(healthy.values())[-4:], list(unhealthy.values())[-4:]) == ([1] * 4, [1] * 4)
    assert list(healthy.values())[3:6] == [2, 2, 2]


def test_metrics_of_users_come_beside_them(world: World, fleet: Fleet) -> None:
    """In one request, in the order of its queries, and by statistics."""
    now = world.cloud.clock.now()
    world.cloudwatch.put_metric_data(
        Namespace="Shop", MetricData=[{"MetricName": "Orders", "Value": 7, "Timestamp": now, "Unit": "Count"}]
    )
    world.cloud.virtual.serve(fleet.target_group, Target_2XX=4, seconds=0.2)
    orders: dict[str, Any] = {"Namespace": "Shop", "MetricName": "Orders"}
    served = asked(world, fleet, "HTTPCode_Target_2XX_Count")
    for metrics, expected in (((orders, served), [7, 4]), ((served, orders), [4, 7]), ((orders,), [7])):
        assert [sum(each.values()) for each in query(world, *metrics)] == expected
    when: Any = {"StartTime": now - timedelta(minutes=1), "EndTime": now + timedelta(minutes=1), "Period": 60}
    ask = world.cloudwatch.get_metric_statistics
    (point,) = ask(**served, **when, Statistics=["Sum", "Average"])["Datapoints"]
    assert (point["Sum"], point["Average"], point["Unit"]) == (4, 1, "Count")
    slow = asked(world, fleet, "TargetResponseTime")
    (point,) = ask(**slow, **when, ExtendedStatistics=["p90"])["Datapoints"]
    assert (point["ExtendedStatistics"], point["Unit"]) == ({"p90": 0.2}, "Seconds")
    assert ask(**orders, **when, Statistics=["Sum"])["Datapoints"][0]["Sum"] == 7
    assert ask(**{**served, "Dimensions": []}, **when, Statistics=["Sum"])["Datapoints"] == []
