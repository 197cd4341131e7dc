"""What the traffic benchmark counts, and how it is shown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from demo_world import Sandbox, World
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure beside the one to reach; ``detail`` is shown where it was missed."""

    scenario: str
    name: str
    measured: object
    wanted: object
    reached: bool
    detail: str = ""

    def line(self) -> str:
        """Write it in one line, with its detail where it was missed."""
        text = (
            f"{'ok  ' if self.reached else 'MISS'}  {self.scenario}: {self.name} {self.measured} (wanted {self.wanted})"
        )
        return text if self.reached or not self.detail else f"{text}\n{self.detail}"


def show(figures: Sequence[Figure]) -> None:
    """Print all figures as a table."""
    table = Table("scenario", "figure", "measured", "to reach", "")
    last = ""
    for figure in figures:
        name = "" if figure.scenario == last else figure.scenario
        table.add_row(name, figure.name, str(figure.measured), str(figure.wanted), "" if figure.reached else "MISSED")
        last = figure.scenario
    Console(width=120).print(table)


def failed_while(figures: Mapping[str, Any], image: str) -> tuple[int, float]:
    """Answer how many requests failed in all, and their percentage of those sent while the image answered some.

    Where it never answered, the percentage is of all requests.
    """
    rows = figures["timeline"]
    seconds = [row["second"] for row in rows if image in row["images"]]
    window = [row for row in rows if not seconds or seconds[0] <= row["second"] <= seconds[-1]]
    sent = sum(sum(row["images"].values()) for row in window)
    failed = figures["failed"]
    return failed, 100 * failed / sent if sent else 0.0


def refresh_bound(aws: Sandbox, world: World, minimum: int, maximum: int, warmup: float) -> float:
    """Compare the newest refresh's time with ceil(n / batch) x (boot + warm-up), both in the sandbox's time.

    A boot is what the group's own activities say of its launches, by the median.
    """
    refresh, *_ = aws.autoscaling.describe_instance_refreshes(AutoScalingGroupName=world.group)["InstanceRefreshes"]
    began: datetime = refresh["StartTime"]
    took = (refresh["EndTime"] - began).total_seconds()
    activities = aws.autoscaling.describe_scaling_activities(AutoScalingGroupName=world.group)["Activities"]
    boots = [
        (activity["EndTime"] - activity["StartTime"]).total_seconds()
        for activity in activities
        if activity["Description"].startswith("Launching") and "EndTime" in activity and activity["StartTime"] >= began
    ]
    size = world.size
    down, up = size - math.ceil(size * minimum / 100), math.floor(size * maximum / 100) - size
    bound = math.ceil(size / max(down + up, 1)) * (statistics.median(boots) + warmup)
    return took / bound
