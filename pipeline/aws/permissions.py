"""The IAM actions behind each verb, from the calls that the adapters really make (a test records them)."""

from __future__ import annotations

from collections.abc import Mapping

CALLS: Mapping[str, tuple[str, ...]] = {
    "Images.get": ("ec2:DescribeImages",),
    "Images.newest": ("ec2:DescribeImages",),
    "Images.baked": ("ec2:DescribeImages",),
    "Images.named": ("ec2:DescribeImages",),
    "Images.tag": ("ec2:CreateTags",),
    "Images.require_imds_v2": ("ec2:ModifyImageAttribute",),
    "Fleets.find": ("autoscaling:DescribeAutoScalingGroups", "ec2:DescribeInstances"),
    "Fleets.refreshes": ("autoscaling:DescribeInstanceRefreshes",),
    "Fleets.start_refresh": ("autoscaling:DescribeAutoScalingGroups", "autoscaling:StartInstanceRefresh"),
    "Fleets.cancel_refresh": ("autoscaling:CancelInstanceRefresh",),
    "Fleets.roll_back_refresh": ("autoscaling:RollbackInstanceRefresh",),
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
    "Instances.launch": ("ec2:DescribeLaunchTemplateVersions", "ec2:RunInstances"),
    "Instances.get": ("ec2:DescribeInstances",),
    "Instances.tagged": ("ec2:DescribeInstances",),
    "Instances.terminate": ("ec2:DescribeInstances", "ec2:TerminateInstances"),
    "RunCommand.online": ("ssm:DescribeInstanceInformation",),
    "RunCommand.run": ("ssm:CancelCommand", "ssm:GetCommandInvocation", "ssm:SendCommand"),
    "Secrets.reveal": ("secretsmanager:GetSecretValue", "ssm:GetParameter"),
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

# What AWS checks besides the action that is called: tags at launch, roles handed over, the launch that an instance
# refresh will make ("Control Amazon EC2 launch template usage"), and the check of an aws:ec2:image parameter.
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
    return {action for method in methods for action in CALLS[method]}


_PLAN = _of(
    "Images.get",
    "Images.newest",
    "Images.baked",
    "Fleets.find",
    "Fleets.refreshes",
    "Templates.version",
    "Templates.versions",
    "Channels.current",
    "Channels.history",
)
_BAKE = _of("Images.tag", "Images.require_imds_v2", "Images.named").union(_PACKER)
_SMOKE = _of("Images.tag", "Instances.launch", "Instances.get", "Instances.tagged", "Instances.terminate").union(
    _of("RunCommand.online", "RunCommand.run"), _ON_LAUNCH
)
_PROMOTE = _of("Channels.current", "Channels.history", "Channels.move").union(_ON_MOVE)
# Rolling and rolling back need the same: an interrupted roll rolls back, and after a roll the way back is a roll.
_ROLL = _of("Templates.create_version", "Fleets.start_refresh", "Fleets.activities", "Fleets.roll_back_refresh").union(
    _ON_REFRESH
)

ACTIONS: Mapping[str, tuple[str, ...]] = {
    verb: tuple(sorted(_PLAN | actions))
    for verb, actions in {
        "plan": set[str](),
        "bake": _BAKE,
        "smoke": _SMOKE,
        "promote": _PROMOTE,
        "roll": _ROLL,
        "rollback": _ROLL,
        "release": _BAKE | _SMOKE | _PROMOTE | _ROLL,
    }.items()
}
"""The actions a caller needs for each verb, sorted.

Not listed is what only some families need: Session Manager connections, KMS keys, and secrets of Secrets Manager,
which are fetched before a build begins, so that a missing right stops it at once.
"""
