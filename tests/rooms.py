"""A room whose AWS is the sandbox in this process, and the two ports that tier A has no machine for."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path, PurePath
from typing import Any

import nouns
from botocore.exceptions import ClientError
from guards import guard
from world import World

from pipeline import wiring
from pipeline.aws.paging import tag_list
from pipeline.aws.session import Clients
from pipeline.errors import RebakeError
from pipeline.model.gates import Gate
from pipeline.model.ids import GroupName, ImageId
from pipeline.model.names import TAG_PURPOSE, TAG_STAGE, build_name
from pipeline.model.outcomes import SmokeReport, TestResult, Verdict
from pipeline.model.packages import Fix, OperatingSystem, Package, PackageLists, Patch, Survey
from pipeline.model.settings import Family, FleetSettings, GroupByName, Settings, SmokeSettings
from pipeline.model.strategies import BlueGreen, RefreshStrategy
from pipeline.ports.builder import BuildProduct, BuildRequest, Rendered, SurveyRequest, ToolVersion
from pipeline.ports.instances import Instance, RunCommand
from pipeline.records.events import Recorder
from pipeline.runs.room import Room, new_run

DEBIAN_OWNER = "136693071363"
LOCAL = "127.0.0.0/8"
PACKERS_WORDS = "Temporary group for Packer"


def packers_name(at: datetime, end: str = "") -> str:
    """Name a group as Packer does: its UUIDs begin with the time."""
    return f"packer_{int(at.timestamp()):08x}-{end or str(uuid.uuid4())[9:]}"


@dataclass(slots=True, kw_only=True)
class ApiBuilder:
    """Bakes by the EC2 calls that Packer 1.6.6 makes, in its order, as the sandbox has recorded them.

    ``recipe`` stands for everything a template renders to.
    """

    world: World
    clients: Clients
    recipe: bytes = b"recipe 1"
    failure: RebakeError | None = None
    failure_before_image: RebakeError | None = None
    failure_of_survey: RebakeError | None = None
    failing_image: bool = False
    tags_images: bool = True
    built: list[BuildRequest] = field(default_factory=list)
    offered: list[Patch] = field(default_factory=list)
    surveyed: list[SurveyRequest] = field(default_factory=list)

    def render(self, family: Family, install: tuple[Package, ...] | None = None) -> Rendered:
        """Answer the recipe as it stands."""
        files = {PurePath("image.pkr.hcl"): self.recipe}
        if install is not None:
            files[PurePath("patches")] = " ".join(map(str, install)).encode()
        return Rendered(recipe=f"template {family.template}", files=files)

    def survey(self, request: SurveyRequest, on_line: Callable[[str], None]) -> Survey:
        """Offer what ``offered`` names; each survey is counted by its moment."""
        on_line("surveying")
        if self.failure_of_survey is not None:
            raise self.failure_of_survey
        self.surveyed.append(request)
        return Survey(
            image=request.source.id, at=request.at, system=OperatingSystem.DEBIAN, patches=tuple(self.offered)
        )

    def validate(self, request: BuildRequest) -> None:
        """Find nothing wrong."""

    def tools(self) -> tuple[ToolVersion, ...]:
        """Report no tool: nothing is run."""
        return ()

    def build(self, request: BuildRequest, on_line: Callable[[str], None]) -> BuildProduct:
        """Launch, make the image, clean up; ``failure`` comes after the image was made, as a lost answer does."""
        self.built.append(request)
        ec2 = self.clients.ec2
        ec2.describe_images(Filters=[{"Name": "name", "Values": [request.image_name]}])
        ec2.describe_images(ImageIds=[request.source.id])
        key, group, instance = self._launch(request)
        self.world.wait(60)
        ec2.describe_instances(InstanceIds=[instance])
        on_line("provisioning")
        if self.failure_before_image is not None:
            raise self.failure_before_image
        ec2.stop_instances(InstanceIds=[instance])
        ec2.describe_instances(InstanceIds=[instance])
        if self.failing_image:
            self.world.cloud.virtual.fail_freeze(instance)
        image = self._freeze(request, instance)
        ec2.terminate_instances(InstanceIds=[instance])
        ec2.describe_instances(InstanceIds=[instance])
        ec2.delete_security_group(GroupId=group)
        ec2.delete_key_pair(KeyName=key)
        if self.failure is not None:
            raise self.failure
        lists = PackageLists(
            before=(Package(name="openssl", version="3.0.20"),),
            after=(Package(name="openssl", version="3.0.22"),),
            fixes=(Fix(package="openssl", cves=("CVE-2026-1",)),),
            system="debian-12",
        )
        return BuildProduct(image=image, lists=lists)

    def _launch(self, request: BuildRequest) -> tuple[str, str, str]:
        ec2 = self.clients.ec2
        key = build_name(request.run, request.family.name)
        ec2.create_key_pair(KeyName=key, KeyType="ed25519")  # an RSA key takes longer than the whole bake
        name = packers_name(self.world.cloud.clock.now())
        group = ec2.create_security_group(GroupName=name, Description=PACKERS_WORDS)["GroupId"]
        ec2.describe_security_groups(GroupIds=[group])
        ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp=LOCAL)
        tags = {name: value for name, value in request.tags.items() if name != TAG_STAGE}
        marks = tag_list({"Name": key, **tags, TAG_PURPOSE: "build"})
        launched = ec2.run_instances(
            ImageId=request.source.id,
            InstanceType="t3.small",
            KeyName=key,
            SecurityGroupIds=[group],
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[{"ResourceType": kind, "Tags": marks} for kind in ("instance", "volume")],
        )
        return key, group, launched["Instances"][0]["InstanceId"]

    def _freeze(self, request: BuildRequest, instance: str) -> ImageId:
        """Make the image; its tags come once it is there, in a call of their own."""
        ec2 = self.clients.ec2
        made = ec2.create_image(InstanceId=instance, Name=request.image_name)["ImageId"]
        while (image := self._seen(made)) is None or image["State"] == "pending":
            self.world.wait(15)
        disks = [mapping["Ebs"]["SnapshotId"] for mapping in image["BlockDeviceMappings"] if "Ebs" in mapping]
        if self.tags_images and image["State"] == "available":
            ec2.create_tags(Resources=[made, *disks], Tags=tag_list(request.tags))
        return ImageId(made)

    def _seen(self, image: str) -> Any:
        """Look at an image; None where AWS does not know of it yet, which Packer waits out."""
        try:
            return self.clients.ec2.describe_images(ImageIds=[image])["Images"][0]
        except ClientError as failure:
            if failure.response["Error"]["Code"] != "InvalidAMIID.NotFound":
                raise
            return None


@dataclass(slots=True, kw_only=True)
class AgentSmoke:
    """Asks the instance one question over Run Command; ``sick`` types answer wrongly."""

    commands: RunCommand
    sick: frozenset[str] = frozenset()

    def run(self, settings: SmokeSettings, instance: Instance) -> SmokeReport:
        """Report one test."""
        done = self.commands.run(instance.id, "true", timeout=settings.timeout)
        healthy = done.status == "Success" and instance.instance_type not in self.sick
        test = TestResult(
            name="test_true",
            verdict=Verdict.PASSED if healthy else Verdict.FAILED,
            message="" if healthy else "assert False",
        )
        return SmokeReport(
            image=instance.image, instance=instance.id, instance_type=instance.instance_type, tests=(test,)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A room and what is behind it."""

    room: Room
    world: World
    builder: ApiBuilder
    smoke: AgentSmoke
    recorder: Recorder

    def again(self) -> Room:
        """Open the room anew, as the same command run again does: another run, nothing remembered."""
        return replace(self.room, run=new_run(self.room.tools.clock.now() + timedelta(seconds=1)))


SceneMaker = Callable[..., Scene]


def scene(world: World, clients: Clients, state: Path, *fleets: FleetSettings, **settings: Any) -> Scene:
    """Assemble a room over the sandbox for a family named web and these fleets."""
    return opened(configuration(*fleets, **settings), world, clients, state)


def opened(settings: Settings, world: World, clients: Clients, state: Path) -> Scene:
    """Assemble a room over the sandbox, as a process that knows nothing but its configuration does."""
    guard(world.cloud, settings)
    recorder = Recorder()
    room = wiring.assemble(settings, clients, clock=world.cloud.clock, progress=recorder, state=state)
    builder = ApiBuilder(world=world, clients=clients)
    smoke = AgentSmoke(commands=room.tools.commands)
    tools = replace(room.tools, builder=builder, smoke=smoke)
    return Scene(room=replace(room, tools=tools), world=world, builder=builder, smoke=smoke, recorder=recorder)


def configuration(*fleets: FleetSettings, **changes: Any) -> Settings:
    """Make a configuration whose root is nowhere: nothing is read from disk."""
    return replace(nouns.settings(*fleets), **{"root": PurePath("/nowhere")} | changes)


def blue_green(route: str, name: str = "web-prod", *, gates: tuple[Gate, ...] = (), **strategy: Any) -> FleetSettings:
    """Configure a fleet that is replaced by blue-green over a route; short soaks."""
    values: dict[str, Any] = {"soak": timedelta(seconds=30), "keep_blue": timedelta(minutes=2)}
    return replace(fleet(name), strategy=BlueGreen(route=route, **values | strategy), gates=gates)


def fleet(name: str = "web-prod", **strategy: Any) -> FleetSettings:
    """Configure a fleet with a warm-up of a minute."""
    values: dict[str, Any] = {"warmup": timedelta(seconds=60), "min_healthy": 50, "max_healthy": 150}
    return FleetSettings(
        name=name,
        family="web",
        group=GroupByName(name=GroupName(name)),
        strategy=RefreshStrategy(**values | strategy),
    )
