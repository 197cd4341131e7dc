"""Whole releases in a hostile cloud: what its weather is, what they come to, and what they leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace

import pytest
from crash.killing import Machine
from crash.matrix import placed, undisturbed
from crash.rows import SWEPT_AFTER, Place, Row, sweep

from pipeline.errors import ExitCode, RebakeError
from pipeline.model.settings import Settings
from pipeline.sandbox.clock import ManualClock
from pipeline.sandbox.cloud import Cloud
from pipeline.sandbox.faults import Fault, FaultKind

# Not RunInstances: Auto Scaling launches by it, too, and waits out its own troubles.
CALLS = ("autoscaling:*", "ec2:[!R]*", "elasticloadbalancing:*", "ssm:*", "cloudwatch:*", "sts:*")
AGAIN = timedelta(minutes=20)
"""When a scheduler runs a command again that has not got through."""
_RUNS = 6

Sky = Callable[[Cloud[ManualClock]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What goes wrong in a cloud from a command's first call on."""

    name: str
    begin: Sky


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How each run of the same command ended, what stands otherwise than undisturbed, and what no sweep removes."""

    codes: tuple[ExitCode, ...]
    faults: tuple[str, ...]
    left: tuple[str, ...]

    @property
    def well(self) -> bool:
        """Whether the weather did no harm."""
        return self.codes[-1] is ExitCode.DONE and not self.faults and not self.left


def _failing(kind: FaultKind, share: float, code: str = "", *, times: int | None = None) -> Sky:
    def begin(cloud: Cloud[ManualClock]) -> None:
        for action in CALLS:
            rule = Fault(kind=kind, action=action, share=share, code=code, message="The weather", times=times)
            cloud.faults.add(rule)

    return begin


def _late(seconds: int) -> Sky:
    return lambda cloud: cloud.faults.hide_new_ids(timedelta(seconds=seconds))


def _no_capacity(cloud: Cloud[ManualClock]) -> None:
    cloud.faults.fail("ec2:RunInstances", "InsufficientInstanceCapacity", "none left", share=0.3)


def _slow_images(cloud: Cloud[ManualClock]) -> None:
    cloud.virtual.freeze_time = timedelta(minutes=53)


WEATHERS = (
    *(Weather(name=f"{share:.0%} throttled", begin=_failing(FaultKind.ERROR, share)) for share in (0.1, 0.3, 0.6)),
    *(
        Weather(name=f"{share:.0%} answered 500", begin=_failing(FaultKind.ERROR, share, "InternalFailure"))
        for share in (0.1, 0.3)
    ),
    *(Weather(name=f"{share:.0%} reset", begin=_failing(FaultKind.RESET, share)) for share in (0.1, 0.3)),
    *(Weather(name=f"{share:.0%} of answers lost", begin=_failing(FaultKind.LOST, share)) for share in (0.1, 0.3)),
    *(Weather(name=f"new ids after {seconds} s", begin=_late(seconds)) for seconds in (1, 3, 10)),
    Weather(name="30% without capacity", begin=_no_capacity),
    Weather(name="images of 53 minutes", begin=_slow_images),
    Weather(name="credentials expired", begin=_failing(FaultKind.ERROR, 1.0, "ExpiredToken", times=12)),
)


def through(row: Row, weather: Weather, machine: Machine) -> Ending:
    """Run a row's command in this weather, again and again as a scheduler does, and once more when it has passed."""
    wanted = undisturbed(row, machine, row.command)
    with placed(row, machine) as (place, settings), _no_real_waits(place.world.cloud.clock):
        cloud = place.world.cloud
        weather.begin(cloud)
        codes: list[ExitCode] = []
        while ExitCode.DONE not in codes and len(codes) < _RUNS:
            if codes:
                cloud.clock.advance(AGAIN)
            codes.append(_run(place, settings, row))
        cloud.faults.clear()
        if ExitCode.DONE not in codes:
            cloud.clock.advance(AGAIN)
            codes.append(_run(place, settings, row))
        got = place.settled()
        # What was rolled back and rolled anew has another history.
        same = (wanted, got) if len(codes) == 1 else (wanted.plain, got.plain)
        return Ending(codes=tuple(codes), faults=same[0].differences(same[1]), left=_unswept(place, settings))


def _run(place: Place, settings: Settings, row: Row) -> ExitCode:
    try:
        return row.command(place.room(settings, alone=True).room)
    except RebakeError as error:  # it could not even be planned
        return error.exit_code


def _unswept(place: Place, settings: Settings) -> tuple[str, ...]:
    """Let a sweep come a day later; tell what is left after it."""
    place.world.wait(SWEPT_AFTER.total_seconds())
    sweep(place.room(settings).room)
    return place.settled().plain.left


@contextmanager
def _no_real_waits(clock: ManualClock) -> Iterator[None]:
    """Let botocore's own waits pass on the cloud's clock."""

    def sleep(seconds: float) -> None:
        clock.advance(timedelta(seconds=seconds))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=sleep))
        # The limiter of calls waits by real time, and does nothing else; clients hold on to its own methods.
        patch.setattr("botocore.retries.bucket.TokenBucket.acquire", lambda *_, **__: True)
        yield
