"""Live checks before anything is built; what cannot be known is said to be unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import ceil
from typing import TYPE_CHECKING

from pipeline.aws.calls import AGENT_ACTIONS
from pipeline.aws.failures import translated
from pipeline.aws.groups import group_of, selected
from pipeline.aws.objects import S3Objects
from pipeline.aws.quota import VcpuQuota
from pipeline.aws.session import Clients
from pipeline.aws.signing import KmsSigner
from pipeline.aws.simulation import PolicySimulator
from pipeline.aws.templates import Ec2Templates
from pipeline.errors import AccessDenied, NotFound, RebakeError
from pipeline.model.fleets import Group, TemplateVersion
from pipeline.model.settings import Connect, EvidenceSettings, Family, FleetSettings
from pipeline.model.strategies import BlueGreen, ChannelOnly, RefreshStrategy, StackUpdate, Strategy
from pipeline.ports.preflight import Caller, Finding

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import SubnetTypeDef

_SERVICE_ROLE = "AWSServiceRoleForAutoScaling"
_QUOTA = "vCPU quota"


class LivePreflight:
    """The ports `Preflight` and `Headroom`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._simulator = PolicySimulator(clients)
        self._quota = VcpuQuota(clients)
        self._templates = Ec2Templates(clients)

    @translated("sts")
    def caller(self) -> Caller:
        answer = self._clients.sts.get_caller_identity()
        return Caller(account=answer["Account"], arn=answer["Arn"])

    def permissions(self, actions: Sequence[str]) -> tuple[Finding, ...]:
        """Check the caller's IAM actions with the policy simulator; one finding per missing action, or one pass."""
        return self._simulator.caller(self.caller().arn, actions)

    def family(self, family: Family) -> tuple[Finding, ...]:
        """Check what a bake needs: the KMS key's state, the instance profile's rights, the vCPU quota."""
        return tuple(self._family(family))

    def evidence(self, wanted: EvidenceSettings) -> tuple[Finding, ...]:
        """Check what keeping evidence needs; what cannot be reached is unknown."""
        found = []
        if (key := wanted.kms_key) is not None:
            found += [self._key(key), _tried(f"{key} can sign evidence.", KmsSigner(self._clients, key).ready)]
        if (bucket := wanted.bucket) is not None:
            objects = S3Objects(lambda: self._clients.s3, bucket)
            found.append(_tried(f"The bucket {bucket.name} is there.", lambda: objects.get("none")))
        return tuple(found)

    def fleet(self, fleet: FleetSettings) -> tuple[Finding, ...]:
        """Check what a roll needs: the service-linked role, the rights of the template's profile, room for more."""
        try:
            entry = selected(self._clients, fleet.group)
        except RebakeError as failure:
            return (Finding(check="group", ok=None, text=failure.message, hint=failure.hint),)
        # A group may have a role of its own, with a suffix to the usual name.
        role = entry.get("ServiceLinkedRoleARN", "").rpartition("/")[2] or _SERVICE_ROLE
        return (self._service_role(role), *self._launches(fleet, group_of(entry, {})))

    def surge(self, fleet: FleetSettings) -> tuple[Finding, ...]:
        try:
            group = group_of(selected(self._clients, fleet.group), {})
            return tuple(self._room(fleet, group, self._version(group)))
        except RebakeError as failure:
            return (Finding(check=_QUOTA, ok=None, text=failure.message, hint=failure.hint),)

    def _family(self, family: Family) -> Iterator[Finding]:
        build = family.build
        if build.kms_key:
            yield self._key(build.kms_key)
        if build.instance_profile:
            yield from self._agent(build.instance_profile)
        elif build.connect is Connect.SESSION_MANAGER:
            yield Finding(
                check="instance profile",
                ok=None,
                text=f"{family.name} connects by Session Manager and names no instance profile.",
                hint="name one with AmazonSSMManagedInstanceCore, unless the account manages all hosts by default",
            )
        yield self._quota.room_for({build.instance_types[0]: 1})

    def _key(self, key: str) -> Finding:
        check = "KMS key"
        try:
            state = self._key_state(key)
        except NotFound as failure:
            return Finding(check=check, ok=False, text=failure.message, hint="check the key's id, region and account")
        except RebakeError as failure:
            return Finding(check=check, ok=None, text=failure.message, hint=failure.hint)
        if state != "Enabled":
            hint = "enable it, or cancel its deletion; images encrypted with it cannot boot otherwise"
            return Finding(check=check, ok=False, text=f"The KMS key {key} is {state}.", hint=hint)
        return Finding(check=check, ok=True, text=f"The KMS key {key} is enabled.")

    @translated("kms")
    def _key_state(self, key: str) -> str:
        return self._clients.kms.describe_key(KeyId=key)["KeyMetadata"].get("KeyState", "unknown")

    def _agent(self, profile: str) -> tuple[Finding, ...]:
        check = "instance profile"
        name = profile.rpartition("/")[2]
        try:
            role = self._profile_role(name)
        except NotFound as failure:
            return (Finding(check=check, ok=False, text=failure.message, hint="create it, or name another"),)
        except RebakeError as failure:
            return (Finding(check=check, ok=None, text=failure.message, hint=failure.hint),)
        if role is None:
            text = f"The instance profile {name} carries no role."
            return (Finding(check=check, ok=False, text=text, hint="add a role with AmazonSSMManagedInstanceCore"),)
        return self._simulator.role(role, AGENT_ACTIONS, check=f"SSM agent on {name}")

    @translated("iam")
    def _profile_role(self, name: str) -> str | None:
        roles = self._clients.iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]
        return roles[0]["Arn"] if roles else None

    def _service_role(self, role: str) -> Finding:
        check = "service-linked role"
        try:
            self._get_role(role)
        except NotFound:
            return Finding(
                check=check,
                ok=False,
                text=f"The role {role} does not exist.",
                hint="`aws iam create-service-linked-role --aws-service-name autoscaling.amazonaws.com` makes it",
            )
        except RebakeError as failure:
            return Finding(check=check, ok=None, text=failure.message, hint=failure.hint)
        return Finding(check=check, ok=True, text=f"The role {role} exists.")

    @translated("iam")
    def _get_role(self, role: str) -> None:
        self._clients.iam.get_role(RoleName=role)

    def _launches(self, fleet: FleetSettings, group: Group) -> Iterator[Finding]:
        """Check what the fleet's launch template names: smoke tests boot with it, and so do the new instances."""
        try:
            version = self._version(group)
        except RebakeError as failure:
            yield Finding(check="launch template", ok=None, text=failure.message, hint=failure.hint)
            return
        if version and version.instance_profile:
            yield from self._agent(version.instance_profile)
        yield from self._room(fleet, group, version)

    def _version(self, group: Group) -> TemplateVersion | None:
        if group.template is None:
            return None
        return self._templates.version(group.template.id, group.template.version)

    def _room(self, fleet: FleetSettings, group: Group, version: TemplateVersion | None) -> Iterator[Finding]:
        extra = _extra(fleet.strategy, group.desired)
        if not extra:
            text = f"Nothing is launched beside the instances of {group.name}."
            yield Finding(check=_QUOTA, ok=True, text=text)
            return
        if group.mixed or version is None or not version.instance_type:
            text = f"{group.name} boots more than one instance type, so its need of vCPUs is not known."
            yield Finding(check=_QUOTA, ok=None, text=text, hint="compare the quota with what it may boot")
        else:
            yield self._quota.room_for({version.instance_type: extra})
        if group.subnets:
            # In units where it is weighted: what cannot fit even in its heaviest instances does not fit.
            heaviest = max((member.weight for member in group.members), default=1)
            yield self._addresses(group, ceil(extra / heaviest))

    def _addresses(self, group: Group, extra: int) -> Finding:
        """Compare the free addresses of the group's subnets with the instances to be launched, one for each."""
        check = "free addresses"
        try:
            subnets = self._subnets(group.subnets)
        except RebakeError as failure:
            return Finding(check=check, ok=None, text=failure.message, hint=failure.hint)
        if any(subnet.get("Ipv6Native") for subnet in subnets):
            return Finding(check=check, ok=True, text=f"{group.name} may launch into subnets of IPv6 alone.")
        free = sum(subnet["AvailableIpAddressCount"] for subnet in subnets)
        text = f"{extra} addresses needed; the subnets of {group.name} have {free} free ({', '.join(group.subnets)})."
        hint = "" if free >= extra else "free addresses there, or give the group a further subnet"
        return Finding(check=check, ok=free >= extra, text=text, hint=hint)

    @translated("ec2")
    def _subnets(self, names: Sequence[str]) -> list[SubnetTypeDef]:
        return self._clients.ec2.describe_subnets(SubnetIds=list(names))["Subnets"]


def _extra(strategy: Strategy, desired: int) -> int:
    """Count the instances that the strategy may run beside those that are there."""
    match strategy:
        case RefreshStrategy():
            # AWS launches first, by one instance at least, where the percentages leave no other way.
            return max(1, ceil(desired * (strategy.max_healthy - 100) / 100))
        case BlueGreen():
            return desired
        case StackUpdate() | ChannelOnly():
            return 0


def _tried(text: str, look: Callable[[], object]) -> Finding:
    try:
        look()
    except RebakeError as failure:
        known = None if failure.transient or isinstance(failure, AccessDenied) else False
        return Finding(check="evidence", ok=known, text=failure.message, hint=failure.hint)
    return Finding(check="evidence", ok=True, text=text)
