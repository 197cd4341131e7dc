"""Machines that are real, in either tier: their lives, their images, their balancer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from pipeline.errors import RebakeError
from pipeline.sandbox.machines import (
    Command,
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
from pipeline.sandbox.real.balancer.handle import BalancerHandle
from pipeline.sandbox.real.commands import ShellCommand
from pipeline.sandbox.real.house import Box, Disk, House
from pipeline.sandbox.real.images import Images

_UP = (MachineState.RUNNING, MachineState.IMPAIRED)


@dataclass(slots=True, kw_only=True, eq=False)
class _Machine:
    """``wanted`` is what was last asked for; its worker carries out what was asked, in order."""

    spec: MachineSpec
    folder: Path
    layers: tuple[Path, ...]
    worker: ThreadPoolExecutor
    state: MachineState = MachineState.BOOTING
    wanted: bool = True
    doomed: bool = False
    booted: bool = False
    box: Box | None = None
    ports: set[int] = field(default_factory=set)
    commands: list[ShellCommand] = field(default_factory=list)

    def given_up(self) -> bool:
        """Whether it was told to stop since."""
        return not self.wanted


class _NotRunning:
    """A command for a machine that does not run."""

    def poll(self) -> CommandOutput | None:
        return CommandOutput(status="Failed", exit_status=-1, stderr="the machine is not running")

    def cancel(self) -> None:
        """There is nothing to end."""


class RealMachines:
    """`pipeline.sandbox.machines.Machines` over a tier's house. ``speed`` divides the durations of health checks."""

    def __init__(self, house: House, *, state_dir: Path, speed: float, on_line: Callable[[str], None]) -> None:
        self._house = house
        self._on_line = on_line
        self._lock = threading.RLock()
        self._machines: dict[str, _Machine] = {}
        self._folder = state_dir / "machines"
        # Machines do not outlive their sandbox; what a killed one left of them is of no use.
        self._house.remove(self._folder)
        self._images = Images(state_dir / "images")
        self._balancer = BalancerHandle(speed=speed, on_line=on_line)

    @property
    def tier(self) -> Tier:
        """How real it is."""
        return self._house.tier

    def boot(self, spec: MachineSpec) -> None:
        """Begin to boot a machine, or a stopped one again; one that runs is left alone."""
        with self._lock:
            machine = self._machines.get(spec.instance)
            if machine is None:
                machine = self._machines[spec.instance] = _Machine(
                    spec=spec,
                    folder=self._folder / spec.instance,
                    layers=self._house.layers(self._images.layers(spec.image)),
                    worker=ThreadPoolExecutor(max_workers=1, thread_name_prefix=spec.instance),
                )
            elif machine.wanted or machine.doomed:
                return
            machine.spec, machine.wanted, machine.state = spec, True, MachineState.BOOTING
            machine.worker.submit(self._boot, machine)

    def _boot(self, machine: _Machine) -> None:
        if machine.given_up():
            return
        disk = Disk(folder=machine.folder, layers=machine.layers, first_boot=not machine.booted)
        try:
            if machine.box is not None:
                machine.box.end()  # it halted by itself: only its remains are left
            machine.box = box = self._house.start(machine.spec, disk)
            machine.booted = True
            state = box.wait(machine.given_up)
        except (OSError, RebakeError) as error:
            self._on_line(f"{machine.spec.instance} cannot boot: {error}")
            machine.state = MachineState.FAILED
            return
        with self._lock:
            if machine.given_up():
                return  # the stop that is queued behind this boot ends it
            for port in machine.ports if state is MachineState.RUNNING else ():
                box.serve(port)
            machine.state = state
        why = ""
        if state is MachineState.FAILED:
            box.end()
            why = f": {box.last_words()}"
        self._on_line(f"{machine.spec.instance} is {machine.state} on {machine.spec.address}{why}")

    def state(self, instance: str) -> MachineState:
        """Tell how far it is; a machine that halted by itself is stopped."""
        machine = self._machines.get(instance)
        if machine is None:
            return MachineState.GONE
        with self._lock:
            box = machine.box
            if machine.state in _UP and machine.wanted and box is not None and not box.alive():
                machine.state, machine.wanted = MachineState.STOPPED, False
        return machine.state

    def stop(self, instance: str) -> None:
        """Begin to stop it."""
        with self._lock:
            machine = self._machines.get(instance)
            if machine is not None and machine.wanted:
                machine.wanted = False
                machine.worker.submit(self._stop, machine)

    def _stop(self, machine: _Machine) -> None:
        for command in machine.commands:
            command.cancel()
        if machine.box is not None:
            machine.box.end()
            machine.box = None
        for command in machine.commands:
            command.join()
        machine.commands.clear()
        with self._lock:
            if not machine.wanted:
                machine.state = MachineState.STOPPED

    def terminate(self, instance: str) -> None:
        """Begin to remove it."""
        with self._lock:
            machine = self._machines.get(instance)
            if machine is None or machine.doomed:
                return
            machine.wanted, machine.doomed = False, True
            machine.worker.submit(self._terminate, machine)

    def _terminate(self, machine: _Machine) -> None:
        self._stop(machine)
        with self._lock:
            machine.state = MachineState.GONE  # to whoever asks; its disk takes longer on a busy machine
        self._house.remove(machine.folder)
        with self._lock:
            machine.layers = ()
            machine.worker.shutdown(wait=False)
        self._sweep()

    def freeze(self, instance: str, image: str) -> None:
        """Begin to make an image of its disk."""
        target = self._images.begin(image)
        with self._lock:
            machine = self._machines.get(instance)
            if machine is None or machine.doomed:
                self._images.fail(image)
                return
            machine.worker.submit(self._freeze, machine, image, target)

    def _freeze(self, machine: _Machine, image: str, target: Path) -> None:
        try:
            self._house.copy(machine.folder, target)
        except (OSError, RebakeError) as error:
            self._on_line(f"{image} cannot be made from {machine.spec.instance}: {error}")
            self._images.fail(image)
            return
        self._images.complete(image, machine.spec.image)
        self._on_line(f"{image} is available")

    def image_state(self, image: str) -> FreezeState:
        """Tell how far an image is."""
        return self._images.state(image)

    def forget_image(self, image: str) -> None:
        """Remove an image's disk, at once or when the last that stands on it is gone."""
        self._images.forget(image)
        threading.Thread(target=self._sweep, name="sweep", daemon=True).start()

    def _sweep(self) -> None:
        with self._lock:
            in_use = [layer for machine in self._machines.values() for layer in machine.layers]
            unused = self._images.unused(in_use)
        for folder in unused:
            self._house.remove(folder)

    def online(self, instance: str) -> bool:
        """Whether commands can be run on it."""
        return self.state(instance) is MachineState.RUNNING

    def command(self, instance: str, script: str, timeout: timedelta) -> Command:
        """Begin to run a shell script as root on it."""
        with self._lock:
            machine = self._machines.get(instance)
            if machine is None or machine.box is None or not self.online(instance):
                return _NotRunning()
            command = ShellCommand(machine.box.invocation(script), timeout)
            machine.commands = [one for one in machine.commands if one.poll() is None] + [command]
            return command

    def route(self, listeners: Sequence[Listener], groups: Sequence[TargetGroup]) -> None:
        """Make the load balancers be exactly these."""
        with self._lock:
            for target in (target for group in groups for target in group.targets):
                machine = self._machines.get(target.instance)
                if machine is None or target.port in machine.ports:
                    continue
                machine.ports.add(target.port)
                if machine.box is not None and machine.state is MachineState.RUNNING:
                    machine.box.serve(target.port)
        self._balancer.route(listeners, groups)

    def health(self, group: str, instance: str, port: int) -> TargetHealth:
        """Tell a target's health as the load balancer sees it."""
        return self._balancer.health(group, instance, port)

    def traffic(self) -> Sequence[Traffic]:
        """Tell what the load balancer served since this was last asked."""
        return self._balancer.traffic()

    def close(self) -> None:
        """End everything, machines side by side; images stay for the next sandbox."""
        with self._lock:
            machines = tuple(self._machines.values())
            for machine in machines:
                self.terminate(machine.spec.instance)
        for machine in machines:
            machine.worker.shutdown(wait=True)
        self._balancer.close()
