"""The IAM actions behind each verb, from the calls that the adapters really make (a test records them)."""

from __future__ import annotations

from collections.abc import Mapping

_GROUPS = ("autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeWarmPool", "ec2:DescribeInstances")
_ROUTE = ("elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeRules")
_SHAPE = (
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeLifecycleHooks",
    "autoscaling:DescribePolicies",
)

CALLS: Mapping[str, tuple[str, ...]] = {
    "Images.get": ("ec2:DescribeImages",),
    "Images.newest": ("ec2:DescribeImages",),
    "Images.baked": ("ec2:DescribeImages",),
    "Images.named": ("ec2:DescribeImages",),
    "Images.tag": ("ec2:CreateTags",),
    "Images.require_imds_v2": ("ec2:ModifyImageAttribute",),
    "Fleets.find": _GROUPS,
    "Fleets.named": _GROUPS,
    "Fleets.siblings": _GROUPS,
    "Fleets.every": _GROUPS,
    "Fleets.sizes": ("autoscaling:DescribeAutoScalingGroups",),
    "Fleets.impaired": ("ec2:DescribeInstances", "ec2:DescribeInstanceStatus"),
    "Refreshes.listed": ("autoscaling:DescribeInstanceRefreshes",),
    "Refreshes.start": (
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeInstanceRefreshes",
        "autoscaling:StartInstanceRefresh",
        "ec2:DescribeLaunchTemplateVersions",
    ),
    "Refreshes.cancel": ("autoscaling:CancelInstanceRefresh",),
    "Refreshes.roll_back": ("autoscaling:RollbackInstanceRefresh",),
    "Fleets.activities": ("autoscaling:DescribeScalingActivities",),
    "Templates.version": ("ec2:DescribeLaunchTemplateVersions",),
    "Templates.versions": ("ec2:DescribeLaunchTemplateVersions",),
    "Templates.aliases": ("ec2:DescribeLaunchTemplates",),
    "Templates.create_version": (
        "ec2:CreateLaunchTemplateVersion",
        "ec2:DescribeImages",
        "ec2:DescribeLaunchTemplateVersions",
    ),
    "Channels.current": ("ssm:GetParameter",),
    "Channels.history": ("ssm:GetParameterHistory",),
    "Channels.move": ("ssm:GetParameter", "ssm:PutParameter"),
    "Baselines.get": ("ssm:GetPatchBaseline",),
    "Baselines.chosen": ("ssm:GetDefaultPatchBaseline", "ssm:GetPatchBaselineForPatchGroup"),
    "Baselines.find": ("ssm:DescribePatchBaselines",),
    "Baselines.write": ("ssm:CreatePatchBaseline", "ssm:UpdatePatchBaseline"),
    "Baselines.register": (
        "ssm:DeregisterPatchBaselineForPatchGroup",
        "ssm:DescribePatchGroups",
        "ssm:RegisterPatchBaselineForPatchGroup",
    ),
    "Instances.launch": ("ec2:DescribeLaunchTemplateVersions", "ec2:RunInstances"),
    "Instances.get": ("ec2:DescribeInstances",),
    "Instances.tagged": ("ec2:DescribeInstances",),
    "Instances.terminate": ("ec2:DescribeInstances", "ec2:TerminateInstances"),
    "RunCommand.online": ("ssm:DescribeInstanceInformation",),
    "RunCommand.run": ("ssm:CancelCommand", "ssm:GetCommandInvocation", "ssm:SendCommand"),
    "Secrets.reveal": ("secretsmanager:GetSecretValue", "ssm:GetParameter"),
    "Traffic.route": _ROUTE,
    "Traffic.weigh": (*_ROUTE, "elasticloadbalancing:ModifyListener", "elasticloadbalancing:ModifyRule"),
    "Traffic.elsewhere": (*_ROUTE, "elasticloadbalancing:DescribeTargetGroups"),
    "Traffic.forwarding": (*_ROUTE, "elasticloadbalancing:DescribeTargetGroups"),
    "Traffic.target_group": ("elasticloadbalancing:DescribeTargetGroupAttributes",),
    "Traffic.clone": (
        "elasticloadbalancing:AddTags",
        "elasticloadbalancing:CreateTargetGroup",
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:DescribeTargetGroupAttributes",
        "elasticloadbalancing:DescribeTargetGroups",
        "elasticloadbalancing:ModifyTargetGroupAttributes",
    ),
    "Traffic.delete": ("elasticloadbalancing:DeleteTargetGroup",),
    "Traffic.health": ("elasticloadbalancing:DescribeTargetHealth",),
    "Copies.obstacles": _SHAPE,
    "Copies.create": (
        *_SHAPE,
        "autoscaling:BatchPutScheduledUpdateGroupAction",
        "autoscaling:CreateAutoScalingGroup",
        "autoscaling:DescribeNotificationConfigurations",
        "autoscaling:DescribeScheduledActions",
        "autoscaling:EnableMetricsCollection",
        "autoscaling:PutNotificationConfiguration",
        "autoscaling:PutScalingPolicy",
        "autoscaling:PutWarmPool",
        "autoscaling:SuspendProcesses",
        "autoscaling:UpdateAutoScalingGroup",
        "ec2:DescribeLaunchTemplateVersions",
    ),
    "Copies.delete": (
        "autoscaling:DeleteAutoScalingGroup",
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:UpdateAutoScalingGroup",
    ),
    "GroupChanges.resize": ("autoscaling:UpdateAutoScalingGroup",),
    "GroupChanges.suspend": ("autoscaling:SuspendProcesses",),
    "GroupChanges.resume": ("autoscaling:ResumeProcesses",),
    "GroupChanges.protect": ("autoscaling:DescribeAutoScalingGroups", "autoscaling:SetInstanceProtection"),
    "GroupChanges.tag": ("autoscaling:CreateOrUpdateTags",),
    "GroupChanges.untag": ("autoscaling:DeleteTags",),
    "GroupChanges.set_version": (
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:UpdateAutoScalingGroup",
        "ec2:DescribeLaunchTemplateVersions",
    ),
    "Journals.keep": ("s3:PutObject",),
    "Journals.runs": ("s3:ListBucket",),
    "Journals.lines": ("s3:GetObject", "s3:ListBucket"),
    "Signals.under": ("ssm:GetParametersByPath",),
    "Signals.read": ("ssm:GetParameter",),
    "Signals.leave": ("ssm:PutParameter",),
    "Signals.take": ("ssm:DeleteParameter",),
    "Leases.latest": ("ssm:GetParametersByPath",),
    "Leases.create": ("ssm:DeleteParameters", "ssm:PutParameter"),
    "Leases.rewrite": ("ssm:PutParameter",),
    "Leftovers.found": (
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeInstanceRefreshes",
        "ec2:DescribeImages",
        "ec2:DescribeInstances",
        "ec2:DescribeKeyPairs",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSnapshots",
        "ec2:DescribeVolumes",
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:DescribeTargetGroups",
    ),
    "Leftovers.remove": (
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeInstanceRefreshes",
        "ec2:DeleteKeyPair",
        "ec2:DeleteLaunchTemplateVersions",
        "ec2:DeleteSecurityGroup",
        "ec2:DeleteSnapshot",
        "ec2:DeleteVolume",
        "ec2:DeregisterImage",
        "ec2:DescribeNetworkInterfaces",
        "ec2:TerminateInstances",
    ),
    "Findings.coverage": ("ec2:DescribeImages", "inspector2:BatchGetAccountStatus", "inspector2:ListCoverage"),
    "Findings.found": ("ec2:DescribeImages", "ec2:GetImageFindings", "inspector2:ListFindings"),
    "Findings.fixable": ("inspector2:ListFindings",),
    "Nodes.agents": ("ssm:DescribeInstanceInformation",),
    "Nodes.patches": ("ssm:DescribeInstancePatchStates",),
    "Nodes.publish": ("ssm:PutComplianceItems",),
    "Windows.window": ("ssm:GetMaintenanceWindow",),
    "Windows.calendars": ("ssm:GetCalendarState",),
    "Metrics.alarms": ("cloudwatch:DescribeAlarms",),
    "Metrics.values": ("cloudwatch:GetMetricData",),
    "Metrics.served": ("cloudwatch:GetMetricData", "elasticloadbalancing:DescribeTargetGroups"),
    "Stacks.get": ("cloudformation:DescribeStacks",),
    "Stacks.propose": (
        "cloudformation:CreateChangeSet",
        "cloudformation:DeleteChangeSet",
        "cloudformation:DescribeChangeSet",
        "cloudformation:DescribeStacks",
    ),
    "Stacks.execute": ("cloudformation:DescribeChangeSet", "cloudformation:ExecuteChangeSet"),
}
"""Every call that a port method may make, by port and method. The preflight's own are not here: it reports them."""

# Packer's amazon-ebs builder (its documentation, "IAM Task or Instance Role"), with a temporary key pair and group.
_PACKER = (
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateImage",
    "ec2:CreateKeyPair",
    "ec2:CreateSecurityGroup",
    "ec2:CreateTags",
    "ec2:DeleteKeyPair",
    "ec2:DeleteSecurityGroup",
    "ec2:DeleteSnapshot",
    "ec2:DeregisterImage",
    "ec2:DescribeImages",
    "ec2:DescribeInstances",
    "ec2:DescribeInstanceStatus",
    "ec2:DescribeRegions",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSnapshots",
    "ec2:DescribeSubnets",
    "ec2:DescribeTags",
    "ec2:DescribeVolumes",
    "ec2:ModifyImageAttribute",
    "ec2:ModifyInstanceAttribute",
    "ec2:RunInstances",
    "ec2:StopInstances",
    "ec2:TerminateInstances",
)

# What AWS checks besides the action that is called: tags at launch and creation, roles handed over, the launch that an
# instance refresh will make ("Control Amazon EC2 launch template usage"), and the check of an aws:ec2:image parameter.
_ON_LAUNCH = ("ec2:CreateTags", "iam:PassRole")
_ON_REFRESH = ("ec2:RunInstances", "iam:PassRole")
_ON_MOVE = ("ec2:DescribeImages",)

AGENT_ACTIONS = (
    "ec2messages:GetMessages",
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
)
"""What an instance's role needs for its SSM agent; AmazonSSMManagedInstanceCore has them all."""


def _of(*methods: str) -> set[str]:
    """Collect the actions of methods; a port's name alone stands for all of its methods."""
    return {action for name, calls in CALLS.items() if name.startswith(methods) for action in calls}


_PLAN = _of(
    "Images.get",
    "Images.newest",
    "Images.baked",
    "Fleets.find",
    "Fleets.named",
    "Refreshes.listed",
    "Fleets.siblings",
    "Fleets.sizes",
    "Templates.version",
    "Channels.current",
    "Channels.history",
    "Traffic.route",
    "Traffic.elsewhere",
    "Traffic.health",
    "Copies.obstacles",
    "Signals.under",
    "Stacks.get",
    "Baselines.get",
    "Baselines.chosen",
    "Windows.",
)
_LEASE = _of("Leases.")
_BAKE = _of("Images.tag", "Images.require_imds_v2", "Images.named").union(_PACKER, _LEASE)
_SMOKE = _of("Images.tag", "Instances.launch", "Instances.get", "Instances.tagged", "Instances.terminate").union(
    _of("RunCommand.online", "RunCommand.run"), _ON_LAUNCH, _LEASE
)
_PROMOTE = _of("Channels.current", "Channels.history", "Channels.move").union(_ON_MOVE, _LEASE)
# Rolling, rolling back and repairing need the same: an interrupted roll rolls back, and the way back is a roll.
_ROLL = _of(
    "Templates.create_version",
    "Fleets.",
    "Refreshes.",
    "Traffic.",
    "Copies.",
    "GroupChanges.",
    "Metrics.",
    "Stacks.",
    "Signals.read",
    "Images.tag",
).union(_ON_REFRESH, _LEASE)

ACTIONS: Mapping[str, tuple[str, ...]] = {
    verb: tuple(sorted(_PLAN | actions))
    for verb, actions in {
        "plan": set[str](),
        "bake": _BAKE,
        "smoke": _SMOKE,
        "promote": _PROMOTE,
        "roll": _ROLL,
        "rollback": _ROLL,
        "repair": _ROLL,
        "halt": _of("Signals.leave", "Refreshes.cancel", "Refreshes.roll_back"),
        "sweep": _of("Leftovers.", "Signals.take", "Copies.delete")
        | _of("Traffic.forwarding", "Traffic.weigh", "Traffic.delete"),
        "unhalt": _of("Signals.take"),
        "revoke": _of("Images.tag", "Refreshes.cancel", "Refreshes.roll_back"),
        "approve": _of("Signals.leave"),
        "unlock": _LEASE,
        "watch": set[str](),
        "patches": set(_PACKER),
        "baselines": _of("Baselines."),
        "windows": set[str](),
        "report": _of("Fleets.every", "Templates.aliases", "Nodes.", "Findings.coverage", "Findings.fixable"),
        "release": _BAKE | _SMOKE | _PROMOTE | _ROLL,
    }.items()
}
"""The actions a caller needs for each verb, sorted.

Not listed is what only some configurations need: the journal's bucket (below), Session Manager connections, KMS keys,
and secrets of Secrets Manager, which are fetched before a build begins, so that a missing right stops it at once.
"""

JOURNAL_ACTIONS = tuple(sorted(_of("Journals.")))
"""What every verb needs besides where a bucket keeps the journal, and what reading it needs."""
