"""Live checks of families and fleets: the unknown is never a pass."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aws.account import Account
from aws.answers import ROLE, Stub, answer_groups, answer_role, answer_simulation, described

from pipeline.aws.calls import AGENT_ACTIONS
from pipeline.aws.preflight import LivePreflight
from pipeline.aws.session import Clients
from pipeline.model.ids import GroupName, ImageId
from pipeline.model.images import Architecture
from pipeline.model.settings import (
    Baseline,
    Bucket,
    BuildSettings,
    Connect,
    EvidenceSettings,
    Family,
    FleetSettings,
    GroupByName,
)
from pipeline.model.sources import SourcePinned
from pipeline.model.strategies import BlueGreen, ChannelOnly, RefreshStrategy, StackUpdate, Strategy
from pipeline.ports.preflight import Finding

AT = datetime(2026, 10, 1, tzinfo=UTC)


def family(connect: Connect = Connect.PRIVATE_IP, types: tuple[str, ...] = ("t3.small",), **build: Any) -> Family:
    """Make a family that builds on these instance types."""
    from_types: dict[str, Any] = {"instance_types": types, "connect": connect, "timeout": AT - AT, **build}
    return Family(
        name="web",
        template="debian-12",
        architecture=Architecture.X86_64,
        source=SourcePinned(image=ImageId("ami-1")),
        baseline=Baseline.SECURITY,
        build=BuildSettings(**from_types),
    )


def answer_quota(stub: Stub, limit: float, running: list[dict[str, Any]], vcpus: int = 2) -> None:
    """Let the account have a quota, running instances, and types of so many vCPUs."""
    stub("quotas").add_response(
        "get_service_quota", {"Quota": {"Value": limit}}, {"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"}
    )
    ec2 = stub("ec2")
    ec2.add_response("describe_instances", {"Reservations": [{"Instances": running}]})
    ec2.add_response(
        "describe_instance_types",
        {"InstanceTypes": [{"InstanceType": "t3.small", "VCpuInfo": {"DefaultVCpus": vcpus}}]},
        {"InstanceTypes": ["t3.small"]},
    )


def instance(kind: str, cores: int, **more: Any) -> dict[str, Any]:
    """Make a running instance with two threads a core."""
    return {"InstanceType": kind, "CpuOptions": {"CoreCount": cores, "ThreadsPerCore": 2}, **more}


def only(findings: tuple[Finding, ...], check: str) -> Finding:
    """Pick the one finding of a check."""
    (found,) = [finding for finding in findings if finding.check == check]
    return found


@pytest.mark.parametrize(("state", "expected"), [("Enabled", True), ("Disabled", False), ("PendingDeletion", False)])
def test_a_key_must_be_enabled(clients: Clients, stub: Stub, state: str, *, expected: bool) -> None:
    """Only one state of a key lets an image boot."""
    metadata = {"KeyId": "k", "KeyState": state}
    stub("kms").add_response("describe_key", {"KeyMetadata": metadata}, {"KeyId": "alias/web"})
    answer_quota(stub, 32, [])
    found = only(LivePreflight(clients).family(family(kms_key="alias/web")), "KMS key")
    assert found.ok is expected


@pytest.mark.parametrize(("code", "expected"), [("NotFoundException", False), ("AccessDeniedException", None)])
def test_a_key_that_cannot_be_read(clients: Clients, stub: Stub, code: str, *, expected: bool | None) -> None:
    """A missing key is a fault; one that may not be looked at is unknown."""
    stub("kms").add_client_error("describe_key", code)
    answer_quota(stub, 32, [])
    found = only(LivePreflight(clients).family(family(kms_key="alias/web")), "KMS key")
    assert found.ok is expected
    assert found.hint


def answer_profile(stub: Stub, *roles: str) -> None:
    """Let the instance profile carry these roles."""
    identity = {"Path": "/", "CreateDate": AT}
    profile = {
        **identity,
        "InstanceProfileName": "web",
        "InstanceProfileId": "AIPA1234567890123456",
        "Arn": "arn:aws:iam::123456789012:instance-profile/web",
        "Roles": [{**identity, "RoleName": "web", "RoleId": "AROA1234567890123456", "Arn": role} for role in roles],
    }
    stub("iam").add_response("get_instance_profile", {"InstanceProfile": profile}, {"InstanceProfileName": "web"})


@pytest.mark.parametrize("profile", ["web", "arn:aws:iam::123456789012:instance-profile/path/web"])
def test_the_agent_s_rights_are_simulated_for_the_profile_s_role(clients: Clients, stub: Stub, profile: str) -> None:
    """A profile is given by name or by ARN."""
    answer_profile(stub, ROLE)
    answer_simulation(stub, ROLE, dict.fromkeys(AGENT_ACTIONS, "allowed"))
    answer_quota(stub, 32, [])
    assert only(LivePreflight(clients).family(family(instance_profile=profile)), "SSM agent on web").ok is True


def test_a_profile_without_role_is_a_fault(clients: Clients, stub: Stub) -> None:
    """The hint names the managed policy to attach."""
    answer_profile(stub)
    answer_quota(stub, 32, [])
    found = only(LivePreflight(clients).family(family(instance_profile="web")), "instance profile")
    assert found.ok is False
    assert "AmazonSSMManagedInstanceCore" in found.hint


@pytest.mark.parametrize(("code", "expected"), [("NoSuchEntity", False), ("AccessDenied", None)])
def test_a_profile_that_cannot_be_read(clients: Clients, stub: Stub, code: str, *, expected: bool | None) -> None:
    """A missing profile is a fault; one that may not be looked at is unknown."""
    stub("iam").add_client_error("get_instance_profile", code)
    answer_quota(stub, 32, [])
    found = only(LivePreflight(clients).family(family(instance_profile="web")), "instance profile")
    assert found.ok is expected


def test_session_manager_without_a_profile_is_unknown(clients: Clients, stub: Stub) -> None:
    """The account may manage all hosts by default, which cannot be seen from here."""
    answer_quota(stub, 32, [])
    found = only(LivePreflight(clients).family(family(Connect.SESSION_MANAGER)), "instance profile")
    assert found.ok is None


def test_the_quota_counts_running_on_demand_standard_instances(clients: Clients, stub: Stub) -> None:
    """Spot, other families and instances that do not say their cores do not count."""
    running = [
        instance("m5.large", 1),
        instance("t3.small", 1),
        instance("t3.small", 1, InstanceLifecycle="spot"),
        instance("g5.xlarge", 2),
        instance("inf2.xlarge", 2),
        {"InstanceType": "t3.small"},
    ]
    answer_quota(stub, 5, running)
    (found,) = LivePreflight(clients).family(family())
    assert (found.ok, found.text) == (False, "2 vCPUs needed; 4 of 5 are used.")
    answer_quota(stub, 6, running)
    (found,) = LivePreflight(clients).family(family())
    assert found.ok is True


def test_a_quota_that_cannot_be_read_is_unknown(clients: Clients, stub: Stub) -> None:
    """Service Quotas may be out of reach."""
    stub("quotas").add_client_error("get_service_quota", "AccessDeniedException")
    (found,) = LivePreflight(clients).family(family())
    assert found.ok is None
    assert "servicequotas:GetServiceQuota" in found.text


def test_a_type_of_another_quota_is_unknown(clients: Clients) -> None:
    """Graphics instances have a quota of their own."""
    (found,) = LivePreflight(clients).family(family(types=("g5.xlarge",)))
    assert found.ok is None


def fleet(strategy: Strategy | None = None) -> FleetSettings:
    """Make a fleet that is rolled so."""
    return FleetSettings(
        name="web-prod",
        family="web",
        group=GroupByName(name=GroupName("web")),
        strategy=strategy or RefreshStrategy(),
    )


def answer_group(stub: Stub, **more: Any) -> None:
    """Let the group exist, with five instances wanted."""
    answer_groups(stub, described(DesiredCapacity=5, **more))


def answer_version(stub: Stub, **data: Any) -> None:
    """Let version 3 of the group's launch template say this."""
    version = {"LaunchTemplateId": "lt-0abc", "VersionNumber": 3, "LaunchTemplateData": data}
    stub("ec2").add_response("describe_launch_template_versions", {"LaunchTemplateVersions": [version]})


@pytest.mark.parametrize(
    ("strategy", "vcpus"),
    [(RefreshStrategy(max_healthy=150), 6), (RefreshStrategy(max_healthy=100), 2), (BlueGreen(route="arn"), 10)],
)
def test_a_roll_needs_room_for_its_extra_instances(
    clients: Clients, stub: Stub, strategy: Strategy, vcpus: int
) -> None:
    """Half of five more is three; at 100 % AWS may still launch one first; a green group is as large as the blue."""
    answer_role(stub, ROLE, "AWSServiceRoleForAutoScaling")
    answer_group(stub, LaunchTemplate={"LaunchTemplateId": "lt-0abc", "Version": "3"})
    answer_version(stub, InstanceType="t3.small")
    answer_quota(stub, 32, [])
    role, quota = LivePreflight(clients).fleet(fleet(strategy))
    assert role.ok is True
    assert (quota.ok, quota.text) == (True, f"{vcpus} vCPUs needed; 0 of 32 are used.")


@pytest.mark.parametrize("strategy", [StackUpdate(parameter="ImageId"), ChannelOnly()])
def test_whoever_replaces_the_fleet_elsewhere_needs_no_room_here(
    clients: Clients, stub: Stub, strategy: Strategy
) -> None:
    """How many instances a stack's update runs beside the others is not ours to know."""
    answer_role(stub, ROLE, "AWSServiceRoleForAutoScaling")
    answer_group(stub, LaunchTemplate={"LaunchTemplateId": "lt-0abc", "Version": "3"})
    answer_version(stub, InstanceType="t3.small")
    role, quota = LivePreflight(clients).fleet(fleet(strategy))
    assert role.ok is True
    assert (quota.ok, quota.text) == (True, "Nothing is launched beside the instances of web.")


def test_room_is_asked_for_again_before_a_rollout(clients: Clients, stub: Stub) -> None:
    """The same answer as the preflight's, without its other checks."""
    answer_group(stub, LaunchTemplate={"LaunchTemplateId": "lt-0abc", "Version": "3"})
    answer_version(stub, InstanceType="t3.small")
    answer_quota(stub, 4, [])
    (quota,) = LivePreflight(clients).surge(fleet(RefreshStrategy(max_healthy=150)))
    assert (quota.ok, quota.text) == (False, "6 vCPUs needed; 0 of 4 are used.")
    answer_groups(stub)
    answer_groups(stub)
    (unknown,) = LivePreflight(clients).surge(fleet())
    assert unknown.ok is None


@pytest.mark.parametrize(
    ("free", "more", "expected"), [((2, 1), {}, True), ((2, 0), {}, False), ((0, 0), {"Ipv6Native": True}, True)]
)
def test_a_roll_needs_addresses_for_its_extra_instances(
    clients: Clients, stub: Stub, free: tuple[int, int], more: dict[str, bool], *, expected: bool
) -> None:
    """Three more, in all subnets of the group together; where addresses are IPv6 alone, none is counted."""
    answer_group(
        stub, LaunchTemplate={"LaunchTemplateId": "lt-0abc", "Version": "3"}, VPCZoneIdentifier="subnet-1,subnet-2"
    )
    answer_version(stub, InstanceType="t3.small")
    answer_quota(stub, 32, [])
    subnets = [
        {"SubnetId": f"subnet-{number}", "AvailableIpAddressCount": count, **more} for number, count in enumerate(free)
    ]
    stub("ec2").add_response("describe_subnets", {"Subnets": subnets}, {"SubnetIds": ["subnet-1", "subnet-2"]})
    _, addresses = LivePreflight(clients).surge(fleet(RefreshStrategy(max_healthy=150)))
    assert addresses.ok is expected
    if not more:
        assert addresses.text.startswith(f"3 addresses needed; the subnets of web have {sum(free)} free")


def test_subnets_that_may_not_be_described_are_unknown(clients: Clients, stub: Stub) -> None:
    """With the action that is missing."""
    answer_group(stub, LaunchTemplate={"LaunchTemplateId": "lt-0abc", "Version": "3"}, VPCZoneIdentifier="subnet-1")
    answer_version(stub, InstanceType="t3.small")
    answer_quota(stub, 32, [])
    stub("ec2").add_client_error("describe_subnets", "UnauthorizedOperation")
    _, addresses = LivePreflight(clients).surge(fleet())
    assert addresses.ok is None
    assert "ec2:DescribeSubnets" in addresses.text


@pytest.mark.parametrize(("code", "expected"), [("NoSuchEntity", False), ("AccessDenied", None)])
def test_the_service_linked_role_is_missing_or_unknown(
    clients: Clients, stub: Stub, code: str, *, expected: bool | None
) -> None:
    """A group on a launch configuration has no type to count: that is unknown, too."""
    stub("iam").add_client_error("get_role", code)
    answer_group(stub, LaunchConfigurationName="old")
    role, quota = LivePreflight(clients).fleet(fleet())
    assert role.ok is expected
    assert quota.ok is None


def test_a_group_that_cannot_be_found_is_unknown(clients: Clients, stub: Stub) -> None:
    """The finding says which group; nothing more can be asked without it."""
    answer_groups(stub)
    answer_groups(stub)
    (found,) = LivePreflight(clients).fleet(fleet())
    assert found.ok is None
    assert "named web" in found.text


def test_a_template_that_cannot_be_read_leaves_the_need_unknown(clients: Clients, stub: Stub) -> None:
    """A group may have a service-linked role of its own, whose name has a suffix: that one is looked for."""
    arn = "arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling_web"
    answer_group(stub, ServiceLinkedRoleARN=arn, LaunchTemplate={"LaunchTemplateId": "lt-0abc", "Version": "3"})
    answer_role(stub, arn, "AWSServiceRoleForAutoScaling_web")
    stub("ec2").add_client_error("describe_launch_template_versions", "UnauthorizedOperation", http_status_code=403)
    role, quota = LivePreflight(clients).fleet(fleet())
    assert role.ok is True
    assert quota.ok is None


@pytest.mark.parametrize(("decision", "expected"), [("allowed", True), ("implicitDeny", False)])
def test_the_profile_of_the_launch_template_needs_the_agent_s_rights(
    clients: Clients, stub: Stub, decision: str, *, expected: bool
) -> None:
    """Smoke tests boot with the fleet's own template, so that its profile, too, must let the agent come online."""
    answer_role(stub, ROLE, "AWSServiceRoleForAutoScaling")
    answer_group(stub, LaunchTemplate={"LaunchTemplateId": "lt-0abc", "Version": "3"})
    answer_version(stub, InstanceType="t3.small", IamInstanceProfile={"Name": "web"})
    answer_profile(stub, ROLE)
    answer_simulation(stub, ROLE, dict.fromkeys(AGENT_ACTIONS, decision))
    answer_quota(stub, 32, [])
    _, *agent, quota = LivePreflight(clients).fleet(fleet())
    assert {finding.ok for finding in agent} == {expected}
    assert {finding.check for finding in agent} == {"SSM agent on web"}
    assert quota.ok is True


def test_a_place_and_a_key_for_evidence(account: Account) -> None:
    """A bucket that is not there, and a key that encrypts only, are told before anything is baked."""
    made = account.clients.kms.create_key()["KeyMetadata"]["KeyId"]
    wanted = EvidenceSettings(bucket=Bucket(name="audit", prefix="e"), kms_key=made)
    found = [(one.check, one.ok) for one in account.preflight.evidence(wanted)]
    assert found == [("KMS key", True), ("evidence", False), ("evidence", False)]
    account.bucket()
    signs = account.signer().sign(b"").key
    assert all(one.ok for one in account.preflight.evidence(replace(wanted, kms_key=signs)))
    assert account.preflight.evidence(EvidenceSettings()) == ()
