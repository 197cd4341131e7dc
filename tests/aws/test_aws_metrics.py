"""Alarms and metrics, in the sandbox's CloudWatch."""

from __future__ import annotations

from datetime import timedelta

import pytest
from aws.account import WEB, Account
from aws.answers import AT, Stub

from pipeline.aws.metrics import CloudWatchMetrics
from pipeline.aws.session import Clients
from pipeline.model.gates import AlarmState
from pipeline.model.ids import TargetGroupArn
from pipeline.ports.metrics import Series, Served

MINUTE = timedelta(minutes=1)


def cpu(instance: str, statistic: str = "Average") -> Series:
    """Ask for the load of an instance."""
    dimensions = {"InstanceId": instance}
    return Series(namespace="Shop", name="Load", statistic=statistic, period=MINUTE, dimensions=dimensions)


def put(account: Account, namespace: str, name: str, dimensions: dict[str, str], *values: float) -> None:
    """Report a value a minute up to now, the last one newest."""
    now = account.cloud.clock.now()
    account.world.cloudwatch.put_metric_data(
        Namespace=namespace,
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
                "Timestamp": now - MINUTE * (len(values) - number),
                "Value": value,
            }
            for number, value in enumerate(values)
        ],
    )


def test_alarms_are_read(account: Account) -> None:
    """One that does not exist is told as missing."""
    watch = account.world.cloudwatch
    for name, state in (("web-5xx", "OK"), ("web-slow", "ALARM"), ("web-new", "INSUFFICIENT_DATA")):
        watch.put_metric_alarm(
            AlarmName=name,
            ComparisonOperator="GreaterThanThreshold",
            EvaluationPeriods=1,
            MetricName="m",
            Namespace="n",
            Period=60,
            Statistic="Sum",
            Threshold=1,
        )
        watch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="test")  # type: ignore[arg-type] # a word
    assert account.metrics.alarms(["web-5xx", "web-slow", "web-new", "gone"]) == {
        "web-5xx": AlarmState.OK,
        "web-slow": AlarmState.ALARM,
        "web-new": AlarmState.NO_DATA,
        "gone": AlarmState.MISSING,
    }


def test_alarms_are_named_a_hundred_at_a_time(clients: Clients, stub: Stub) -> None:
    """Both types are asked for: left out, only metric alarms are answered."""
    names = [f"a-{number:03}" for number in range(101)]
    composite = {"CompositeAlarms": [{"AlarmName": "a-100", "StateValue": "ALARM"}]}
    for batch, answer in ((names[:100], {}), (names[100:], composite)):
        asked = {"AlarmNames": batch, "AlarmTypes": ["CompositeAlarm", "MetricAlarm"]}
        stub("cloudwatch").add_response("describe_alarms", answer, asked)
    found = CloudWatchMetrics(clients).alarms(names)
    assert (found["a-000"], found["a-100"]) == (AlarmState.MISSING, AlarmState.ALARM)
    assert CloudWatchMetrics(clients).alarms([]) == {}


def test_values_are_read_oldest_first(account: Account) -> None:
    """Each series has its own; one without data is empty."""
    put(account, "Shop", "Load", {"InstanceId": "i-1"}, 1.0, 2.0, 3.0)
    put(account, "Shop", "Load", {"InstanceId": "i-2"}, 9.0)
    now = account.cloud.clock.now()
    series = [cpu("i-1"), cpu("i-2", "Sum"), cpu("i-3")]
    assert account.metrics.values(series, since=now - 10 * MINUTE, until=now + MINUTE) == ((1.0, 2.0, 3.0), (9.0,), ())


def test_no_time_has_no_values(clients: Clients) -> None:
    """CloudWatch would refuse to be asked."""
    assert CloudWatchMetrics(clients).values([cpu("i-1")], since=AT, until=AT) == ((),)


def test_values_are_asked_for_five_hundred_at_a_time_over_all_pages(clients: Clients, stub: Stub) -> None:
    """Values of one series may be spread over pages; they stay in order, each with its series."""
    watch = stub("cloudwatch")
    pages = (
        ({"Id": "m0", "Values": [1.0, 2.0]}, "more"),
        ({"Id": "m0", "Values": [3.0]}, ""),
        ({"Id": "m500", "Values": [4.0]}, ""),
    )
    for result, token in pages:
        more = {"NextToken": token} if token else {}
        watch.add_response("get_metric_data", {"MetricDataResults": [result], **more})
    found = CloudWatchMetrics(clients).values(
        [cpu(f"i-{number}") for number in range(501)], since=AT, until=AT + MINUTE
    )
    assert (found[0], found[1], found[500]) == ((1.0, 2.0, 3.0), (), (4.0,))


def test_where_nothing_was_requested_nothing_was_served(account: Account) -> None:
    """CloudWatch has no data then; what is behind no load balancer is missing in the answer."""
    fleet = account.world.fleet(WEB, account.base().id, size=0, balanced=True)
    blue = TargetGroupArn(fleet.target_group)
    idle = account.traffic.clone(blue, name="idle", tags={"a": "b"})
    now = account.cloud.clock.now()
    counts = account.metrics.served([blue, idle], since=now - 10 * MINUTE, until=now)
    assert counts == {blue: Served(requests=0, errors=0)}
    assert account.metrics.served([], since=now - MINUTE, until=now) == {}


def test_what_target_groups_served_is_counted(clients: Clients, stub: Stub) -> None:
    """By the dimensions that their metrics have: both names are the ends of ARNs."""
    account = "arn:aws:elasticloadbalancing:us-east-1:123456789012"
    groups = [TargetGroupArn(f"{account}:targetgroup/{name}/1") for name in ("blue", "green")]
    balancers = {"LoadBalancerArns": [f"{account}:loadbalancer/app/web/2"]}
    described = [{"TargetGroupArn": arn, **balancers} for arn in groups]
    stub("elbv2").add_response("describe_target_groups", {"TargetGroups": described}, {"TargetGroupArns": groups})
    asked = [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/ApplicationELB",
                    "MetricName": metric,
                    "Dimensions": [
                        {"Name": "TargetGroup", "Value": f"targetgroup/{name}/1"},
                        {"Name": "LoadBalancer", "Value": "app/web/2"},
                    ],
                },
                "Period": 60,
                "Stat": "Sum",
            },
        }
        for number, (name, metric) in enumerate(
            (name, metric) for name in ("blue", "green") for metric in ("RequestCount", "HTTPCode_Target_5XX_Count")
        )
    ]
    results = [{"Id": "m0", "Values": [100.0, 50.0]}, {"Id": "m2", "Values": [9.0]}, {"Id": "m3", "Values": [3.0]}]
    stub("cloudwatch").add_response(
        "get_metric_data",
        {"MetricDataResults": results},
        {"MetricDataQueries": asked, "StartTime": AT, "EndTime": AT + MINUTE, "ScanBy": "TimestampAscending"},
    )
    assert CloudWatchMetrics(clients).served(groups, since=AT, until=AT + MINUTE) == {
        groups[0]: Served(requests=150, errors=0),
        groups[1]: Served(requests=9, errors=3),
    }


@pytest.mark.parametrize("kind", ["net", "gwy"])
def test_other_load_balancers_count_no_requests(clients: Clients, stub: Stub, kind: str) -> None:
    """Their target groups are missing in the answer, so that nobody takes that for nought errors."""
    arn = TargetGroupArn("arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/1")
    balancer = f"arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/{kind}/web/2"
    stub("elbv2").add_response(
        "describe_target_groups", {"TargetGroups": [{"TargetGroupArn": arn, "LoadBalancerArns": [balancer]}]}
    )
    assert CloudWatchMetrics(clients).served([arn], since=AT, until=AT) == {}
