"""Telling how a fleet does: instances by image, and what its target groups served, as text and as figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from pipeline.errors import RebakeError
from pipeline.execute.tools import Workbench
from pipeline.model.fleets import Group
from pipeline.model.ids import TargetGroupArn

_MINUTE = timedelta(minutes=1)


def tell_fleet(
    bench: Workbench,
    fleet: str,
    text: str,
    groups: Sequence[Group],
    *,
    percentage: int,
    served: Mapping[str, int] | None = None,
) -> None:
    """Tell how far a fleet is. Events carry figures: ``percentage``, ``healthy``, ``image:<ami>``, what was served."""
    # What is being terminated serves nothing any more, and would make a fleet of four look like one of seven.
    images = Counter(str(member.image or "unknown") for group in groups for member in group.standing)
    mix = ", ".join(f"{count} on {image}" for image, count in sorted(images.items()))
    bench.say(
        fleet,
        f"{text}: {mix or 'no instances'}",
        data={
            "percentage": percentage,
            "healthy": sum(group.healthy for group in groups),
            **{f"image:{name}": number for name, number in images.items()},
            **(served or {}),
        },
    )


def served_since(
    bench: Workbench, named: Mapping[TargetGroupArn, str], since: datetime
) -> tuple[dict[str, int], datetime]:
    """Count requests (``requests:<name>``) and 5xx answers (``errors``) of target groups, for an event's figures.

    CloudWatch counts by the minute and knows a minute when the next one is over, so only whole minutes are counted; the
    answer's second part is up to when they were. Nothing where CloudWatch cannot say: a chart is no reason to stop.
    """
    until = (bench.tools.clock.now() - _MINUTE).replace(second=0, microsecond=0)
    if until <= since:
        return {}, since
    try:
        served = bench.tools.metrics.served(tuple(named), since=since, until=until)
    except RebakeError:
        return {}, since
    figures: Counter[str] = Counter()
    for arn, count in served.items():
        figures[f"requests:{named[arn]}"] += count.requests
        figures["errors"] += count.errors
    return dict(figures), until
