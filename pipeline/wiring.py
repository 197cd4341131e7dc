"""The composition root: configuration and adapters become a room in which runs work."""

from __future__ import annotations

import math
import os
import pwd
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline import __version__, config
from pipeline.aws.baselines import SsmBaselines
from pipeline.aws.changes import AutoScalingChanges
from pipeline.aws.channels import SsmChannels
from pipeline.aws.copies import AutoScalingCopies
from pipeline.aws.findings import InspectorFindings
from pipeline.aws.fleets import AutoScalingFleets
from pipeline.aws.images import Ec2Images
from pipeline.aws.instances import Ec2Instances
from pipeline.aws.journals import S3Journals
from pipeline.aws.leases import SsmLeases
from pipeline.aws.ledgers import SsmLedgers
from pipeline.aws.leftovers import AwsLeftovers
from pipeline.aws.metrics import CloudWatchMetrics
from pipeline.aws.nodes import SsmNodes
from pipeline.aws.notices import SqsNotices
from pipeline.aws.objects import S3Objects
from pipeline.aws.permissions import (
    ACTIONS,
    EVIDENCE_ACTIONS,
    FINDING_ACTIONS,
    JOURNAL_ACTIONS,
    QUEUE_ACTIONS,
    REPORT_ACTIONS,
    SIGNING_ACTIONS,
)
from pipeline.aws.preflight import LivePreflight
from pipeline.aws.refreshes import AutoScalingRefreshes
from pipeline.aws.run_command import SsmRunCommand
from pipeline.aws.secrets import AwsSecrets
from pipeline.aws.session import Clients, connect
from pipeline.aws.signals import SsmSignals
from pipeline.aws.signing import KmsSigner
from pipeline.aws.stacks import CloudFormationStacks
from pipeline.aws.templates import Ec2Templates
from pipeline.aws.traffic import ElbTraffic
from pipeline.aws.windows import SsmWindows
from pipeline.errors import UsageError
from pipeline.execute.tools import Tools
from pipeline.model.masking import Masker, credentials
from pipeline.model.names import lease_path, ledger_path
from pipeline.model.release_rules import NoFindings, flat
from pipeline.model.settings import Settings
from pipeline.packer.builder import PackerBuilder
from pipeline.packer.templates import builtin_names, builtin_templates
from pipeline.ports.clock import Clock
from pipeline.ports.journal import Journals
from pipeline.ports.progress import Progress
from pipeline.probing.canary import ScipyStatistics
from pipeline.probing.judge import ExternalJudge
from pipeline.probing.prober import HttpProber
from pipeline.probing.smoke import SmokeTests
from pipeline.records.events import Fanout
from pipeline.records.evidence import Author, FileObjects, KeptEvidence
from pipeline.records.journal import FileJournals, RunJournal
from pipeline.records.places import state_dir
from pipeline.records.process import is_gone, this_process
from pipeline.runs.room import Room, new_run

_ENDPOINT = "AWS_ENDPOINT_URL"
_TIME_SCALE = "REBAKE_TIME_SCALE"
_TIME_ORIGIN = "REBAKE_TIME_ORIGIN"
_JOURNAL = "journal"


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
    journal = _journal(settings, clients, folder, clock, progress)
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
        leases=SsmLeases(clients, lease_path(settings.channel_prefix), me=this_process(), gone=is_gone),
        ledgers=SsmLedgers(clients, ledger_path(settings.channel_prefix)),
        leftovers=AwsLeftovers(clients),
        windows=SsmWindows(clients, clock),
        metrics=CloudWatchMetrics(clients),
        prober=HttpProber(),
        judge=ExternalJudge(Path(settings.root)),
        statistics=ScipyStatistics(),
        instances=Ec2Instances(clients),
        commands=commands,
        builder=_builder(settings, clients, folder, endpoint=endpoint, executable=packer),
        smoke=SmokeTests(commands=commands, clock=clock, workdir=folder / "smoke"),
        baselines=SsmBaselines(clients),
        findings=InspectorFindings(clients),
        nodes=SsmNodes(clients),
        notices=SqsNotices(clients),
        secrets=AwsSecrets(clients, journal.masker.learn),
        evidence=_evidence(settings, clients, folder, journal.masker),
        progress=Fanout(progress, journal),
    )
    return Room(settings=settings, tools=tools, preflight=preflight, journal=journal, run=new_run(clock.now()))


def journals(settings: Settings | None, *, region: str | None, profile: str | None) -> tuple[Journals, ...]:
    """Name the places where journals lie: this machine, and the bucket where one is configured."""
    local = FileJournals(state_dir() / _JOURNAL)
    if settings is None or settings.journal is None:
        return (local,)
    clients = connect(region=region or settings.region, profile=profile, endpoint=os.environ.get(_ENDPOINT))
    return local, S3Journals(clients, settings.journal)


def _builder(
    settings: Settings, clients: Clients, folder: Path, *, endpoint: str | None, executable: str | None
) -> PackerBuilder:
    return PackerBuilder(
        executable=executable,
        root=Path(settings.root),
        logs=folder / "logs",
        region=clients.region,
        endpoint=endpoint,
        environment=os.environ,
        credentials=clients.environment,
    )


def _evidence(settings: Settings, clients: Clients, folder: Path, masker: Masker) -> KeptEvidence:
    wanted = settings.evidence
    return KeptEvidence(
        FileObjects(folder / "evidence"),
        S3Objects(lambda: clients.s3, wanted.bucket) if wanted.bucket else None,
        signer=KmsSigner(clients, wanted.kms_key) if wanted.kms_key else None,
        masker=masker,
        author=Author(
            region=clients.region,
            facts=lambda: {**_whoami(), "caller": LivePreflight(clients).caller().arn},
        ),
    )


def _whoami() -> dict[str, str]:
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # containers run as users that nobody has named
        user = str(os.getuid())
    return {"user": user, "host": socket.gethostname()}


def _journal(settings: Settings, clients: Clients, folder: Path, clock: Clock, progress: Progress) -> RunJournal:
    return RunJournal(
        local=FileJournals(folder / _JOURNAL),
        shared=S3Journals(clients, settings.journal) if settings.journal else None,
        clock=clock,
        masker=Masker(credentials(os.environ, *(family.variables for family in settings.families.values()))),
        progress=progress,
        facts={
            **_whoami(),
            "region": clients.region,
            "version": __version__,
            "configuration": settings.digest,
        },
    )


def actions(settings: Settings) -> tuple[str, ...]:
    """List the IAM actions of all verbs, for the preflight."""
    inspected = any(family.findings for family in settings.families.values())
    inspected |= any(isinstance(rule, NoFindings) for rule in flat(settings.release_gate))
    every = [
        *ACTIONS.values(),
        *([JOURNAL_ACTIONS] if settings.journal else []),
        *([EVIDENCE_ACTIONS] if settings.evidence.bucket else []),
        *([SIGNING_ACTIONS] if settings.evidence.kms_key else []),
        *([FINDING_ACTIONS] if inspected else []),
        *([QUEUE_ACTIONS] if settings.queue else []),
        *([REPORT_ACTIONS] if settings.compliance else []),
    ]
    return tuple(sorted({action for needed in every for action in needed}))


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
        raise UsageError(f"{name} is {text!r}, not a number above zero.", hint=f"unset {name}")
    return number
