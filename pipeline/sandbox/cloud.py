"""The cloud: moto behind one door, with a clock, faults, a call log and the machines behind it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from typing import Any, Final, Generic, TypeVar

from moto import mock_aws
from moto.backends import get_backend
from moto.server import ThreadedMotoServer

from pipeline.errors import NotFound, UsageError
from pipeline.sandbox import alarms, balancing, buckets, metrics
from pipeline.sandbox.authorization import Policy
from pipeline.sandbox.bases import BaseImage, base_images
from pipeline.sandbox.calls import CallLog
from pipeline.sandbox.clock import SandboxClock, WallClock
from pipeline.sandbox.commands import follow_commands
from pipeline.sandbox.ec2.images import follow_freezes
from pipeline.sandbox.ec2.instances import changing, follow_machines, forget_ended
from pipeline.sandbox.ec2.temporary import timed
from pipeline.sandbox.faults import Faults
from pipeline.sandbox.fleets import scaling
from pipeline.sandbox.lookups import indexed
from pipeline.sandbox.machines import Machines, Tier
from pipeline.sandbox.networks import Networks, loopback
from pipeline.sandbox.regions import add_base, furnished
from pipeline.sandbox.seam import Seam
from pipeline.sandbox.state import Access, CloudEvent, State
from pipeline.sandbox.virtual import VirtualMachines

LOOPBACK = "127.0.0.1"
_OPERATIONS = (
    "account",
    "balancing",
    "baselines",
    "calendars",
    "commands",
    "findings",
    "keys",
    "listeners",
    "metrics",
    "parameters",
    "queues",
    "target_groups",
    "windows",
    "ec2.attributes",
    "ec2.instances",
    "ec2.retirement",
    "ec2.templates",
    "ec2.temporary",
    "fleets.attached",
    "fleets.describing",
    "fleets.groups",
    "fleets.hooks",
    "fleets.policies",
    "fleets.pools",
    "fleets.refreshes",
    "fleets.standby",
    "fleets.traffic",
)
_ASKED_FOR: Final = ("ec2", "elb", "elbv2")
_THREAD_PAUSE = 0.2

ClockT = TypeVar("ClockT", bound=SandboxClock)

for _module in _OPERATIONS:
    import_module(f"pipeline.sandbox.{_module}")


class Cloud(Generic[ClockT]):
    """An AWS account on this machine. One cloud is up at a time in a process, because moto's state is the process's.

    Without ``machines`` it is tier A: `VirtualMachines`. ``images`` replaces the base images it starts with.
    """

    def __init__(
        self,
        *,
        clock: ClockT,
        machines: Machines | None = None,
        seed: int = 0,
        images: Sequence[BaseImage] | None = None,
    ) -> None:
        self.clock = clock
        self._virtual = VirtualMachines(clock)
        self._machines: Machines = machines or self._virtual
        bases = base_images() if images is None else list(images)
        networks = Networks(claimed=self._machines.tier is not Tier.API)
        self._state = State(clock=clock, machines=self._machines, faults=Faults(seed), bases=bases, networks=networks)
        self._up = False

    @property
    def machines(self) -> Machines:
        """What stands behind the instances."""
        return self._machines

    @property
    def virtual(self) -> VirtualMachines:
        """The machines of tier A, whose behaviour tests choose.

        Raises:
            UsageError: this cloud has real ones.
        """
        if self._machines is not self._virtual:
            raise UsageError("This cloud has real machines.", hint="Behaviours can be chosen on tier A only.")
        return self._virtual

    @property
    def faults(self) -> Faults:
        """The switchable fault rules."""
        return self._state.faults

    @property
    def calls(self) -> CallLog:
        """All API calls so far."""
        return self._state.calls

    @property
    def events(self) -> Sequence[CloudEvent]:
        """What EventBridge would have been told, in order."""
        return tuple(self._state.events)

    def deny(self, *actions: str) -> None:
        """Deny actions by IAM name or glob (``ec2:CreateImage``, ``elasticloadbalancing:Modify*``)."""
        self._state.access = replace(self._state.access, denied=(*self._state.access.denied, *actions))

    def forbid_mutations(self) -> None:
        """Deny everything that is not a read."""
        self._state.access = replace(self._state.access, read_only=True)

    def restrict(self, key: str, *documents: Mapping[str, Any]) -> None:
        """Let who calls with an access key do only what these policies allow together.

        Raises:
            UsageError: a policy has something that is not evaluated here.
        """
        policies = {**self._state.access.policies, key: tuple(map(Policy, documents))}
        self._state.access = replace(self._state.access, policies=policies)

    def allow_all(self) -> None:
        """Take back everything that was denied."""
        self._state.access = Access()

    def set_quota(self, service: str, code: str, value: float) -> None:
        """Set a service quota."""
        self._state.quotas[service, code] = value

    def publish_base(self, *, like: str, name: str) -> str:
        """Publish a newer base image in the manner of the newest whose name begins with ``like``; answer its id.

        The id is that of the first region in use (us-east-1 before any is). Public parameters follow.

        Raises:
            NotFound: no base image's name begins so.
        """
        with self._state.lock:
            models = [base for base in self._state.bases if base.name.startswith(like)]
            if not models:
                raise NotFound(f"No base image's name begins with {like}.", hint="See pipeline/sandbox/bases.py.")
            base = replace(models[-1], name=name, created=self.clock.now())
            self._state.bases.append(base)
            for account, region in self._state.networks.regions():
                add_base(self._state, self._state.scope(account, region).ec2, base)
            regions = self._state.networks.regions()
            region = regions[0][1] if regions else "us-east-1"
            return base.image_id(region)

    def tick(self) -> timedelta:
        """Step everything up to now, and answer how far time may jump at most before the next step."""
        state = self._state
        with state.lock:
            launched = len(state.instances)
            follow_machines(state)
            scaling.step_groups(state)
            if launched != len(state.instances):
                # What is launched in a step is followed in the same step, however seldom the steps are.
                follow_machines(state)
                scaling.step_groups(state)
            follow_freezes(state)
            follow_commands(state)
            balancing.route(state)
            metrics.measure(state)
            alarms.evaluate(state)
            forget_ended(state)
            return scaling.STEP if changing(state) else min(scaling.stride(state), alarms.stride(state))

    @contextmanager
    def in_process(self) -> Iterator[Cloud[ClockT]]:
        """Answer every boto3 client of this process."""
        with ExitStack() as stack:
            self._rise(stack)
            stack.enter_context(mock_aws())
            yield self

    @contextmanager
    def serve(self, port: int = 0, *, host: str = LOOPBACK) -> Iterator[str]:
        """Answer over HTTP and yield the endpoint: for boto3, Packer and the aws CLI alike.

        Raises:
            UsageError: the host is no address of loopback.
        """
        loopback(host)
        with ExitStack() as stack:
            self._rise(stack)
            # Handed out by mock_aws too: what an earlier cloud of this process left is gone.
            with mock_aws():
                pass
            logging.getLogger("werkzeug").setLevel(logging.WARNING)
            server = ThreadedMotoServer(host, port, verbose=False)
            server.start()
            stack.callback(server.stop)
            yield "http://{}:{}".format(*server.get_host_and_port())

    def _rise(self, stack: ExitStack) -> None:
        if self._up:
            raise UsageError("This cloud is up already.", hint="Make another one: a cloud is used once.")
        self._up = True
        stack.callback(self._state.networks.close)
        stack.callback(self._machines.close)
        # moto's own reset leaves behind what one service makes of another while it is reset (Auto Scaling asks for
        # EC2), and that region would begin unfurnished.
        for service in _ASKED_FOR:
            get_backend(service).clear()
        stack.enter_context(furnished(self._state))
        stack.enter_context(indexed(self._state))
        stack.enter_context(timed(self._state))
        seam = Seam(self._state, self.tick)
        seam.install()
        stack.callback(seam.uninstall)
        stack.enter_context(buckets.through(seam))
        stack.callback(self.clock.watch(self.tick))
        if isinstance(self.clock, WallClock):
            ended = threading.Event()
            thread = threading.Thread(target=self._run, args=(ended,), name="sandbox-clock", daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(ended.set)

    def _run(self, ended: threading.Event) -> None:
        while not ended.wait(_THREAD_PAUSE):
            self.tick()
