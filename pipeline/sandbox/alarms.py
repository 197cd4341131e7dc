"""Alarms on the sandbox's own metrics, evaluated as time passes; moto keeps all alarms and evaluates none."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from pipeline.sandbox.metrics import NAMESPACES, buckets, floor, statistic
from pipeline.sandbox.state import State

_MINUTE = timedelta(minutes=1)
_BREACHES = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


def evaluate(state: State) -> None:
    """Evaluate each alarm once a period, over the periods that are over; until then SetAlarmState's word holds."""
    for alarm in _own(state):
        end = floor(state.clock.now(), alarm.period)
        before = getattr(alarm, "evaluated", None)
        alarm.evaluated = end
        if before is None:
            _tell(state, alarm, "INSUFFICIENT_DATA", alarm.state_reason)
        elif before < end:
            _judge(state, alarm, end)


def stride(state: State) -> timedelta:
    """Tell how far time may jump so that metrics have no gaps and no alarm is evaluated late."""
    return _MINUTE if state.samples or any(_own(state)) else timedelta.max


def _own(state: State) -> Iterator[Any]:
    for account, region in state.networks.regions():
        for alarm in state.scope(account, region).backend("cloudwatch").alarms.values():
            if alarm.namespace in NAMESPACES and alarm.period and alarm.comparison_operator in _BREACHES:
                yield alarm


def _judge(state: State, alarm: Any, end: datetime) -> None:
    count, missing = alarm.evaluation_periods, alarm.treat_missing_data or "missing"
    start = end - timedelta(seconds=count * alarm.period)
    dimensions = [{"Name": each.name, "Value": each.value} for each in alarm.dimensions]
    metric = {"Namespace": alarm.namespace, "MetricName": alarm.metric_name, "Dimensions": dimensions}
    found = buckets(state, metric, start, end, alarm.period)
    values = [statistic(alarm.statistic or alarm.extended_statistic, each) for each in found.values()]
    if not values and missing in {"ignore", "missing"}:
        if missing == "missing":
            _tell(state, alarm, "INSUFFICIENT_DATA", "Insufficient Data: no datapoints were received")
        return
    breaching = sum(_BREACHES[alarm.comparison_operator](value, alarm.threshold) for value in values)
    if missing == "breaching":
        breaching += count - len(values)
    result = "ALARM" if breaching >= (alarm.datapoints_to_alarm or count) else "OK"
    _tell(
        state, alarm, result, f"Threshold Crossed: {breaching} of {count} datapoints {values} breach {alarm.threshold}"
    )


def _tell(state: State, alarm: Any, value: str, reason: str) -> None:
    if alarm.state_value != value:
        alarm.update_state(reason, "{}", value)
        alarm.state_updated_timestamp = state.clock.now()
