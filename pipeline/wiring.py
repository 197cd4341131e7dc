"""The composition root: configuration and adapters become a room in which runs work."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline import config
from pipeline.aws.baselines import SsmBaselines
from pipeline.aws.changes import AutoScalingChanges
from pipeline.aws.channels import SsmChannels
from pipeline.aws.copies import AutoScalingCopies
from pipeline.aws.fleets import AutoScalingFleets
from pipeline.aws.images import Ec2Images
from pipeline.aws.instances import Ec2Instances
from pipeline.aws.metrics import CloudWatchMetrics
from pipeline.aws.permissions import ACTIONS
from pipeline.aws.preflight import LivePreflight
from pipeline.aws.refreshes import AutoScalingRefreshes
from pipeline.aws.run_command import SsmRunCommand
from pipeline.aws.secrets import AwsSecrets
from pipeline.aws.session import Clients, connect
from pipeline.aws.signals import SsmSignals
from pipeline.aws.stacks import CloudFormationStacks
from pipeline.aws.templates import Ec2Templates
from pipeline.aws.traffic import ElbTraffic
from pipeline.errors import UsageError
from pipeline.execute.tools import Tools
from pipeline.model.settings import Settings
from pipeline.packer.builder import PackerBuilder
from pipeline.packer.templates import builtin_names, builtin_templates
from pipeline.ports.clock import Clock
from pipeline.ports.progress import Progress
from pipeline.probing.canary import ScipyStatistics
from pipeline.probing.judge import ExternalJudge
from pipeline.probing.prober import HttpProber
from pipeline.probing.smoke import SmokeTests
from pipeline.records.evidence import FileEvidence
from pipeline.records.places import state_dir
from pipeline.runs.room import Room, new_run

_ENDPOINT = "AWS_ENDPOINT_URL"
_TIME_SCALE = "REBAKE_TIME_SCALE"
_TIME_ORIGIN = "REBAKE_TIME_ORIGIN"


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The real clock; with a scale above one (a sandbox's speed) its seconds are that much shorter.

    ``origin`` is when its time was the real time, in seconds since 1970: a sandbox's is when that came up.
    """

    scale: float = 1.0
    origin: float = 0.0

    def now(self) -> datetime:
        """Tell the time; scaled, it runs ahead from its origin."""
        real = time.time()
        return datetime.fromtimestamp(self.origin + (real - self.origin) * self.scale, UTC)

    def sleep(self, duration: timedelta) -> None:
        """Wait."""
        time.sleep(max(0.0, duration.total_seconds() / self.scale))


def open_room(path: Path, *, region: str | None, profile: str | None, progress: Progress) -> Room:
    """Read the configuration and connect everything to AWS, or to the sandbox that the environment names."""
    settings = config.load(path, templates=builtin_names(builtin_templates()))
    clock = system_clock()
    endpoint = os.environ.get(_ENDPOINT)
    clients = connect(region=region or settings.region, profile=profile, endpoint=endpoint)
    return assemble(settings, clients, clock=clock, progress=progress, endpoint=endpoint)


def assemble(
    settings: Settings,
    clients: Clients,
    *,
    clock: Clock,
    progress: Progress,
    endpoint: str | None = None,
    packer: str | None = None,
    state: Path | None = None,
) -> Room:
    """Put a room together from its parts; tests bring a manual clock and clients of their own."""
    folder = state or state_dir()
    commands = SsmRunCommand(clients, clock)
    preflight = LivePreflight(clients)
    tools = Tools(
        clock=clock,
        images=Ec2Images(clients, clock),
        channels=SsmChannels(clients, clock),
        fleets=AutoScalingFleets(clients),
        refreshes=AutoScalingRefreshes(clients),
        templates=Ec2Templates(clients),
        traffic=ElbTraffic(clients),
        copies=AutoScalingCopies(clients, clock),
        changes=AutoScalingChanges(clients),
        stacks=CloudFormationStacks(clients),
        headroom=preflight,
        signals=SsmSignals(clients),
        metrics=CloudWatchMetrics(clients),
        prober=HttpProber(),
        judge=ExternalJudge(Path(settings.root)),
        statistics=ScipyStatistics(),
        instances=Ec2Instances(clients),
        commands=commands,
        builder=PackerBuilder(
            executable=packer,
            root=Path(settings.root),
            logs=folder / "logs",
            region=clients.region,
            endpoint=endpoint,
            environment=os.environ,
            credentials=clients.environment,
        ),
        smoke=SmokeTests(commands=commands, clock=clock, workdir=folder / "smoke"),
        baselines=SsmBaselines(clients),
        secrets=AwsSecrets(clients),
        evidence=FileEvidence(folder / "evidence"),
        progress=progress,
    )
    return Room(settings=settings, tools=tools, preflight=preflight, run=new_run(clock.now()))


def actions() -> tuple[str, ...]:
    """List the IAM actions of all verbs, for the preflight."""
    return tuple(sorted({action for needed in ACTIONS.values() for action in needed}))


def system_clock() -> SystemClock:
    """Make this machine's clock, or that of the sandbox whose speed and origin stand in the environment.

    Raises:
        UsageError: they are no numbers above zero.
    """
    return SystemClock(scale=_number(_TIME_SCALE, 1.0), origin=_number(_TIME_ORIGIN, time.time()))


def _number(name: str, default: float) -> float:
    text = os.environ.get(name)
    if text is None:
        return default
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise UsageError(f"{name} is {text!r}, not a number above zero.", hint=f"Unset {name}.")
    return number
