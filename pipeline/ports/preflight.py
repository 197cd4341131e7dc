"""What would fail, told before anything is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.model.settings import EvidenceSettings, Family, FleetSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, by sts:GetCallerIdentity."""

    account: str
    arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check: ``ok`` None means that it could not be known, which is never a pass."""

    check: str
    ok: bool | None
    text: str
    hint: str = ""

    @property
    def whole(self) -> str:
        """Text and hint in one line."""
        return f"{self.text} -> {self.hint}" if self.hint else self.text


class Preflight(Protocol):
    """Live checks that change nothing."""

    def caller(self) -> Caller:
        """Tell who we are.

        Raises:
            CredentialsError: there are no credentials, or they are refused.
        """
        ...

    def permissions(self, actions: Sequence[str]) -> tuple[Finding, ...]:
        """Check IAM actions by name (``ec2:CreateImage``); one finding per missing action, or one pass."""
        ...

    def family(self, family: Family) -> tuple[Finding, ...]:
        """Check what a bake needs: KMS key state, instance profile with the SSM agent's rights, quotas."""
        ...

    def evidence(self, wanted: EvidenceSettings) -> tuple[Finding, ...]:
        """Check what keeping evidence needs: a bucket that is there, a key that can sign."""
        ...

    def fleet(self, fleet: FleetSettings) -> tuple[Finding, ...]:
        """Check what a roll needs: the service-linked role, quota and addresses for the extra instances."""
        ...


class Headroom(Protocol):
    """What is checked again right before a rollout begins."""

    def surge(self, fleet: FleetSettings) -> tuple[Finding, ...]:
        """Check quota and free addresses for the instances that a rollout runs beside those that the fleet has."""
        ...
