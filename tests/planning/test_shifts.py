from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.errors import NotPossible
from pipeline.model.ids import TargetGroupArn
from pipeline.model.traffic import Route
from pipeline.planning.shifts import rejoin, split

BLUE, GREEN, OTHER, FOURTH = (TargetGroupArn(name) for name in ("blue", "green", "other", "fourth"))
PERCENT = st.integers(0, 100)


def route(**weights: int) -> Route:
    """Make a route with these weights."""
    return Route(arn="arn:rule", weights={TargetGroupArn(name): weight for name, weight in weights.items()})


def share(weights: dict[TargetGroupArn, int], arn: TargetGroupArn) -> Fraction:
    """Tell a target group's share of the whole."""
    return Fraction(weights.get(arn, 0), sum(weights.values()))


@given(percent=PERCENT, weight=st.integers(1, 999))
def test_two_groups_always_share_exactly_a_hundred(percent: int, weight: int) -> None:
    """Whatever weight blue had, green gets its percent and blue the rest."""
    weights = split(route(blue=weight, green=0), BLUE, GREEN, percent)
    assert weights == {BLUE: 100 - percent, GREEN: percent}


@given(
    blue=st.integers(0, 20),
    green=st.integers(0, 20),
    other=st.integers(1, 20),
    fourth=st.integers(0, 20),
    percent=PERCENT,
)
def test_others_keep_their_share(blue: int, green: int, other: int, fourth: int, percent: int) -> None:
    """Shares of groups that do not take part never change, and green has its percent of what is shared, exactly."""
    assume(blue + green)
    before = route(blue=blue, green=green, other=other, fourth=fourth)
    try:
        weights = split(before, BLUE, GREEN, percent)
    except NotPossible:
        assume(False)
        raise
    whole = Fraction(blue + green, blue + green + other + fourth)
    assert share(weights, GREEN) == whole * percent / 100
    assert share(weights, BLUE) == whole * (100 - percent) / 100
    assert share(weights, OTHER) == share(dict(before.weights), OTHER)
    assert all(0 <= weight <= 999 for weight in weights.values())


@given(weight=st.integers(1, 9), other=st.integers(0, 9), percents=st.lists(PERCENT, max_size=5))
def test_the_way_back_restores_every_weight(weight: int, other: int, percents: list[int]) -> None:
    """After any shifts, taking green out leaves the route exactly as it was."""
    before = {BLUE: weight, OTHER: other}
    now = Route(arn="arn:rule", weights={**before, GREEN: 0})
    for percent in percents:
        now = Route(arn="arn:rule", weights=split(now, BLUE, GREEN, percent))
    assert rejoin(now, BLUE, GREEN, weight) == before


@given(percent=PERCENT)
def test_a_listener_is_never_left_without_weight(percent: int) -> None:
    """At every percentage somebody serves, and at the ends just one of the two does."""
    weights = split(route(blue=1, green=0), BLUE, GREEN, percent)
    serving = {arn for arn, weight in weights.items() if weight}
    assert serving == {arn for arn, it in ((BLUE, 100 - percent), (GREEN, percent)) if it}
    assert serving


def test_weights_that_cannot_be_divided_are_refused() -> None:
    """ELB's largest weight is 999: what cannot be expressed below it is not rounded."""
    with pytest.raises(NotPossible, match="999"):
        split(route(blue=7, green=0, other=500), BLUE, GREEN, 10)


def test_a_group_without_traffic_shares_nothing() -> None:
    """Where others have all the weight, there is nothing to shift."""
    with pytest.raises(NotPossible, match="has no weight"):
        split(route(blue=0, green=0, other=1), BLUE, GREEN, 10)


def test_an_unknown_weight_stays_as_large_as_it_is() -> None:
    """Without a record of the weight before, the survivor takes over what both have."""
    assert rejoin(route(blue=40, green=60), GREEN, BLUE, None) == {GREEN: 100}
