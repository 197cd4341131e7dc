"""Scaling activities: what they were about, and what a failed one means in plain words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from aws.answers import Stub

from pipeline.aws.activities import decoded
from pipeline.aws.fleets import AutoScalingFleets
from pipeline.aws.session import Clients
from pipeline.model.ids import GroupName

WEB = GroupName("web")
AT = datetime(2026, 11, 2, 12, tzinfo=UTC)


def test_activities_are_one_page_newest_first(clients: Clients, stub: Stub) -> None:
    """The last hundred are enough to tell why launches fail; AWS's own words stay beside ours."""
    entry = {"ActivityId": "1", "AutoScalingGroupName": "web", "Cause": "a user asked", "StatusCode": "Successful"}
    failed = {
        **entry,
        "StartTime": AT,
        "StatusCode": "Failed",
        "StatusMessage": "The image id '[ami-1]' does not exist. Launching EC2 instance failed.",
        "Description": "Launching a new EC2 instance.  Status Reason: The image id '[ami-1]' does not exist.",
    }
    unhealthy = {
        **entry,
        "StartTime": AT - timedelta(hours=1),
        "Description": "Terminating EC2 instance: i-0abc",
        "Cause": "An instance was taken out of service in response to an ELB system health check failure.",
    }
    launched = {**entry, "StartTime": AT - timedelta(hours=2), "Description": "Launching a new EC2 instance: i-0abc"}
    stub("autoscaling").add_response(
        "describe_scaling_activities",
        {"Activities": [launched, failed, unhealthy]},
        {"AutoScalingGroupName": "web", "MaxRecords": 100},
    )
    newest, middle, oldest = AutoScalingFleets(clients).activities(WEB)
    assert (newest.at, newest.status, newest.launch, newest.instance) == (AT, "Failed", True, None)
    assert newest.message.startswith("The image id")
    assert newest.decoded.startswith("The image does not exist for this account ->")
    assert (middle.launch, middle.instance, middle.unwell) == (False, "i-0abc", True)
    assert middle.decoded.startswith("The load balancer found the instance unhealthy ->")
    assert (newest.unwell, oldest.unwell) == (False, False)
    assert (oldest.launch, oldest.instance, oldest.decoded, oldest.cause) == (True, "i-0abc", "", "a user asked")


WORDS = {
    "Client.InternalError: Client error on launch": "encrypted volume",
    "Instance became unhealthy while waiting for instance to be in InService state. "
    "Termination Reason: Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state": "encrypted",
    "We currently do not have sufficient t3.small capacity in the Availability Zone you requested (us-east-1a).": (
        "no capacity left for this instance type"
    ),
    "Could not launch On-Demand Instances. InsufficientInstanceCapacity - We currently do not have": "no capacity",
    "Could not launch Spot Instances. MaxSpotInstanceCountExceeded - Max spot instance count exceeded.": "Spot quota",
    "Could not launch Spot Instances. UnfulfillableCapacity - There is no Spot capacity available.": "no Spot capacity",
    "Your Spot request price of 0.01 is lower than the minimum required Spot request fulfillment price": "Spot price",
    "You have requested more vCPU capacity than your current vCPU limit of 32 allows": "vCPU quota",
    "Your quota allows for 0 more running instance(s). You requested at least 1. "
    "InstanceLimitExceeded": "limit of running instances",
    "The image id '[ami-1]' does not exist. Launching EC2 instance failed.": "image does not exist",
    "The AMI 'ami-1' is disabled and cannot be launched.": "image is disabled",
    "AMI ami-1 is pending, and cannot be run. Launching EC2 instance failed.": "image is disabled or not available",
    "The image ami-1 does not meet the Allowed AMIs criteria of this account.": "Allowed AMIs",
    "The architecture 'x86_64' of the specified instance type does not match the architecture 'arm64'": "go together",
    "Your requested instance type (t3.small) is not supported in your requested Availability Zone": "does not offer",
    "The requested configuration is currently not supported. Launching EC2 instance failed.": "does not offer",
    "Value (web) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name": "profile",
    "You are not authorized to perform this operation. iam:PassRole": "instance profile cannot be used",
    "There aren't sufficient free Ipv4 addresses or free prefixes in subnet 'subnet-1'.": "no free address",
    "InsufficientFreeAddressesInSubnet": "no free address",
    "The security group 'sg-1' does not exist in VPC 'vpc-1'. Launching EC2 instance failed.": "is gone",
    "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token 7 was abandoned: "
    "Heartbeat Timeout": "lifecycle hook was abandoned",
    "An instance was taken out of service in response to an abandoned lifecycle action.": "lifecycle hook was",
    "An instance was taken out of service in response to an ELB system health check failure.": "load balancer found",
    "An instance was taken out of service in response to an EC2 health check indicating it has been terminated": (
        "stopped or failed EC2's status checks"
    ),
    "An instance was taken out of service in response to an EC2 instance status checks failure.": "status checks",
}


@pytest.mark.parametrize("words", WORDS)
def test_known_words_are_decoded(words: str) -> None:
    """The cause comes first, then the next step; the table holds sentences that people have seen."""
    found = decoded(words)
    assert WORDS[words] in found
    assert found.count(" -> ") == 1


def test_unknown_words_are_left_alone() -> None:
    """AWS's own words are then all there is."""
    assert decoded("Something new.") == ""
