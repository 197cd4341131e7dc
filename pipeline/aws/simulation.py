"""What IAM would allow, asked of its policy simulator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.aws.failures import translated
from pipeline.aws.paging import batches
from pipeline.aws.session import Clients
from pipeline.errors import RebakeError
from pipeline.ports.preflight import Finding

if TYPE_CHECKING:
    from mypy_boto3_iam.type_defs import EvaluationResultTypeDef

_CHECK = "permissions"
_BATCH = 50
# Good policies allow these for named roles, or for one bucket, only: a simulation on every resource calls it a denial.
_SCOPED = {
    "iam:PassRole": ("the roles in use", "it must be, for the roles of instance profiles"),
    "s3:GetObject": ("the journal's bucket", "it must be for who reads journals there"),
    "s3:ListBucket": ("the journal's bucket", "it must be for who reads journals there"),
    "s3:PutObject": ("the journal's bucket", "it must be, or its runs are kept on this machine only"),
}


class PolicySimulator:
    """SimulatePrincipalPolicy for the caller and for roles."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def caller(self, arn: str, actions: Sequence[str]) -> tuple[Finding, ...]:
        """Check the actions of the caller with this ARN of sts:GetCallerIdentity."""
        principal = self._principal(arn)
        if principal is None:
            return (
                Finding(
                    check=_CHECK,
                    ok=None,
                    text=f"The policies of {arn} cannot be simulated.",
                    hint="run as an IAM role or user to have its permissions checked",
                ),
            )
        return self.role(principal, actions, check=_CHECK)

    def role(self, arn: str, actions: Sequence[str], *, check: str) -> tuple[Finding, ...]:
        """Check the actions of a role or user; one finding per action that is not allowed, or one pass."""
        try:
            results = self._simulate(arn, actions)
        except RebakeError as failure:
            hint = f"allow iam:SimulatePrincipalPolicy to have permissions checked; {failure.hint}".removesuffix("; ")
            return (Finding(check=check, ok=None, text=f"Unknown: {failure.message}", hint=hint),)
        missing = tuple(_finding(check, result) for result in results if result["EvalDecision"] != "allowed")
        if missing:
            return missing
        return (Finding(check=check, ok=True, text=f"{arn} may do all {len(actions)} actions."),)

    def _principal(self, arn: str) -> str | None:
        """Derive what the simulator takes: it knows users and roles, not sessions."""
        _, partition, service, _, account, resource = arn.split(":", 5)
        kind, _, rest = resource.partition("/")
        if service == "iam" and kind in {"user", "role"}:
            return arn
        if service == "sts" and kind == "assumed-role":
            name = rest.partition("/")[0]
            try:
                return self._role_arn(name)
            except RebakeError:  # without iam:GetRole: right unless the role has a path
                return f"arn:{partition}:iam::{account}:role/{name}"
        return None

    @translated("iam")
    def _role_arn(self, name: str) -> str:
        # The session's ARN leaves out the role's path (roles of IAM Identity Center have one).
        return self._clients.iam.get_role(RoleName=name)["Role"]["Arn"]

    @translated("iam")
    def _simulate(self, arn: str, actions: Sequence[str]) -> list[EvaluationResultTypeDef]:
        paginator = self._clients.iam.get_paginator("simulate_principal_policy")
        return [
            result
            for batch in batches(actions, _BATCH)
            for page in paginator.paginate(PolicySourceArn=arn, ActionNames=batch)
            for result in page["EvaluationResults"]
        ]


def _finding(check: str, result: EvaluationResultTypeDef) -> Finding:
    action = result["EvalActionName"]
    unknown = result.get("MissingContextValues", [])
    if action in _SCOPED and result["EvalDecision"] == "implicitDeny":
        where, hint = _SCOPED[action]
        return Finding(check=check, ok=None, text=f"Whether {action} is allowed for {where} is not known.", hint=hint)
    if unknown and result["EvalDecision"] == "implicitDeny":
        text = f"Whether {action} is allowed depends on {', '.join(sorted(unknown))}."
        return Finding(check=check, ok=None, text=text, hint="a policy's condition decides; try it on a test family")
    if result["EvalDecision"] == "explicitDeny":
        hint = "a policy, boundary or organization policy denies it: have the denial lifted"
    else:
        hint = f"allow {action}. A policy that allows it on named resources only is not seen by this check."
    return Finding(check=check, ok=False, text=f"{action} is not allowed.", hint=hint)
