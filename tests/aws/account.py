"""An account of the sandbox, and the real adapters on it, behind their ports."""

from __future__ import annotations

import json
from datetime import timedelta

from world import World

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
from pipeline.aws.preflight import LivePreflight
from pipeline.aws.refreshes import AutoScalingRefreshes
from pipeline.aws.run_command import SsmRunCommand
from pipeline.aws.session import Clients
from pipeline.aws.signals import SsmSignals
from pipeline.aws.signing import KmsSigner
from pipeline.aws.stacks import CloudFormationStacks
from pipeline.aws.templates import Ec2Templates
from pipeline.aws.traffic import ElbTraffic
from pipeline.aws.windows import SsmWindows
from pipeline.model.fleets import Group, RefreshStatus, TemplateVersion
from pipeline.model.ids import GroupName, ImageId, InstanceId, RefreshId, TemplateId
from pipeline.model.images import Architecture, Image
from pipeline.model.leftovers import Kind
from pipeline.model.settings import Bucket, GroupByName
from pipeline.model.strategies import RefreshStrategy
from pipeline.ports.baselines import Baselines
from pipeline.ports.channels import Channels
from pipeline.ports.evidence import Objects, Signer
from pipeline.ports.findings import Findings
from pipeline.ports.fleets import Fleets, Refreshes, Templates
from pipeline.ports.good import Ledgers
from pipeline.ports.groups import Copies, GroupChanges
from pipeline.ports.images import Images
from pipeline.ports.instances import Instances, LaunchRequest, RunCommand
from pipeline.ports.journal import Journals
from pipeline.ports.leases import Leases
from pipeline.ports.leftovers import Leftovers
from pipeline.ports.metrics import Metrics
from pipeline.ports.nodes import Nodes
from pipeline.ports.notices import Notices
from pipeline.ports.preflight import Preflight
from pipeline.ports.signals import Signals
from pipeline.ports.stacks import Stacks
from pipeline.ports.traffic import Traffic
from pipeline.ports.windows import Windows
from pipeline.sandbox.bases import DEBIAN
from pipeline.sandbox.clock import ManualClock
from pipeline.sandbox.cloud import Cloud

WEB = GroupName("web")
STABLE = "/rebake/web/stable"
NOBODY = InstanceId("i-00000000000000000")
GONE = {
    Kind.INSTANCE: NOBODY,
    Kind.SECURITY_GROUP: "sg-00000000000000000",
    Kind.KEY_PAIR: "rebake-none",
    Kind.VOLUME: "vol-00000000000000000",
    Kind.IMAGE: "ami-00000000000000000",
    Kind.SNAPSHOT: "snap-00000000000000000",
    Kind.TEMPLATE_VERSION: "lt-00000000000000000:2",
}
"""Ids of leftovers that are not there."""
FAST = RefreshStrategy(min_healthy=50, max_healthy=100, warmup=timedelta(0))


STACK = {
    "Parameters": {
        "ImageId": {"Type": "String"},
        "Size": {"Type": "String", "Default": "t3.small"},
        "Password": {"Type": "String", "NoEcho": True},
    },
    "Resources": {
        "Name": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Name": "image", "Type": "String", "Value": {"Ref": "ImageId"}},
        }
    },
}


class Account:
    """An account of the sandbox behind every port; `world` makes what a user has before."""

    def __init__(self, cloud: Cloud[ManualClock], clients: Clients) -> None:
        self.cloud = cloud
        self.clients = clients
        self.world = World(cloud, region=clients.region)
        self.images: Images = Ec2Images(clients, cloud.clock)
        self.fleets: Fleets = AutoScalingFleets(clients)
        self.refreshes: Refreshes = AutoScalingRefreshes(clients)
        self.templates: Templates = Ec2Templates(clients)
        self.channels: Channels = SsmChannels(clients, cloud.clock)
        self.instances: Instances = Ec2Instances(clients)
        self.commands: RunCommand = SsmRunCommand(clients, cloud.clock)
        self.preflight: Preflight = LivePreflight(clients)
        self.traffic: Traffic = ElbTraffic(clients)
        self.windows: Windows = SsmWindows(clients, cloud.clock)
        self.copies: Copies = AutoScalingCopies(clients, cloud.clock)
        self.changes: GroupChanges = AutoScalingChanges(clients)
        self.signals: Signals = SsmSignals(clients)
        self.leases: Leases = SsmLeases(clients, "/rebake/leases", me=("ann@here", ""), gone=lambda _: False)
        self.ledgers: Ledgers = SsmLedgers(clients, "/rebake/good")
        self.leftovers: Leftovers = AwsLeftovers(clients)
        self.metrics: Metrics = CloudWatchMetrics(clients)
        self.notices: Notices = SqsNotices(clients)
        self.findings: Findings = InspectorFindings(clients)
        self.nodes: Nodes = SsmNodes(clients)
        self.baselines: Baselines = SsmBaselines(clients)
        self.stacks: Stacks = CloudFormationStacks(clients)
        self.journals: Journals = S3Journals(clients, Bucket(name="audit", prefix="rebake"))
        self.objects: Objects = S3Objects(lambda: clients.s3, Bucket(name="audit", prefix="evidence"))

    def base(self) -> Image:
        """Find the sandbox's newest Debian image."""
        found = self.images.newest(owner=DEBIAN, name="debian-12-*", architecture=Architecture.X86_64)
        assert found is not None
        return found

    def signer(self, spec: str = "ECC_NIST_P256", usage: str = "SIGN_VERIFY") -> Signer:
        """Make a key, and the signer of it."""
        made = self.clients.kms.create_key(KeySpec=spec, KeyUsage=usage)  # type: ignore[arg-type] # names of kinds
        return KmsSigner(self.clients, made["KeyMetadata"]["KeyId"])

    def queue(self) -> str:
        """Make a queue with one message in it."""
        sqs = self.world.client("sqs")
        url: str = sqs.create_queue(QueueName="events")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="{}")
        return url

    def bucket(self) -> None:
        """Make the bucket of the journals."""
        self.world.client("s3").create_bucket(Bucket="audit")

    def launch(self, **more: str) -> InstanceId:
        """Boot a bare instance of the base image and wait until it answers."""
        request = LaunchRequest(
            image=self.base().id, instance_type="t3.small", tags={"rebake:run": "r1"}, token=more.get("token", "t")
        )
        launched = self.instances.launch(request)
        self.cloud.clock.advance(timedelta(minutes=2))
        return launched.id

    def bake(self, name: str = "web-1") -> Image:
        """Make an image of ours."""
        image = ImageId(self.world.image(name))
        return self.images.get([image])[image]

    def template(self) -> TemplateVersion:
        """Make a launch template of the base image, with a data volume."""
        zone = f"{self.clients.region}a"
        volume = self.world.ec2.create_volume(AvailabilityZone=zone, Size=1)["VolumeId"]
        snapshot = self.world.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
        mapping = {"DeviceName": "/dev/sdf", "Ebs": {"SnapshotId": snapshot}}
        made = self.world.template("volumes", self.base().id, BlockDeviceMappings=[mapping])
        return self.templates.version(TemplateId(made), "1")

    def group(self, name: GroupName = WEB) -> Group:
        """Make a group of two instances on the base image, all in service."""
        self.world.fleet(name, self.base().id, size=2, MinSize=1, Tags=[{"Key": "Service", "Value": "web"}])
        return self.fleets.find(GroupByName(name=name))

    def saved(self, group: Group) -> TemplateVersion:
        """Fetch the version that is saved on a group."""
        assert group.template is not None
        return self.templates.version(group.template.id, group.template.version)

    def next_version(self, group: Group, image: Image) -> TemplateVersion:
        """Make the group's next version, with another image."""
        return self.templates.create_version(self.saved(group), image=image.id, description="d", token="v2")

    def rolling(self) -> tuple[Group, RefreshId, TemplateVersion]:
        """Start a refresh of the group to version 2, with another image."""
        group = self.group()
        version = self.next_version(group, self.bake())
        return group, self.start(group, version), version

    def start(self, group: Group, version: TemplateVersion, strategy: RefreshStrategy = FAST) -> RefreshId:
        """Start a refresh to a version."""
        return self.refreshes.start(
            group,
            template=version.id,
            version=version.number,
            image=ImageId(version.image),
            strategy=strategy,
            auto_rollback=False,
        )

    def refresh(self) -> RefreshStatus:
        """Tell how the newest refresh stands."""
        return self.refreshes.listed(WEB)[0].status

    def stack(self, name: str) -> None:
        """Make a stack with an image and a secret among its parameters."""
        given = {"ImageId": "ami-old", "Password": "s3cret"}
        parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]
        self.world.client("cloudformation").create_stack(
            StackName=name, TemplateBody=json.dumps(STACK), Parameters=parameters
        )
