"""Loopback networks, one a region: 127.n.0.0/16 for its instances and 127.(n+100).0.0/16 for its load balancers.

Two sandboxes on one machine would boot instances on top of each other, so a network is claimed by a socket bound in
it, and the claim ends with the process that made it, however that ends.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass, field
from ipaddress import ip_address

from pipeline.errors import StepFailed, UsageError

_NUMBERS = range(31, 100)
_BALANCERS = 100
_CLAIM_PORT = 20431


def loopback(address: str) -> str:
    """Answer the address to listen on.

    Raises:
        UsageError: others than this machine could reach it: the sandbox asks nobody who he is.
    """
    try:
        inside = ip_address(address).is_loopback
    except ValueError:  # a name may lead anywhere
        inside = False
    if not inside:
        raise UsageError(
            f"The sandbox listens on loopback only, and {address!r} is not.",
            hint="use an address of 127.0.0.0/8, and a tunnel to come from elsewhere",
        )
    return address


@dataclass(slots=True)
class Networks:
    """The networks of a cloud's regions, by account and region. Without ``claimed`` nothing is bound (tier A)."""

    claimed: bool
    _numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    _claims: list[socket.socket] = field(default_factory=list)
    _balancers: int = 0

    def regions(self) -> tuple[tuple[str, str], ...]:
        """List the accounts and regions in use, in the order in which they came into use."""
        return tuple(self._numbers)

    def instances(self, account: str, region: str) -> str:
        """Answer the address block of a region's instances, a /16.

        Raises:
            StepFailed: all are taken.
        """
        return f"127.{self._number(account, region)}.0.0/16"

    def next_balancer(self, account: str, region: str) -> str:
        """Answer an address for a region's next load balancer; none is given out twice."""
        index = self._balancers
        self._balancers += 1
        return f"127.{self._number(account, region) + _BALANCERS}.{index // 250}.{index % 250 + 1}"

    def close(self) -> None:
        """Give the networks back."""
        while self._claims:
            self._claims.pop().close()

    def _number(self, account: str, region: str) -> int:
        here = (account, region)
        if here not in self._numbers:
            self._numbers[here] = self._free()
        return self._numbers[here]

    def _free(self) -> int:
        for number in _NUMBERS:
            if number not in self._numbers.values() and (not self.claimed or self._claim(number)):
                return number
        raise StepFailed("No loopback network is left for a sandbox.", hint="end another: rebake sandbox down")

    def _claim(self, number: int) -> bool:
        claim = socket.socket()
        try:
            claim.bind((f"127.{number}.255.254", _CLAIM_PORT))
        except OSError as error:
            claim.close()
            if error.errno == errno.EADDRINUSE:
                return False
            raise
        self._claims.append(claim)
        return True
