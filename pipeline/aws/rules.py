"""What each action is allowed on, and under which condition; an action that stands in no rule is allowed on everything.

Which resources and condition keys an action knows is from its service's page of the Service Authorization Reference.
docs/permissions.md says what is not narrowed, and why. A value in braces stands for what the configuration names.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.model.names import TAG_FAMILY, TAG_ROLE, TAG_RUN

ANY = ("*",)
Condition = tuple[str, str, tuple[str, ...]]
"""Operator, key, values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Resources (ARNs without ``arn:aws:``) and a condition, for some actions of a service."""

    on: tuple[str, ...] = ANY
    when: Condition | None = None
    service: str = ""
    actions: str = ""

    def named(self) -> set[str]:
        """Name the actions as the table of calls does."""
        return {f"{self.service}:{action}" for action in self.actions.split()}


OF_FAMILY = ("StringLike", f"aws:ResourceTag/{TAG_FAMILY}", ("{families}",))
FOR_FAMILY = ("StringLike", f"aws:RequestTag/{TAG_FAMILY}", ("{families}",))
OF_A_RUN = ("StringLike", f"aws:ResourceTag/{TAG_RUN}", ANY)
FOR_A_RUN = ("StringLike", f"aws:RequestTag/{TAG_RUN}", ANY)
IN_A_ROLLOUT = ("StringLike", f"aws:ResourceTag/{TAG_ROLE}", ANY)
# The key as AWS's own examples for Session Manager and Run Command have it.
REACHED = ("StringLike", f"ssm:resourceTag/{TAG_FAMILY}", ("{families}",))
BY_TEMPLATE = ("ArnLike", "ec2:LaunchTemplate", ("{arn}ec2:*:*:launch-template/*",))

_INSTANCE, _VOLUME, _IMAGE, _SNAPSHOT = "ec2:*:*:instance/*", "ec2:*:*:volume/*", "ec2:*::image/*", "ec2:*::snapshot/*"
_WITH = ("key-pair", "launch-template", "network-interface", "security-group", "subnet", "volume")
_TARGETS = ("elasticloadbalancing:*:*:targetgroup/*",)
_CHANGED_GROUP = """
BatchPutScheduledUpdateGroupAction CancelInstanceRefresh CreateOrUpdateTags DeleteTags EnableMetricsCollection
PutNotificationConfiguration PutScalingPolicy PutWarmPool ResumeProcesses RollbackInstanceRefresh SetInstanceProtection
StartInstanceRefresh SuspendProcesses UpdateAutoScalingGroup
"""

_MARKED = """
CreateTags DeleteTags DisableImageDeregistrationProtection EnableImageDeregistrationProtection ModifyImageAttribute
"""


def _created_by(*calls: str) -> Condition:
    return ("StringEquals", "ec2:CreateAction", calls)


RULES = (
    Rule(service="autoscaling", on=("{groups}",), actions=_CHANGED_GROUP),
    Rule(service="autoscaling", on=("{groups}",), when=FOR_A_RUN, actions="CreateAutoScalingGroup"),
    Rule(service="autoscaling", on=("{groups}",), when=IN_A_ROLLOUT, actions="DeleteAutoScalingGroup"),
    Rule(
        service="cloudformation",
        on=("{stacks}",),
        when=("StringLike", "cloudformation:ChangeSetName", ("rebake-*",)),
        actions="CreateChangeSet DeleteChangeSet ExecuteChangeSet",
    ),
    Rule(
        service="ec2",
        on=(_INSTANCE,),
        when=OF_FAMILY,
        actions="CreateImage ModifyInstanceAttribute StopInstances TerminateInstances",
    ),
    Rule(service="ec2", on=(_IMAGE, _SNAPSHOT), actions="CreateImage"),
    Rule(service="ec2", on=(_VOLUME,), when=OF_FAMILY, actions="DeleteVolume"),
    Rule(service="ec2", on=(_IMAGE, _SNAPSHOT), when=OF_FAMILY, actions=_MARKED),
    Rule(service="ec2", on=(_IMAGE, _SNAPSHOT), when=FOR_FAMILY, actions="CreateTags"),
    Rule(
        service="ec2",
        on=("ec2:*:*:*/*",),  # an image has no account in its ARN, which * matches
        when=_created_by("CreateImage", "CreateKeyPair", "CreateSecurityGroup", "RunInstances"),
        actions="CreateTags@launch",
    ),
    # Packer names the pair of a build, and older ones give it no tags.
    Rule(service="ec2", on=("ec2:*:*:key-pair/rebake-*",), actions="CreateKeyPair DeleteKeyPair"),
    Rule(service="ec2", on=(_INSTANCE,), when=FOR_FAMILY, actions="RunInstances"),
    Rule(service="ec2", on=(_IMAGE, _SNAPSHOT, *(f"ec2:*:*:{kind}/*" for kind in _WITH)), actions="RunInstances"),
    Rule(service="ec2", when=BY_TEMPLATE, actions="RunInstances@refresh"),
    Rule(service="elasticloadbalancing", on=_TARGETS, when=FOR_A_RUN, actions="AddTags CreateTargetGroup"),
    Rule(
        service="elasticloadbalancing",
        on=_TARGETS,
        when=OF_A_RUN,
        actions="DeleteTargetGroup ModifyTargetGroupAttributes",
    ),
    Rule(service="elasticloadbalancing", on=("{routes}",), actions="ModifyListener ModifyRule"),
    Rule(service="iam", when=("StringLike", "iam:PassedToService", ("ec2.amazonaws.com*",)), actions="PassRole"),
    Rule(
        service="ssm",
        on=("ssm:*:*:parameter{prefix}/*",),
        actions="DeleteParameter DeleteParameters GetParameter GetParameterHistory GetParametersByPath PutParameter",
    ),
    Rule(service="ssm", on=("ssm:*::parameter/aws/service/*", "{sources}"), actions="GetParameter"),
    Rule(service="ssm", on=(_INSTANCE,), when=REACHED, actions="SendCommand"),
    Rule(service="ssm", on=("ssm:*::document/AWS-RunShellScript",), actions="SendCommand"),
)

# Encryption in the caller's name, for a key of the account's own.
ENCRYPTING = "CreateGrant Decrypt DescribeKey GenerateDataKeyWithoutPlaintext ReEncryptFrom ReEncryptTo"
TUNNELLING = (
    Rule(service="ssm", on=(_INSTANCE,), when=REACHED, actions="StartSession"),
    Rule(service="ssm", on=("ssm:*::document/AWS-StartPortForwardingSession",), actions="StartSession"),
    Rule(service="ssm", on=("ssm:*:*:session/${aws:userid}-*",), actions="TerminateSession"),
)
"""Packer's way in through Session Manager."""
PROFILE_MAKING = Rule(
    service="iam",
    on=("iam::*:instance-profile/packer-*", "iam::*:role/packer-*"),
    actions="""AddRoleToInstanceProfile CreateInstanceProfile CreateRole DeleteInstanceProfile DeleteRole
    DeleteRolePolicy GetInstanceProfile PutRolePolicy RemoveRoleFromInstanceProfile""",
)
"""Packer's own instance profile for that, where the family names none."""
