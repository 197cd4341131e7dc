"""Scaling activities, and what a failed one means.

Auto Scaling gives no code for why it could not launch or keep an instance, only words. So this is the one place where
AWS's words are searched. They choose words, and words that are not known here are shown as they are; two things are
decided by them, because nothing else says it: whether an instance was taken out of service because it was not well, and
whether a launch failed because AWS had no room, which is tried again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.aws.failures import LAUNCH_FAILURES
from pipeline.model.fleets import Activity
from pipeline.model.ids import InstanceId

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.type_defs import ActivityTypeDef

_INSTANCE = re.compile(r"\bi-[0-9a-f]+\b")
_UNWELL = re.compile(r"health[ -]check|status checks? failure|abandoned lifecycle", re.IGNORECASE)

_KEY = (
    "the encrypted volume could not be created or attached",
    "enable the KMS key, and let AWSServiceRoleForAutoScaling use it (kms:CreateGrant in its policy, or a grant)",
)
_GONE = ("the image does not exist for this account", "restore it from the Recycle Bin, share it, or roll to another")
_DISABLED = (
    "the image is disabled or not available yet",
    "`aws ec2 enable-image`, or wait for it, or roll to another",
)
_NOT_ALLOWED = ("the account's Allowed AMIs do not allow the image", "allow its owner, or roll to another image")
_ARCHITECTURE = (
    "image and instance type do not go together",
    "choose instance types of the image's architecture, or bake for that of the types",
)
_PROFILE = (
    "the launch template's instance profile cannot be used",
    "it must exist, and whoever rolls must be allowed iam:PassRole for its role",
)
_NETWORK = ("a subnet, security group or key pair of the launch template is gone", "name ones that exist")
_HOOK = (
    "a lifecycle hook was abandoned: its action failed or took too long",
    "look at what completes the hook (CompleteLifecycleAction), and at its heartbeat timeout",
)
_ELB = (
    "the load balancer found the instance unhealthy",
    "compare the target group's health check with what the image serves, and the group's grace period with its start",
)
_EC2 = ("the instance stopped or failed EC2's status checks", "`aws ec2 get-console-output` shows how far it booted")

# The first that is found counts: codes before words, narrow words before wide ones.
_MEANINGS: tuple[tuple[str, tuple[str, str]], ...] = (
    (r"Client\.InternalError|Client error on launch|KMS", _KEY),
    *((rf"\b{code}\b", meaning) for code, meaning in LAUNCH_FAILURES.items()),
    (r"no Spot capacity", LAUNCH_FAILURES["UnfulfillableCapacity"]),
    (r"Spot request price|Spot price", LAUNCH_FAILURES["SpotMaxPriceTooLow"]),
    (r"spot instance count exceeded", LAUNCH_FAILURES["MaxSpotInstanceCountExceeded"]),
    (r"sufficient free .*(addresses|prefixes)", LAUNCH_FAILURES["InsufficientFreeAddressesInSubnet"]),
    (r"sufficient .*capacity", LAUNCH_FAILURES["InsufficientInstanceCapacity"]),
    (r"more vCPU capacity", LAUNCH_FAILURES["VcpuLimitExceeded"]),
    (r"requested more .*instances .*than your|reached your quota", LAUNCH_FAILURES["InstanceLimitExceeded"]),
    (r"Allowed (AMI|image)s", _NOT_ALLOWED),
    (r"InvalidAMIID\.NotFound|(image|AMI) id.* does not exist|not authorized for images", _GONE),
    (r"InvalidAMIID\.Unavailable|(image|AMI)\b.* is (disabled|pending|deregistered)|cannot be run", _DISABLED),
    (r"architecture|virtualization ?type|InstanceTypeSpecification", _ARCHITECTURE),
    (
        r"not supported in your requested Availability Zone|configuration is currently not supported",
        LAUNCH_FAILURES["Unsupported"],
    ),
    (r"instance ?profile|iam:PassRole|not authorized to perform", _PROFILE),
    (r"(security group|subnet ID|key pair) .*does not exist", _NETWORK),
    (r"lifecycle action.* abandon|abandoned lifecycle|ABANDON result", _HOOK),
    (r"ELB (system )?health check", _ELB),
    (r"EC2 (health check|instance status)|status checks? failure", _EC2),
)


def activity_of(entry: ActivityTypeDef) -> Activity:
    """Read an activity as DescribeScalingActivities answers it."""
    description, message = entry.get("Description", ""), entry.get("StatusMessage", "")
    instance = _INSTANCE.search(description)
    launch = description.startswith("Launching")
    meaning = decoded(message if launch else f"{message} {entry['Cause']}")
    return Activity(
        at=entry["StartTime"],
        description=description,
        status=entry["StatusCode"],
        cause=entry["Cause"],
        message=message,
        launch=launch,
        instance=InstanceId(instance.group()) if instance else None,
        unwell=not launch and _UNWELL.search(entry["Cause"]) is not None,
        short=launch and meaning in _SHORT,
        # What took an instance out of service is the cause of a termination that went well.
        decoded=meaning,
    )


def decoded(words: str) -> str:
    """Say a failure's cause and the next step; empty for words that are not known."""
    for pattern, (cause, hint) in _MEANINGS:
        if re.search(pattern, words, re.IGNORECASE):
            return _told(cause, hint)
    return ""


def _told(cause: str, hint: str) -> str:
    return f"{cause[0].upper()}{cause[1:]} -> {hint}"


_SHORT = {
    _told(*LAUNCH_FAILURES[code])
    for code in ("InsufficientInstanceCapacity", "InsufficientHostCapacity", "UnfulfillableCapacity")
}
