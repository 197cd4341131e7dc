"""The IAM actions that are declared are those that are called; denials name theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import nouns
import pytest
from aws.account import GONE, NOBODY, STABLE, WEB, Account
from aws.answers import AT
from aws.teams import GREEN, OURS, Teams

from pipeline.aws.calls import CALLS
from pipeline.aws.permissions import ACTIONS
from pipeline.aws.simulation import PolicySimulator
from pipeline.errors import AccessDenied, Throttled
from pipeline.model.baselines import PatchBaseline
from pipeline.model.compliance import Reason
from pipeline.model.findings import Severity
from pipeline.model.fleets import Group
from pipeline.model.good import Good
from pipeline.model.ids import RunId, TargetGroupArn
from pipeline.model.images import Image
from pipeline.model.leases import Lease
from pipeline.model.leftovers import Kind
from pipeline.model.packages import OperatingSystem
from pipeline.model.settings import GroupByName
from pipeline.model.signals import Signal
from pipeline.model.windows import WindowId
from pipeline.ports.instances import LaunchRequest
from pipeline.ports.metrics import Series


def test_a_denied_action_is_named(account: Account) -> None:
    """By the preflight before, and by the error after."""
    account.cloud.deny("ec2:CreateTags")
    with pytest.raises(AccessDenied) as raised:
        account.images.tag(account.base(), {"a": "b"})
    assert raised.value.action == "ec2:CreateTags"


def test_throttling_past_the_budget_is_told(account: Account) -> None:
    """Running again later helps."""
    account.cloud.faults.throttle("ssm:*")
    with pytest.raises(Throttled) as raised:
        account.channels.current(STABLE)
    assert raised.value.transient


def written(account: Account, number: int = 1) -> str:
    """Make a baseline of ours, and write it once more."""
    ours, system = PatchBaseline(name="ours"), OperatingSystem.DEBIAN
    made = account.baselines.write(None, "rebake-ours", ours, system, str(number))
    return account.baselines.write(made, "rebake-ours", ours, system, str(number))


def nightly(account: Account) -> WindowId:
    """Make a maintenance window."""
    made = account.world.ssm.create_maintenance_window(
        Name="nightly", Schedule="cron(0 2 ? * * *)", Duration=4, Cutoff=1, AllowUnassociatedTargets=True
    )
    return WindowId(made["WindowId"])


def changes(account: Account) -> str:
    """Make a change calendar."""
    content = "BEGIN:VCALENDAR\nX-CALENDAR-TYPE:DEFAULT_OPEN\nEND:VCALENDAR"
    account.world.ssm.create_document(
        Name="changes", DocumentType="ChangeCalendar", DocumentFormat="TEXT", Content=content
    )
    return "changes"


NONE = timedelta()
RUN = RunId("20261123T181500-kqzt")


def remove_each(account: Account, group: Group) -> None:
    """Remove one of each kind that the port removes, there or not."""
    for kind, gone in GONE.items():
        account.leftovers.remove(kind, gone)
    vpc = account.world.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    packers = account.world.ec2.create_security_group(GroupName="packer_1", Description="x", VpcId=vpc)["GroupId"]
    assert account.leftovers.remove(Kind.SECURITY_GROUP, packers)
    version = account.world.version(account.saved(group).id, InstanceType="t3.large")
    assert account.leftovers.remove(Kind.TEMPLATE_VERSION, f"{account.saved(group).id}:{version}")


DOING: Mapping[str, Callable[[Account, Group, Image], object]] = {
    "Images.get": lambda account, _, image: account.images.get([image.id]),
    "Images.newest": lambda account, *_: account.base(),
    "Images.baked": lambda account, *_: account.images.baked(family="web"),
    "Images.named": lambda account, *_: account.images.named("web-1"),
    "Images.tag": lambda account, _, image: account.images.tag(image, {"a": "b"}),
    "Images.require_imds_v2": lambda account, _, image: account.images.require_imds_v2(image),
    "Images.protect": lambda account, _, image: account.images.protect(image, "way back"),
    "Images.release": lambda account, _, image: account.images.release(image),
    "Ledgers.write": lambda account, _, image: account.ledgers.write("web", (Good(image=image.id, since=AT),)),
    "Ledgers.of": lambda account, *_: account.ledgers.of("web"),
    "Ledgers.all": lambda account, *_: account.ledgers.all(),
    "Templates.version": lambda account, group, _: account.saved(group),
    "Templates.versions": lambda account, group, _: account.templates.versions(account.saved(group).id),
    "Templates.aliases": lambda account, *_: account.templates.aliases(),
    "Templates.create_version": lambda account, group, image: account.next_version(group, image),
    "Fleets.find": lambda account, *_: account.fleets.find(GroupByName(name=WEB)),
    "Fleets.named": lambda account, *_: account.fleets.named(WEB),
    "Fleets.siblings": lambda account, group, _: account.fleets.siblings(group),
    "Fleets.every": lambda account, group, _: account.fleets.every({"web": GroupByName(name=group.name)}),
    "Fleets.sizes": lambda account, *_: account.fleets.sizes(),
    "Fleets.impaired": lambda account, group, _: account.fleets.impaired([NOBODY, group.members[0].id]),
    "Refreshes.start": lambda account, group, _: account.start(group, replace(account.saved(group), number=2)),
    "Refreshes.listed": lambda account, *_: account.refreshes.listed(WEB),
    "Fleets.activities": lambda account, *_: account.fleets.activities(WEB),
    "Refreshes.roll_back": lambda account, *_: account.refreshes.roll_back(WEB),
    "Refreshes.cancel": lambda account, *_: account.refreshes.cancel(WEB),
    "Channels.move": lambda account, _, image: account.channels.move(STABLE, image.id),
    "Channels.current": lambda account, *_: account.channels.current(STABLE),
    "Channels.history": lambda account, *_: account.channels.history(STABLE),
    "Instances.launch": lambda account, group, image: account.instances.launch(
        LaunchRequest(
            image=image.id, instance_type="t3.small", tags={"a": "b"}, token="s", template=account.saved(group).id
        )
    ),
    "Instances.tagged": lambda account, *_: account.instances.tagged({"a": "b"}),
    "Instances.get": lambda account, group, _: account.instances.get(group.members[0].id),
    "RunCommand.online": lambda account, group, _: account.commands.online(group.members[0].id),
    "RunCommand.run": lambda account, *_: account.commands.run(
        account.launch(token="c"), "true", timeout=timedelta(minutes=1)
    ),
    "Baselines.write": lambda account, *_: written(account),
    "Baselines.find": lambda account, *_: account.baselines.find("rebake-ours"),
    "Baselines.get": lambda account, *_: account.baselines.get(written(account), OperatingSystem.DEBIAN),
    "Baselines.chosen": lambda account, *_: [
        account.baselines.chosen(group, OperatingSystem.DEBIAN) for group in (None, "prod")
    ],
    "Baselines.register": lambda account, *_: [
        account.baselines.register(written(account, number), "prod", OperatingSystem.DEBIAN) for number in (1, 2)
    ],
    "Instances.terminate": lambda account, *_: account.instances.terminate((NOBODY,)),
    "Journals.keep": lambda account, *_: account.journals.keep(RUN, 1, "{}"),
    "Journals.runs": lambda account, *_: account.journals.runs(),
    "Journals.lines": lambda account, *_: account.journals.lines(RUN),
    "Objects.put": lambda account, *_: account.objects.put("a/b", b"c"),
    "Objects.get": lambda account, *_: account.objects.get("a/b"),
    "Signer.sign": lambda account, *_: account.signer().sign(b"words"),
    "Signer.verify": lambda account, *_: [one.verify(b"words", one.sign(b"words")) for one in [account.signer()]],
    "Leftovers.found": lambda account, group, _: account.leftovers.found([GroupByName(name=group.name)]),
    "Leftovers.remove": lambda account, group, _: remove_each(account, group),
    "Findings.coverage": lambda account, group, image: account.findings.coverage([image.id], [group.members[0].id]),
    "Findings.found": lambda account, group, image: account.findings.found([image.id], [group.members[0].id]),
    "Findings.fixable": lambda account, *_: [*account.findings.fixable([Severity.HIGH])],
    "Nodes.agents": lambda account, group, _: account.nodes.agents([group.members[0].id]),
    "Nodes.patches": lambda account, group, _: account.nodes.patches([group.members[0].id]),
    "Nodes.publish": lambda account, group, _: account.nodes.publish(
        nouns.compliance(group.members[0].id, Reason.FINDINGS), AT, RUN
    ),
    "Notices.receive": lambda account, *_: account.notices.receive(account.queue(), NONE),
    "Notices.done": lambda account, *_: account.notices.done(
        url := account.queue(), account.notices.receive(url, NONE)
    ),
    "Windows.window": lambda account, *_: account.windows.window(nightly(account)),
    "Windows.calendars": lambda account, *_: account.windows.calendars([changes(account)], AT),
}


_SEEN = {"autoscaling:DescribeWarmPool", "ec2:DescribeInstances"}
NOT_ASKED: Mapping[str, set[str]] = {
    "Templates.create_version": {"ec2:DescribeImages"},  # where the images' disks differ
    **dict.fromkeys(
        ("Fleets.find", "Fleets.named", "Fleets.siblings"), _SEEN
    ),  # with a warm pool; with members to look at
    "Refreshes.start": {
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeInstanceRefreshes",
    },  # lost answers
    "RunCommand.run": {"ssm:CancelCommand"},  # on time-out
    "Leftovers.found": {"ec2:DescribeNetworkInterfaces", "elasticloadbalancing:DescribeTags"},  # where there are such
    "Fleets.every": {"autoscaling:DescribeWarmPool"},
    "Traffic.route": {"elasticloadbalancing:DescribeRules"},  # of a rule instead of a listener
    "Traffic.weigh": {"elasticloadbalancing:DescribeRules", "elasticloadbalancing:ModifyRule"},  # likewise
    "Traffic.clone": {"elasticloadbalancing:AddTags"},  # no call: AWS asks for it when a group is made with tags
    "Copies.create": {"autoscaling:UpdateAutoScalingGroup", "ec2:DescribeLaunchTemplateVersions"},  # grown; overrides
    "GroupChanges.set_version": {"ec2:DescribeLaunchTemplateVersions"},  # with overrides that name an image
    "Stacks.propose": {"cloudformation:DeleteChangeSet"},  # of one that failed
    "Stacks.execute": {"cloudformation:DescribeChangeSet"},  # lost answers
}
"""What a method calls only in the case behind it, which tests of their own make."""
ASKED_BESIDES = {
    "Templates.versions": {"ec2:DescribeLaunchTemplateVersions"},
    "Refreshes.start": {"ec2:DescribeLaunchTemplateVersions"},
    "RunCommand.run": {"ec2:DescribeImages", "ec2:RunInstances"},
    "Baselines.get": set(CALLS["Baselines.write"]),
    "Baselines.register": set(CALLS["Baselines.write"]),
    "Leftovers.remove": {
        "ec2:CreateLaunchTemplateVersion",
        "ec2:CreateSecurityGroup",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:DescribeVpcs",
    },
    "Signer.sign": {"kms:CreateKey"},
    "Signer.verify": {"kms:CreateKey", "kms:Sign"},
    "Notices.receive": {"sqs:CreateQueue", "sqs:SendMessage"},
    "Notices.done": {"sqs:CreateQueue", "sqs:SendMessage", "sqs:ReceiveMessage"},
    "Windows.window": {"ssm:CreateMaintenanceWindow"},
    "Windows.calendars": {"ssm:CreateDocument"},
}


def test_the_declared_calls_are_the_calls(account: Account) -> None:
    """No port method makes a call that the IAM list of its verb does not have."""
    group = account.group()
    image = account.bake()
    account.bucket()
    account.world.client("inspector2").enable(resourceTypes=["EC2"])
    for method, do in DOING.items():
        account.cloud.calls.clear()
        do(account, group, image)
        actions = {call.action for call in account.cloud.calls}
        assert actions, method
        assert actions - ASKED_BESIDES.get(method, set()) <= set(CALLS[method]), method
        assert set(CALLS[method]) - actions == NOT_ASKED.get(method, set()), method
    assert set(DOING) | set(ROLLING) | {"Secrets.reveal"} == set(CALLS)


DAY = timedelta(days=1)
LEASE = Lease(
    name="fleet-web", number=2, run=RunId("r"), by="ann@here", process="", urgent=False, since=AT, until=AT + DAY
)
ROLLING: Mapping[str, Callable[[Teams], object]] = {
    "Copies.obstacles": lambda teams: teams.account.copies.obstacles(WEB),
    "Traffic.route": lambda teams: teams.account.traffic.route(teams.fleet.listener),
    "Traffic.target_group": lambda teams: teams.account.traffic.target_group(teams.blue),
    "Traffic.elsewhere": lambda teams: teams.account.traffic.elsewhere(teams.blue, route=""),
    "Traffic.forwarding": lambda teams: teams.account.traffic.forwarding(teams.blue),
    "Traffic.health": lambda teams: teams.account.traffic.health(teams.blue),
    "Traffic.clone": lambda teams: teams.account.traffic.clone(teams.blue, name="web-v3", tags=OURS),
    "Traffic.weigh": lambda teams: teams.account.traffic.weigh(
        teams.account.traffic.route(teams.fleet.listener), {teams.blue: 1, teams.target_group: 0}
    ),
    "Copies.create": lambda teams: teams.copy(),
    "GroupChanges.resize": lambda teams: teams.account.changes.resize(WEB, minimum=2),
    "GroupChanges.suspend": lambda teams: teams.account.changes.suspend(WEB, ["AZRebalance"]),
    "GroupChanges.resume": lambda teams: teams.account.changes.resume(WEB, ["AZRebalance"]),
    "GroupChanges.protect": lambda teams: teams.account.changes.protect(WEB, [NOBODY], protected=True),
    "GroupChanges.tag": lambda teams: teams.account.changes.tag({WEB: {"a": "b"}}),
    "GroupChanges.untag": lambda teams: teams.account.changes.untag(WEB, ["a"]),
    "GroupChanges.set_version": lambda teams: teams.account.changes.set_version(teams.group, teams.version),
    "Metrics.alarms": lambda teams: teams.account.metrics.alarms(["web-5xx"]),
    "Metrics.values": lambda teams: teams.account.metrics.values(
        [Series(namespace="n", name="m", statistic="Sum", period=timedelta(minutes=1))], since=AT, until=AT + DAY
    ),
    "Metrics.served": lambda teams: teams.account.metrics.served([teams.blue], since=AT, until=AT + DAY),
    "Signals.leave": lambda teams: teams.account.signals.leave(
        "/rebake/andon/all", Signal(word="halt", by="", reason="", at=AT)
    ),
    "Signals.under": lambda teams: teams.account.signals.under("/rebake/andon"),
    "Signals.read": lambda teams: teams.account.signals.read("/rebake/andon/all"),
    "Signals.take": lambda teams: teams.account.signals.take("/rebake/andon/all"),
    "Leases.create": lambda teams: teams.account.leases.create(LEASE),
    "Leases.latest": lambda teams: teams.account.leases.latest("fleet-web"),
    "Leases.rewrite": lambda teams: teams.account.leases.rewrite(LEASE),
    "Stacks.get": lambda teams: teams.account.stacks.get("shop"),
    "Stacks.propose": lambda teams: teams.account.stacks.propose(
        "shop", parameter="ImageId", value="ami-1", change_set="r1"
    ),
    "Stacks.execute": lambda teams: teams.account.stacks.execute("shop", change_set="r1"),
    "Copies.delete": lambda teams: teams.account.copies.delete(GREEN),
    "Traffic.delete": lambda teams: teams.account.traffic.delete(TargetGroupArn(f"{teams.blue}0")),
}
# What a test asks beside the method that it is about.
LOOKING = set(CALLS["Fleets.find"])


def test_the_declared_calls_of_a_rollout_are_the_calls(account: Account) -> None:
    """Blue-green, signals, metrics and stacks on a group that has all that teams hang on one."""
    teams = Teams(account)
    teams.everything()
    account.stack("shop")
    for method, do in ROLLING.items():
        account.cloud.calls.clear()
        do(teams)
        actions = {call.action for call in account.cloud.calls}
        assert actions, method
        assert actions - LOOKING <= set(CALLS[method]), method
        assert set(CALLS[method]) - actions == NOT_ASKED.get(method, set()), method


def test_every_verb_lists_what_it_needs() -> None:
    """The lists are sorted, hold reading for all verbs, and a release needs what its parts need."""
    assert all(list(actions) == sorted(set(actions)) for actions in ACTIONS.values())
    assert all(set(ACTIONS["plan"]) <= set(actions) for actions in ACTIONS.values())
    parts = {action for verb in ("bake", "smoke", "promote", "roll") for action in ACTIONS[verb]}
    assert set(ACTIONS["release"]) == parts
    assert "iam:PassRole" in ACTIONS["roll"]
    assert set(ACTIONS["halt"]) - set(ACTIONS["plan"]) == {
        "autoscaling:CancelInstanceRefresh",
        "autoscaling:RollbackInstanceRefresh",
        "ssm:PutParameter",
    }
    assert ACTIONS["watch"] == ACTIONS["plan"]
    assert not {action for action in ACTIONS["sweep"] if ":Create" in action or ":Run" in action}
    assert {action for action in ACTIONS["sweep"] if ":Delete" in action or ":Terminate" in action} == {
        "autoscaling:DeleteAutoScalingGroup",
        "ec2:DeleteKeyPair",
        "ec2:DeleteLaunchTemplateVersions",
        "ec2:DeleteSecurityGroup",
        "ec2:DeleteSnapshot",
        "ec2:DeleteVolume",
        "ec2:TerminateInstances",
        "elasticloadbalancing:DeleteTargetGroup",
        "ssm:DeleteParameter",
    }


def test_the_preflight_sees_what_is_denied(account: Account) -> None:
    """One finding for each action that is missing, and the caller's account."""
    account.cloud.deny("ec2:CreateImage")
    assert account.preflight.caller().account
    user = "arn:aws:iam::123456789012:user/ann"
    findings = PolicySimulator(account.clients).caller(user, ACTIONS["bake"])
    assert [(finding.ok, finding.text) for finding in findings] == [(False, "ec2:CreateImage is not allowed.")]
