"""Tier A: machines that are only records, with behaviours that tests choose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache

from pipeline.sandbox.clock import SandboxClock
from pipeline.sandbox.machines import (
    CommandOutput,
    FreezeState,
    Listener,
    MachineSpec,
    MachineState,
    TargetGroup,
    TargetHealth,
    Tier,
    Traffic,
)

BEHAVIOUR_TAG = "sandbox:behaviour"
"""An image's tag that says how machines of it behave (see `Behaviour.parse`)."""


class Conduct(StrEnum):
    """How a machine behaves."""

    HEALTHY = "healthy"
    SICK = "sick"
    DEAD = "dead"
    SLOW = "slow"
    TURNS_SICK = "turns-sick-after"
    FAILS = "fails-under-traffic"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """A conduct, with its amount where it has one: seconds, or requests."""

    conduct: Conduct = Conduct.HEALTHY
    amount: float = 0

    @classmethod
    @cache
    def parse(cls, text: str) -> Behaviour:
        """Read a conduct's word and its amount: ``sick``, ``slow:<seconds>``, ``fails-under-traffic:<requests>``.

        Raises:
            ValueError: it is none of these.
        """
        word, _, amount = text.partition(":")
        return cls(conduct=Conduct(word), amount=float(amount or 0))


@dataclass(frozen=True, slots=True)
class _Done:
    output: CommandOutput

    def poll(self) -> CommandOutput | None:
        return self.output

    def cancel(self) -> None:
        """Do nothing: it has ended already."""


@dataclass(slots=True)
class _Machine:
    spec: MachineSpec
    booted: datetime
    stopped: bool = False


class VirtualMachines:
    """Machines without anything behind them. They boot after ``boot_time`` and freeze after ``freeze_time``."""

    def __init__(self, clock: SandboxClock) -> None:
        self._clock = clock
        self._machines: dict[str, _Machine] = {}
        self._behaviours: dict[str, Behaviour] = {}
        self._freezes: dict[str, datetime] = {}
        self._failing_freezes: set[str] = set()
        self.boot_time = timedelta(seconds=10)
        self.freeze_time = timedelta(seconds=20)
        self.answer: Callable[[str], CommandOutput] = lambda _: CommandOutput(status="Success", exit_status=0)
        self.listeners: tuple[Listener, ...] = ()
        self.groups: tuple[TargetGroup, ...] = ()
        self._traffic: list[Traffic] = []
        self._asked: Counter[str] = Counter()

    @property
    def tier(self) -> Tier:
        """How real it is."""
        return Tier.API

    def behave(self, id_: str, behaviour: str) -> None:
        """Choose how an instance, or every machine of an image, behaves; takes effect at once."""
        self._behaviours[id_] = Behaviour.parse(behaviour)

    def fail_freeze(self, instance: str) -> None:
        """Let the next image of this instance fail."""
        self._failing_freezes.add(instance)

    def spec(self, instance: str) -> MachineSpec:
        """Tell what a machine was booted with."""
        return self._machines[instance].spec

    def boot(self, spec: MachineSpec) -> None:
        """Begin to boot a machine, or a stopped one again."""
        self._machines[spec.instance] = _Machine(spec=spec, booted=self._clock.now())

    def state(self, instance: str) -> MachineState:
        """Tell how far it is."""
        machine = self._machines.get(instance)
        if machine is None:
            return MachineState.GONE
        if machine.stopped:
            return MachineState.STOPPED
        if self._uptime(machine) < timedelta():
            return MachineState.BOOTING
        return MachineState.FAILED if self._behaviour(machine).conduct is Conduct.DEAD else MachineState.RUNNING

    def stop(self, instance: str) -> None:
        """Begin to stop it; its disk stays."""
        if machine := self._machines.get(instance):
            machine.stopped = True

    def terminate(self, instance: str) -> None:
        """Begin to remove it with its disk; one that is gone is no error."""
        self._machines.pop(instance, None)

    def freeze(self, instance: str, image: str) -> None:
        """Begin to make an image of its disk."""
        if instance in self._failing_freezes:
            self._failing_freezes.remove(instance)
            self._failing_freezes.add(image)
        self._freezes[image] = self._clock.now() + self.freeze_time

    def image_state(self, image: str) -> FreezeState:
        """Tell how far an image is; AVAILABLE for the base images the sandbox started with."""
        if self._freezes.get(image, self._clock.now()) > self._clock.now():
            return FreezeState.PENDING
        return FreezeState.FAILED if image in self._failing_freezes else FreezeState.AVAILABLE

    def forget_image(self, image: str) -> None:
        """Remove an image's disk once nothing boots from it."""
        self._freezes.pop(image, None)

    def online(self, instance: str) -> bool:
        """Whether the machine's agent answers."""
        machine = self._machines.get(instance)
        running = self.state(instance) is MachineState.RUNNING
        return machine is not None and running and self._behaviour(machine).conduct is not Conduct.OFFLINE

    def command(self, instance: str, script: str, timeout: timedelta) -> _Done:  # noqa: ARG002 - the contract's names
        """Begin to run a shell script as root on it: asks ``answer``."""
        return _Done(self.answer(script))

    def route(self, listeners: Sequence[Listener], groups: Sequence[TargetGroup]) -> None:
        """Make the load balancers be exactly these; calling it again with the same changes nothing."""
        self.listeners, self.groups = tuple(listeners), tuple(groups)

    def health(self, group: str, instance: str, port: int) -> TargetHealth:  # noqa: ARG002 - the contract's names
        """Tell a target's health as the load balancer sees it."""
        machine = self._machines.get(instance)
        if machine is None or self.state(instance) is not MachineState.RUNNING:
            return TargetHealth(state="initial", reason="Elb.InitialHealthChecking")
        behaviour = self._behaviour(machine)
        turned = {
            Conduct.SICK: True,
            Conduct.TURNS_SICK: self._uptime(machine) >= timedelta(seconds=behaviour.amount),
            Conduct.FAILS: self._asked[instance] >= behaviour.amount,
        }
        if turned.get(behaviour.conduct):
            text = "Health checks failed with these codes: [500]"
            return TargetHealth(state="unhealthy", reason="Target.ResponseCodeMismatch", description=text)
        return TargetHealth(state="healthy")

    def serve(self, group: str, instance: str = "", *, seconds: float = 0.01, **answers: int) -> None:
        """Let a target group, or an instance of it, have answered: ``Target_2XX=90, Target_5XX=10, ELB_5XX=1``."""
        listener = next(one.arn for one in self.listeners if any(group in rule.weights for rule in one.rules))
        asked = sum(count for kind, count in answers.items() if kind.startswith("Target_"))
        took = {seconds: asked} if asked else {}
        self._asked[instance] += asked
        self._traffic.append(Traffic(listener=listener, group=group, instance=instance, answers=answers, seconds=took))

    def traffic(self) -> Sequence[Traffic]:
        """Tell what the load balancers served since this was last asked."""
        served, self._traffic = self._traffic, []
        return served

    def close(self) -> None:
        """End everything that was started."""
        self._machines.clear()

    def _uptime(self, machine: _Machine) -> timedelta:
        behaviour = self._behaviour(machine)
        extra = behaviour.amount if behaviour.conduct is Conduct.SLOW else 0
        return self._clock.now() - machine.booted - self.boot_time - timedelta(seconds=extra)

    def _behaviour(self, machine: _Machine) -> Behaviour:
        spec = machine.spec
        chosen = self._behaviours.get(spec.instance) or self._behaviours.get(spec.image)
        return chosen or Behaviour.parse(spec.tags.get(BEHAVIOUR_TAG, Conduct.HEALTHY))
