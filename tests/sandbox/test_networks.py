from __future__ import annotations

import pytest

from pipeline.errors import StepFailed, UsageError
from pipeline.sandbox.clock import ManualClock
from pipeline.sandbox.cloud import Cloud
from pipeline.sandbox.networks import Networks, loopback
from pipeline.sandbox.real.serving import Serving


def test_two_sandboxes_never_share_a_network() -> None:
    """What one has claimed the other passes over, until it is given back."""
    one, other = Networks(claimed=True), Networks(claimed=True)
    try:
        first = one.instances("1", "us-east-1")
        assert one.instances("1", "us-east-1") == first
        assert other.instances("1", "us-east-1") != first
        one.close()
        third = Networks(claimed=True)
        assert third.instances("1", "us-east-1") == first
        third.close()
    finally:
        one.close()
        other.close()


def test_regions_have_networks_and_balancers_addresses_of_their_own() -> None:
    """Nothing is bound for tier A; no address is given out twice."""
    networks = Networks(claimed=False)
    assert networks.instances("1", "us-east-1") == "127.31.0.0/16"
    assert networks.instances("1", "eu-west-1") == "127.32.0.0/16"
    assert networks.next_balancer("1", "us-east-1") == "127.131.0.1"
    assert networks.next_balancer("1", "eu-west-1") == "127.132.0.2"
    assert networks.regions() == (("1", "us-east-1"), ("1", "eu-west-1"))


def test_the_last_network_is_followed_by_an_error() -> None:
    """Sixty-nine regions have a network; one more is refused with a next step."""
    networks = Networks(claimed=False)
    for number in range(69):
        networks.instances("1", f"region-{number}")
    with pytest.raises(StepFailed, match="No loopback network"):
        networks.instances("1", "region-69")


@pytest.mark.parametrize("address", ["0.0.0.0", "10.0.0.1", "::", "localhost", ""])  # noqa: S104 - what is refused
def test_nothing_but_loopback_is_listened_on(address: str) -> None:
    """Every other address, and a name that could lead to one, is refused before anything is opened."""
    with pytest.raises(UsageError, match="listens on loopback only"), Cloud(clock=ManualClock()).serve(host=address):
        pass
    with pytest.raises(SystemExit, match="listens on loopback only"):
        Serving(address, "i-1", "ami-1", "", 1.0)
    assert loopback("127.31.0.1") == "127.31.0.1"
