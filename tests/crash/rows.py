"""The rows of the crash matrix: a command, what stands before it, and the command that is run after the kill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import rooms
from crash.standing import Standing, standing
from runs.watching import KilledError, at, kill
from world import Fleet, World

from pipeline.aws.leases import SsmLeases
from pipeline.aws.session import Clients
from pipeline.errors import ExitCode
from pipeline.model.ids import GroupName
from pipeline.model.images import Stage
from pipeline.model.names import TAG_FAMILY, TAG_STAGE, lease_path
from pipeline.model.settings import Bucket, EvidenceSettings, FleetSettings, Settings
from pipeline.model.steps import Plan
from pipeline.model.strategies import OnBusy
from pipeline.planning.halts import EVERYTHING
from pipeline.runs import plans, signals
from pipeline.runs.apply import apply, exit_code
from pipeline.runs.room import Room

OURS = {TAG_FAMILY: "web", TAG_STAGE: Stage.TESTED.value}
GROUP, PARTNER = "web-prod", "web-b"
MIDWAY, ZONE, HEALTHY, HALF = "InProgress", "us-east-1b", "green targets healthy", "50 % green"
_SHORT = timedelta(seconds=15)
_SETTLED = timedelta(hours=2)
NOW, LATER = timedelta(), timedelta(hours=1)
SWEPT_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a row begins: an empty account, seen by its user and by the command."""

    world: World
    clients: Clients
    state: Path

    def room(self, settings: Settings, *, alone: bool = True) -> rooms.Scene:
        """Open a room as a new process does. ``alone``: whoever else had a lease was a process of this machine."""
        scene = rooms.opened(settings, self.world, self.clients, self.state)
        path = lease_path(settings.channel_prefix)
        leases = SsmLeases(self.clients, path, me=("somebody", "a process"), gone=lambda _: alone)
        return replace(scene, room=replace(scene.room, tools=replace(scene.room.tools, leases=leases)))

    def settled(self) -> Standing:
        """Tell what stands once nothing drains, boots or is deleted any more."""
        self.world.wait(_SETTLED.total_seconds())
        return standing(self.world)


Command = Callable[[Room], ExitCode]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A command, what stands before it, and what is run after it was killed: the same again, or a repair.

    After a repair either what stood before shall stand, or what the command would have ended in. ``pauses`` are the
    times between the kill and what is run next: at once on the same machine, or later on another one, when AWS has
    ended what it was asked for and the dead run's leases are over.
    """

    name: str
    before: Callable[[Place], Settings]
    command: Command
    repair: Command | None = None
    pauses: tuple[timedelta, ...] = (NOW,)


def bake(room: Room) -> ExitCode:
    """Bake the family."""
    return _done(room, plans.for_bake(room, "web"))


def smoke(room: Room) -> ExitCode:
    """Test the candidate."""
    return _done(room, plans.for_smoke(room, "web"))


def promote(room: Room) -> ExitCode:
    """Point the channel at the newest tested image."""
    return _done(room, plans.for_promote(room, "web"))


def release(room: Room) -> ExitCode:
    """Bake, test, promote, roll."""
    return _done(room, plans.for_release(room, ("web",)))


def roll(room: Room) -> ExitCode:
    """Roll the fleet to the newest tested image."""
    newest = max(room.tools.images.baked(family="web"), key=lambda image: image.created)
    return _done(room, plans.for_roll(room, GROUP, image=newest.id))


def rollback(room: Room) -> ExitCode:
    """Bring the fleet back."""
    return _done(room, plans.for_rollback(room, GROUP))


def rollback_and_reject(room: Room) -> ExitCode:
    """Bring the fleet back, and reject the image that it leaves."""
    return _done(room, plans.for_rollback(room, GROUP, reject=True))


def halt(room: Room) -> ExitCode:
    """Pull the cord for everything."""
    halted = signals.halt(room, EVERYTHING, "errors rise")
    return ExitCode.DONE if all(fleet.ok for fleet in halted) else ExitCode.PARTIAL


def repair(room: Room) -> ExitCode:
    """Put back what killed runs have left."""
    return _done(room, plans.for_repair(room))


def sweep(room: Room) -> ExitCode:
    """Remove what killed runs have left since yesterday."""
    return _done(room, plans.for_sweep(room, older_than=SWEPT_AFTER, at_most=50))


def _done(room: Room, plan: Plan) -> ExitCode:
    return exit_code(plan, apply(room, plan))


def _nothing(_: Place) -> Settings:
    return rooms.configuration()


def _vaulted(place: Place) -> Settings:
    """Evidence in a bucket, signed."""
    place.world.client("s3").create_bucket(Bucket="audit")
    key = place.world.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    return rooms.configuration(evidence=EvidenceSettings(bucket=Bucket(name="audit", prefix="e"), kms_key=key))


def _after(*commands: Command) -> Callable[[Place], Settings]:
    def prepared(place: Place) -> Settings:
        settings = rooms.configuration()
        for command in commands:
            assert command(place.room(settings).room) is ExitCode.DONE
        return settings

    return prepared


def _refreshed(place: Place) -> Settings:
    """A fleet of two that is rolled by refresh."""
    place.world.fleet(GROUP, place.world.image("old", tags=OURS), size=2)
    return rooms.configuration(_quick())


def _quick(**strategy: Any) -> FleetSettings:
    return rooms.fleet(warmup=_SHORT, max_healthy=100, **strategy)


def _in_zones(place: Place) -> Settings:
    """A fleet of two in two zones that is rolled zone by zone."""
    place.world.fleet(GROUP, place.world.image("old", tags=OURS), size=2)
    return rooms.configuration(_quick(zone_by_zone=True, protected=OnBusy.IGNORE))


def _shifted(place: Place) -> Settings:
    """A fleet of two behind a load balancer that is rolled by blue-green."""
    return _blue_green(_balanced(place))


def _kept(place: Place) -> Settings:
    """A fleet of two whose good images are protected."""
    place.world.fleet(GROUP, place.world.image("old", tags=OURS), size=2)
    return rooms.configuration(replace(_quick(), keep_good=SWEPT_AFTER))


def _balanced(place: Place) -> Fleet:
    return place.world.fleet(GROUP, place.world.image("old", tags=OURS), size=2, balanced=True, MinSize=1)


def _blue_green(fleet: Fleet, **strategy: Any) -> Settings:
    short: dict[str, Any] = {"shifts": (50, 100), "soak": _SHORT, "keep_blue": _SHORT}
    return rooms.configuration(rooms.blue_green(fleet.listener, **short | strategy))


def _partnered(place: Place) -> Settings:
    """The same with a standing partner on a template and a target group of its own."""
    fleet, world = _balanced(place), place.world
    (first,) = world.elbv2.describe_target_groups(Names=[GROUP])["TargetGroups"]
    targets = world.elbv2.create_target_group(
        Name=PARTNER, Protocol="HTTP", Port=8080, VpcId=first["VpcId"], HealthCheckPath="/health"
    )["TargetGroups"][0]["TargetGroupArn"]
    world.elbv2.modify_target_group_attributes(
        TargetGroupArn=targets, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "20"}]
    )
    partner: dict[str, Any] = {"TargetGroupARNs": [targets], "HealthCheckType": "ELB", "MaxSize": 4}
    world.fleet(PARTNER, fleet.image, size=0, settle=0, **partner)
    return _blue_green(fleet, partner=GroupName(PARTNER))


def _proven(before: Callable[[Place], Settings]) -> Callable[[Place], Settings]:
    """Let a tested image stand beside the fleet."""

    def prepared(place: Place) -> Settings:
        settings = before(place)
        place.world.image("new", tags=OURS)
        return settings

    return prepared


def _rolled(before: Callable[[Place], Settings], *, killed: str = "", wait: float = 0) -> Callable[[Place], Settings]:
    """Let the fleet be rolled to a new image, or be killed on the way at these words, and so long ago."""

    def prepared(place: Place) -> Settings:
        settings = _proven(before)(place)
        if killed:
            _kill(place.room(settings), roll, killed)
            place.world.wait(wait)
        else:
            assert roll(place.room(settings).room) is ExitCode.DONE
        return settings

    return prepared


def _kill(scene: rooms.Scene, command: Command, words: str) -> None:
    try:
        command(at(scene, words, kill).room)
    except KilledError:
        return
    raise AssertionError(f"It did not come to {words!r}.")


def _littered(before: Callable[[Place], Settings], command: Command, killed: str) -> Callable[[Place], Settings]:
    """Let a command be killed, and nobody come for more than a day."""

    def prepared(place: Place) -> Settings:
        settings = before(place)
        _kill(place.room(settings), command, killed)
        place.world.wait((SWEPT_AFTER + LATER).total_seconds())
        return settings

    return prepared


BOTH = (NOW, LATER)
ROWS = (
    Row(name="bake", before=_nothing, command=bake),
    Row(name="bake with evidence in S3", before=_vaulted, command=bake),
    Row(name="smoke", before=_after(bake), command=smoke),
    Row(name="promote", before=_after(bake, smoke), command=promote),
    Row(name="release by refresh", before=_refreshed, command=release, pauses=BOTH),
    Row(name="roll with good images kept", before=_proven(_kept), command=roll),
    Row(name="rollback with good images kept", before=_rolled(_kept), command=rollback),
    Row(name="roll zone by zone", before=_proven(_in_zones), command=roll, pauses=BOTH),
    Row(name="release by blue-green", before=_shifted, command=release),
    Row(name="roll to the partner", before=_proven(_partnered), command=roll),
    Row(name="rollback during a refresh", before=_rolled(_refreshed, killed=MIDWAY), command=rollback, pauses=BOTH),
    Row(name="rollback after a refresh", before=_rolled(_refreshed), command=rollback, pauses=BOTH),
    Row(name="rollback --reject after a refresh", before=_rolled(_refreshed), command=rollback_and_reject),
    Row(name="rollback between zones", before=_rolled(_in_zones, killed=ZONE), command=rollback, pauses=BOTH),
    Row(name="rollback during blue-green", before=_rolled(_shifted, killed=HALF), command=rollback),
    Row(name="rollback --reject during blue-green", before=_rolled(_shifted, killed=HALF), command=rollback_and_reject),
    Row(name="rollback while blue is kept", before=_rolled(_shifted, killed="RetireGroup:"), command=rollback),
    Row(name="rollback after blue-green", before=_rolled(_shifted), command=rollback),
    Row(name="rollback --reject after blue-green", before=_rolled(_shifted), command=rollback_and_reject),
    Row(name="rollback to the partner", before=_rolled(_partnered), command=rollback),
    Row(name="halt", before=_rolled(_refreshed, killed=MIDWAY), command=halt, pauses=BOTH),
    Row(name="repair between zones", before=_rolled(_in_zones, killed=ZONE, wait=1200), command=repair, pauses=BOTH),
    Row(name="repair of blue-green", before=_rolled(_shifted, killed=HALF), command=repair),
    Row(name="repair of a partner", before=_rolled(_partnered, killed=HALF), command=repair),
    Row(name="sweep after a bake", before=_littered(_nothing, bake, "provisioning"), command=sweep),
    Row(name="sweep after blue-green", before=_littered(_proven(_shifted), roll, HEALTHY), command=sweep),
    Row(name="roll by refresh, then repair", before=_proven(_refreshed), command=roll, repair=repair),
    # While a refresh runs, repair leaves it to AWS: zones are put back once it has ended.
    Row(name="roll zone by zone, then repair", before=_proven(_in_zones), command=roll, repair=repair, pauses=(LATER,)),
    Row(name="roll by blue-green, then repair", before=_proven(_shifted), command=roll, repair=repair),
    Row(name="roll to the partner, then repair", before=_proven(_partnered), command=roll, repair=repair),
)
