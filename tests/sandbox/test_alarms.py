from __future__ import annotations

from typing import Any

import pytest
from world import Fleet, World


@pytest.fixture
def fleet(prompt: World) -> Fleet:
    """Make a fleet of two behind a load balancer, at the beginning of a minute."""
    fleet = prompt.fleet("web", prompt.base(), size=2, balanced=True)
    prompt.wait(60 - prompt.cloud.clock.now().second)
    return fleet


def put(world: World, **more: Any) -> None:
    """Put an alarm on the fleet's 5xx answers: more than 5 a minute, two minutes of three."""
    (balancer,) = world.elbv2.describe_load_balancers()["LoadBalancers"]
    suffix = balancer["LoadBalancerArn"].partition(":loadbalancer/")[2]
    wanted: dict[str, Any] = {
        "Namespace": "AWS/ApplicationELB",
        "MetricName": "HTTPCode_Target_5XX_Count",
        "Dimensions": [{"Name": "LoadBalancer", "Value": suffix}],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 5,
        "ComparisonOperator": "GreaterThanThreshold",
        **more,
    }
    world.cloudwatch.put_metric_alarm(AlarmName="5xx", **wanted)


def state(world: World) -> str:
    """Read the alarm's state."""
    (alarm,) = world.cloudwatch.describe_alarms(AlarmNames=["5xx"])["MetricAlarms"]
    return alarm["StateValue"]


def minutes(world: World, fleet: Fleet, *errors: int) -> list[str]:
    """Let minutes pass in each of which so many answers are 5xx; tell the state after each."""
    states = []
    for count in errors:
        if count:
            world.cloud.virtual.serve(fleet.target_group, Target_2XX=100, Target_5XX=count)
        world.wait(60)
        states.append(state(world))
    return states


def test_an_alarm_follows_what_is_served(prompt: World, fleet: Fleet) -> None:
    """It has no data at first, rings when two of three minutes breach, and is quiet again when they are over."""
    put(prompt, TreatMissingData="notBreaching")
    assert state(prompt) == "INSUFFICIENT_DATA"
    assert minutes(prompt, fleet, 0, 9, 5, 9, 0, 0) == ["OK", "OK", "OK", "ALARM", "OK", "OK"]


@pytest.mark.parametrize(
    ("missing", "states"),
    [
        ("notBreaching", ["OK", "ALARM", "OK"]),
        ("missing", ["INSUFFICIENT_DATA", "ALARM", "INSUFFICIENT_DATA"]),
        ("ignore", ["INSUFFICIENT_DATA", "ALARM", "ALARM"]),
        ("breaching", ["ALARM", "ALARM", "ALARM"]),
    ],
)
def test_missing_data_is_treated_as_asked(prompt: World, fleet: Fleet, missing: str, states: list[str]) -> None:
    """Before, while and after there is some; by default all periods have to breach."""
    one: Any = {"EvaluationPeriods": 1, "DatapointsToAlarm": 1}
    put(prompt, TreatMissingData=missing, **one)
    assert minutes(prompt, fleet, 0, 9, 0) == states


def test_averages_and_percentiles_ring_too(prompt: World, fleet: Fleet) -> None:
    """Of the response time, with the other comparisons."""
    slow: Any = {"MetricName": "TargetResponseTime", "Threshold": 0.01, "EvaluationPeriods": 1, "DatapointsToAlarm": 1}
    put(prompt, **slow, Statistic="Average", ComparisonOperator="LessThanOrEqualToThreshold")
    assert minutes(prompt, fleet, 1) == ["ALARM"]
    put(prompt, **slow, Statistic="Average", ComparisonOperator="LessThanThreshold")
    assert minutes(prompt, fleet, 1) == ["OK"]


def test_a_state_that_was_set_holds_until_the_next_evaluation(prompt: World, fleet: Fleet) -> None:
    """On other metrics it holds for ever, for the sandbox does not know them."""
    put(prompt, TreatMissingData="notBreaching")
    prompt.cloudwatch.set_alarm_state(AlarmName="5xx", StateValue="ALARM", StateReason="test")
    assert state(prompt) == "ALARM"
    assert minutes(prompt, fleet, 0) == ["OK"]
    put(prompt, Namespace="AWS/EC2", MetricName="CPUUtilization")
    prompt.cloudwatch.set_alarm_state(AlarmName="5xx", StateValue="ALARM", StateReason="test")
    assert minutes(prompt, fleet, 0, 0) == ["ALARM", "ALARM"]


def test_a_bad_refresh_is_ended_by_its_alarm(prompt: World, fleet: Fleet) -> None:
    """The alarm rings because of what is served, and the refresh fails because it rings."""
    put(prompt, TreatMissingData="notBreaching", EvaluationPeriods=1, DatapointsToAlarm=1)
    prompt.wait(60)
    version = prompt.version(fleet.template, ImageId=prompt.base())
    prompt.start(fleet, version, InstanceWarmup=300, AlarmSpecification={"Alarms": ["5xx"]})
    assert minutes(prompt, fleet, 0, 40) == ["OK", "ALARM"]
    prompt.wait(60)
    assert prompt.refresh("web")["Status"] == "Failed"
