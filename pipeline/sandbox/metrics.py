"""CloudWatch's metrics of load balancers and of the instances behind them; all others are moto's."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.sandbox.balancing import target_health, used
from pipeline.sandbox.machines import Traffic
from pipeline.sandbox.registry import Parameters, Request, operation, refusal
from pipeline.sandbox.state import Sample, State

NAMESPACES = {
    "AWS/ApplicationELB": ({"LoadBalancer"}, {"LoadBalancer", "TargetGroup"}),
    "Sandbox/Instances": ({"InstanceId"},),
}
"""The namespaces whose metrics the sandbox makes itself, and by which dimensions they can be asked for."""

_HOSTS_EVERY = timedelta(seconds=10)
_KEPT = 200_000
_PERCENTILE = re.compile(r"p\d{1,2}(\.\d+)?|p100")

Values = Counter[float]
"""How often a metric had which value."""


def measure(state: State) -> None:
    """Take what the load balancers served, and now and then how many targets are healthy."""
    now = state.clock.now()
    state.samples += [_served(now, traffic) for traffic in state.machines.traffic()]
    if now - state.hosts_counted >= _HOSTS_EVERY:
        state.hosts_counted = now
        state.samples += _hosts(state, now)
    if len(state.samples) > _KEPT:
        del state.samples[: _KEPT // 2]


def _served(now: datetime, traffic: Traffic) -> Sample:
    balancer = traffic.listener.partition(":listener/")[2].rpartition("/")[0]
    dimensions = {"LoadBalancer": balancer, "TargetGroup": _suffix(traffic.group), "InstanceId": traffic.instance}
    metrics: dict[str, Mapping[float, int]] = {
        f"HTTPCode_{kind}_Count": {1.0: count} for kind, count in traffic.answers.items() if count
    }
    if traffic.seconds:
        metrics["TargetResponseTime"] = traffic.seconds
    # As AWS counts: requests for which a target was chosen.
    answers = traffic.answers.items()
    if requests := sum(count for kind, count in answers if traffic.instance or kind.startswith("Target_")):
        metrics["RequestCount"] = {1.0: requests}
    return Sample(at=now, dimensions=dimensions, metrics=metrics)


def _hosts(state: State, now: datetime) -> Iterator[Sample]:
    for account, region in state.networks.regions():
        scope = state.scope(account, region)
        for balancer, group in sorted(set(used(scope))):
            targets = scope.elbv2.target_groups[group].targets
            health = Counter(target_health(scope, group, instance).state for instance in targets)
            metrics = {
                "HealthyHostCount": {float(health["healthy"]): 1},
                "UnHealthyHostCount": {float(health["unhealthy"]): 1},
            }
            dimensions = {"LoadBalancer": balancer.partition(":loadbalancer/")[2], "TargetGroup": _suffix(group)}
            yield Sample(at=now, dimensions=dimensions, metrics=metrics)


def _suffix(target_group: str) -> str:
    return target_group.rpartition(":")[2]


def buckets(
    state: State, metric: Mapping[str, Any], start: datetime, end: datetime, period: int
) -> dict[datetime, Values]:
    """Collect a metric's values by period, in order; periods without any are left out.

    ``metric`` has Namespace, MetricName and Dimensions; periods are whole multiples since 1970, as CloudWatch has them.
    """
    wanted = {each["Name"]: each["Value"] for each in metric.get("Dimensions") or []}
    found: dict[datetime, Values] = {}
    if set(wanted) not in NAMESPACES[metric["Namespace"]]:
        return found
    first = bisect_left(state.samples, floor(start, period), key=lambda sample: sample.at)
    for sample in state.samples[first:]:
        if sample.at >= end:
            break
        values = sample.metrics.get(metric["MetricName"])
        if values and wanted.items() <= sample.dimensions.items():
            found.setdefault(floor(sample.at, period), Counter()).update(values)
    return found


def floor(at: datetime, period: int) -> datetime:
    """Tell when the period began in which a time lies."""
    return datetime.fromtimestamp(at.timestamp() // period * period, UTC)


def statistic(name: str, values: Values) -> float:
    """Compute a statistic of values; ``p99`` is the value that 99 % do not exceed."""
    count = sum(values.values())
    total = sum(value * times for value, times in values.items())
    match name:
        case "Sum":
            return total
        case "SampleCount":
            return count
        case "Average":
            return total / count
        case "Minimum":
            return min(values)
        case "Maximum":
            return max(values)
    if not _PERCENTILE.fullmatch(name):
        raise refusal("InvalidParameterValue", f"The sandbox does not know the statistic {name}.")
    left = math.ceil(count * float(name[1:]) / 100)
    for value in sorted(values):
        left -= values[value]
        if left <= 0:
            break
    return value


def _window(parameters: Parameters) -> tuple[datetime, datetime]:
    # moto reads times without their zone, which is UTC.
    return parameters["StartTime"].replace(tzinfo=UTC), parameters["EndTime"].replace(tzinfo=UTC)


@operation("cloudwatch", "GetMetricData")
def get_metric_data(request: Request, parameters: Parameters) -> object:
    """Answer queries of the sandbox's own metrics, and let moto answer the others."""
    newest_first = parameters.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    results: dict[str, Any] = {}
    others = []
    for query in parameters["MetricDataQueries"]:
        asked = query.get("MetricStat")
        if not asked or asked["Metric"]["Namespace"] not in NAMESPACES:
            others.append(query)
            continue
        found = buckets(request.state, asked["Metric"], *_window(parameters), int(asked["Period"]))
        times = sorted(found, reverse=newest_first)
        results[query["Id"]] = {
            "Id": query["Id"],
            "Label": query.get("Label") or asked["Metric"]["MetricName"],
            "Timestamps": times,
            "Values": [statistic(asked["Stat"], found[at]) for at in times],
            "StatusCode": "Complete",
        }
    if not results:
        return request.native()
    window = parameters["StartTime"], parameters["EndTime"]
    theirs = request.backend("cloudwatch").get_metric_data(others, *window, parameters.get("ScanBy"))
    results |= {result["id"]: result for result in theirs}
    return {"MetricDataResults": [results[query["Id"]] for query in parameters["MetricDataQueries"]]}


@operation("cloudwatch", "GetMetricStatistics")
def get_metric_statistics(request: Request, parameters: Parameters) -> object:
    """Answer statistics of the sandbox's own metrics, and let moto answer the others."""
    if parameters["Namespace"] not in NAMESPACES:
        return request.native()
    found = buckets(request.state, parameters, *_window(parameters), int(parameters["Period"]))
    unit = "Seconds" if parameters["MetricName"] == "TargetResponseTime" else "Count"
    extended = parameters.get("ExtendedStatistics") or []
    points = [
        {"Timestamp": at, "Unit": unit}
        | {name: statistic(name, values) for name in parameters.get("Statistics") or []}
        | ({"ExtendedStatistics": {name: statistic(name, values) for name in extended}} if extended else {})
        for at, values in found.items()
    ]
    return {"Label": parameters["MetricName"], "Datapoints": points}
