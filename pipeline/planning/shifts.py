"""Weights: how two target groups of a route share what they have together."""

from __future__ import annotations

from math import gcd

from pipeline.errors import NotPossible
from pipeline.model.ids import TargetGroupArn
from pipeline.model.traffic import Route

_MOST = 999
"""The largest weight that ELB takes."""
_HUNDRED = 100

Weights = dict[TargetGroupArn, int]


def split(route: Route, blue: TargetGroupArn, green: TargetGroupArn, percent: int) -> Weights:
    """Give green ``percent`` of what blue and green have together; all others keep their share of the whole.

    Weights are whole numbers, so all of them are first multiplied until the two have a multiple of a hundred.

    Raises:
        NotPossible: a weight would be larger than ELB allows, or blue and green have nothing to share.
    """
    common = route.weights.get(blue, 0) + route.weights.get(green, 0)
    others = {arn: weight for arn, weight in route.weights.items() if arn not in {blue, green}}
    if not any(others.values()):
        return {blue: _HUNDRED - percent, green: percent, **others}
    if not common:
        raise NotPossible(
            f"{blue} has no weight in {route.arn}, where other target groups have some.",
            hint="give the fleet's own target group its traffic first",
        )
    factor = _HUNDRED // gcd(common, _HUNDRED)
    share = common * factor * percent // _HUNDRED
    weights = {blue: common * factor - share, green: share} | {arn: it * factor for arn, it in others.items()}
    if max(weights.values()) > _MOST:
        raise NotPossible(
            f"The weights of {route.arn} cannot be divided by percent without exceeding {_MOST}.",
            hint="divide the route's weights by their common divisor, or give the fleet a rule of its own",
        )
    return weights


def rejoin(route: Route, keep: TargetGroupArn, drop: TargetGroupArn, weight: int | None) -> Weights:
    """Give ``keep`` alone what both have together: the weight it had once, and the others theirs; ``drop`` is left out.

    ``weight`` None: it is not known any more, and all weights stay as large as they are now.
    """
    common = route.weights.get(keep, 0) + route.weights.get(drop, 0)
    whole = weight or common or _HUNDRED
    others = {arn: it for arn, it in route.weights.items() if arn not in {keep, drop}}
    return {keep: whole} | {arn: it * whole // common if common else it for arn, it in others.items()}
