from __future__ import annotations

import nouns
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.ids import InstanceId
from pipeline.model.shares import Radius, Share
from pipeline.model.strategies import RefreshStrategy
from pipeline.model.traffic import TargetHealth
from pipeline.planning.guards import Strength, refuse_refresh, refuse_removal, refuse_shift, strength

HALF = Share(value=50, percent=True)


def strong(healthy: int, wanted: int = 4, name: str = "web") -> Strength:
    """Make a group's strength."""
    return Strength(name=name, wanted=wanted, healthy=healthy)


@given(wanted=st.integers(0, 50), ill=st.integers(0, 50), least=st.integers(0, 100), minimum=st.integers(0, 100))
def test_no_refresh_begins_that_could_go_below_the_floor(wanted: int, ill: int, least: int, minimum: int) -> None:
    """Whoever is healthy now, less what the refresh takes down at once, is never fewer than the floor."""
    healthy = max(0, wanted - ill)
    floor = Share(value=least, percent=True)
    fault = refuse_refresh(strong(healthy, wanted), RefreshStrategy(min_healthy=minimum), floor)
    batch = wanted * (100 - minimum) // 100
    assert (fault is None) == (healthy - batch >= floor.least(wanted))


def test_a_refusal_says_how_many_there_are_and_must_stay() -> None:
    """The reader sees the figures and what to do."""
    fault = refuse_refresh(strong(2), RefreshStrategy(min_healthy=75), HALF)
    assert fault is not None
    assert "2 of 4 healthy" in fault
    assert "2 must stay" in fault
    assert "floor" in fault


@pytest.mark.parametrize(
    ("blue", "green", "percent", "refused"),
    [
        (strong(4), strong(0), 10, True),
        (strong(4), strong(1), 10, False),
        (strong(4), strong(1), 100, True),
        (strong(4), strong(2), 100, False),
        (strong(0), strong(0), 0, False),
        (strong(1), strong(1), 100, False),
        (strong(0, 0), strong(0, 0), 100, False),
    ],
)
def test_traffic_goes_only_where_it_can_be_served(
    blue: Strength, green: Strength, percent: int, *, refused: bool
) -> None:
    """A share of the floor is enough for a share of the traffic, one target at least; or no weaker than the origin."""
    assert (refuse_shift(blue, green, percent, HALF) is not None) is refused


def test_a_group_is_removed_only_from_beside_a_strong_one() -> None:
    """What is left has to reach the floor alone."""
    assert refuse_removal(strong(1), HALF) is not None
    assert refuse_removal(strong(2), HALF) is None


def test_strength_trusts_no_single_source() -> None:
    """In service, healthy for the group, and healthy in every target group; unhealthy and initial targets are none."""
    group = nouns.group(nouns.OLD, nouns.OLD, nouns.OLD)
    states = ("healthy", "unhealthy", "initial")
    health = [TargetHealth(instance=InstanceId(f"i-{number}"), state=state) for number, state in enumerate(states)]
    assert strength(group, [health]) == Strength(name="web-prod", wanted=3, healthy=1)
    assert strength(group, [health, []]).healthy == 0
    assert strength(group, []).healthy == 3


def test_the_blast_radius_counts_fleets_and_instances() -> None:
    """A fleet counts once, with its size; one beyond either bound is refused."""
    radius = Radius(fleets=2, instances=10)
    assert radius.refuse({}, "a", 6) is None
    assert radius.refuse({"a": 6}, "a", 6) is None
    assert "12 instances" in (radius.refuse({"a": 6}, "b", 6) or "")
    assert "fleet number 3" in (radius.refuse({"a": 1, "b": 1}, "c", 1) or "")


def test_shares_are_rounded_to_the_safe_side() -> None:
    """What may be used up is rounded down, what must be kept up; no floor is above the whole."""
    assert (HALF.most(3), HALF.least(3)) == (1, 2)
    assert Share(value=5).least(3) == 3
    assert (str(HALF), str(Share(value=2))) == ("50 %", "2")
