"""What a live check asks of an account: who calls, simulated permissions and service quotas."""

from __future__ import annotations

from typing import Any

from pipeline.sandbox.registry import Parameters, Request, operation, refusal
from pipeline.sandbox.state import user_arn

_QUOTAS = {
    ("ec2", "L-1216C47A"): ("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 256.0),
    ("ec2", "L-34B43A08"): ("All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", 256.0),
    ("ec2", "L-B665C33B"): ("AMIs", 50000.0),
    ("ec2", "L-0E3CBAB9"): ("Public AMIs", 5.0),
    ("autoscaling", "L-CDE20ADC"): ("Auto Scaling groups per region", 500.0),
    ("ebs", "L-309BACF6"): ("Snapshots per Region", 100000.0),
    ("elasticloadbalancing", "L-B22855CB"): ("Targets per Application Load Balancer", 1000.0),
}
_NOBODY = ":user/moto"


@operation("sts", "GetCallerIdentity")
def get_caller_identity(request: Request, parameters: Parameters) -> object:  # noqa: ARG001 - it takes none
    """Tell who calls: a role or user whose keys were made here, or else the user that everybody is."""
    identity: dict[str, Any] = request.native()
    if identity["Arn"].endswith(_NOBODY):
        identity |= {"Arn": user_arn(request.account), "UserId": "AIDASANDBOX"}
    return identity


def _quota(request: Request, key: tuple[str, str]) -> dict[str, Any]:
    name, value = _QUOTAS[key]
    return {
        "ServiceCode": key[0],
        "ServiceName": key[0],
        "QuotaCode": key[1],
        "QuotaName": name,
        "QuotaArn": request.arn("servicequotas", f"{key[0]}/{key[1]}"),
        "Value": request.state.quotas.get(key, value),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


@operation("service-quotas", "GetServiceQuota")
def get_service_quota(request: Request, parameters: Parameters) -> object:
    """Tell one quota."""
    key = (parameters["ServiceCode"], parameters["QuotaCode"])
    if key not in _QUOTAS:
        raise refusal("NoSuchResourceException", "The request failed because the specified quota does not exist.")
    return {"Quota": _quota(request, key)}


@operation("iam", "SimulatePrincipalPolicy")
def simulate_principal_policy(request: Request, parameters: Parameters) -> object:
    """Tell which actions are allowed: all but those that were denied on the cloud."""
    access = request.state.access
    results = [
        {
            "EvalActionName": action,
            "EvalResourceName": "*",
            "EvalDecision": "allowed" if access.allows(action) else "implicitDeny",
        }
        for action in parameters["ActionNames"]
    ]
    return {"EvaluationResults": results, "IsTruncated": False}
