"""Which IAM actions each port method, and Packer, really call (tests record them): the one table of them."""

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
"""Every call that a port method may make, by port and method."""

# Packer's amazon-ebs builder (its documentation, "IAM Task or Instance Role"), with a temporary key pair and group.
PACKER = (
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
    *("ec2:CreateTags@launch", "iam:PassRole"),
)

# What AWS checks besides the action that is called: tags at launch and creation, roles handed over, the launch that an
# instance refresh or a new group will make ("Control Amazon EC2 launch template usage"), and the check of an
# aws:ec2:image parameter. What stands behind @ tells policies what the action is for; IAM knows the action alone.
ON_LAUNCH = ("ec2:CreateTags@launch", "iam:PassRole")
ON_REFRESH = ("ec2:CreateTags@launch", "ec2:RunInstances@refresh", "iam:PassRole")
ON_MOVE = ("ec2:DescribeImages",)

PREFLIGHT = (
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeSubnets",
    "iam:GetInstanceProfile",
    "iam:GetRole",
    "iam:SimulatePrincipalPolicy",
    "kms:DescribeKey",
    "servicequotas:GetServiceQuota",
    "sts:GetCallerIdentity",
)
"""What `rebake check --live` and the headroom guard ask besides; it reports what it may not know."""

AGENT_ACTIONS = (
    "ec2messages:GetMessages",
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
)
"""What an instance's role needs for its SSM agent; AmazonSSMManagedInstanceCore has them all."""
