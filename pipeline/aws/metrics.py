"""Alarms and metrics, through CloudWatch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pipeline.aws.failures import translated
from pipeline.aws.paging import batches
from pipeline.aws.session import Clients
from pipeline.model.gates import AlarmState
from pipeline.model.ids import TargetGroupArn
from pipeline.ports.metrics import Series, Served

# As many alarms one DescribeAlarms names, as many metrics one GetMetricData reads, and its target groups one
# DescribeTargetGroups.
_ALARMS, _QUERIES = 100, 500
_COUNTED = ("RequestCount", "HTTPCode_Target_5XX_Count")


class CloudWatchMetrics:
    """The port `Metrics`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    @translated("cloudwatch")
    def alarms(self, names: Sequence[str]) -> Mapping[str, AlarmState]:
        paginator = self._clients.cloudwatch.get_paginator("describe_alarms")
        states = dict.fromkeys(names, AlarmState.MISSING)
        for batch in batches(list(states), _ALARMS):
            # Without the types only metric alarms are answered.
            for page in paginator.paginate(AlarmNames=batch, AlarmTypes=["CompositeAlarm", "MetricAlarm"]):
                for alarm in (*page.get("MetricAlarms", []), *page.get("CompositeAlarms", [])):
                    states[alarm["AlarmName"]] = AlarmState(alarm["StateValue"])
        return states

    @translated("cloudwatch")
    def values(self, series: Sequence[Series], *, since: datetime, until: datetime) -> tuple[tuple[float, ...], ...]:
        """Read the values of each series in that time, oldest first; a series without data is empty.

        CloudWatch rounds the beginning down to a whole minute, or to more where it is weeks ago.
        """
        found: list[list[float]] = [[] for _ in series]
        if since >= until:  # no time at all, which CloudWatch refuses
            return tuple(map(tuple, found))
        paginator = self._clients.cloudwatch.get_paginator("get_metric_data")
        for batch in batches(list(enumerate(series)), _QUERIES):
            pages = paginator.paginate(
                MetricDataQueries=[_query(number, one) for number, one in batch],
                StartTime=since,
                EndTime=until,
                ScanBy="TimestampAscending",
            )
            for page in pages:
                for result in page["MetricDataResults"]:
                    found[int(result["Id"][1:])] += result["Values"]
        return tuple(map(tuple, found))

    def served(
        self, target_groups: Sequence[TargetGroupArn], *, since: datetime, until: datetime
    ) -> Mapping[TargetGroupArn, Served]:
        """Count what target groups of application load balancers served; others are missing in the answer.

        CloudWatch has no data where there were no requests: that is nought. It counts by the minute, so that the whole
        minute counts in which ``since`` lies.
        """
        balancers = self._balancers(target_groups)
        wanted = [
            Series(
                namespace="AWS/ApplicationELB",
                name=name,
                statistic="Sum",
                period=timedelta(minutes=1),
                dimensions={"TargetGroup": arn.rpartition(":")[2], "LoadBalancer": balancer},
            )
            for arn, balancer in balancers.items()
            for name in _COUNTED
        ]
        sums = [round(sum(values)) for values in self.values(wanted, since=since, until=until)]
        counts = zip(balancers, sums[::2], sums[1::2], strict=True)
        return {arn: Served(requests=requests, errors=errors) for arn, requests, errors in counts}

    @translated("elasticloadbalancing")
    def _balancers(self, target_groups: Sequence[TargetGroupArn]) -> dict[TargetGroupArn, str]:
        """Tell the application load balancer of each target group as its metrics name it (app/<name>/<id>)."""
        if not target_groups:
            return {}
        pages = self._clients.elbv2.get_paginator("describe_target_groups").paginate(TargetGroupArns=target_groups)
        return {
            TargetGroupArn(group["TargetGroupArn"]): name
            for page in pages
            for group in page["TargetGroups"]
            for arn in group.get("LoadBalancerArns", [])
            if (name := arn.partition(":loadbalancer/")[2]).startswith("app/")
        }


def _query(number: int, series: Series) -> Any:
    dimensions = [{"Name": name, "Value": value} for name, value in series.dimensions.items()]
    metric = {"Namespace": series.namespace, "MetricName": series.name, "Dimensions": dimensions}
    stat = {"Metric": metric, "Period": int(series.period.total_seconds()), "Stat": series.statistic}
    return {"Id": f"m{number}", "MetricStat": stat}
