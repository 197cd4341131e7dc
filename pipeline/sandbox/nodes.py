"""Managed nodes: what the tags of instances, or of their images, say of agents and patches, and compliance items.

``sandbox:agent`` = ``ConnectionLost``, ``Inactive``, or ``absent`` (Systems Manager does not know it).
``sandbox:patches`` = ``missing=2 failed=1 pending=0 rejected=0 hours=3``: what the last scan, so many hours ago, has
counted; each may be left out, and without the tag nobody has ever scanned it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pipeline.sandbox.registry import Parameters, Request, operation, page, refusal
from pipeline.sandbox.state import Scope

_AGENT, _PATCHES = "sandbox:agent", "sandbox:patches"
_ABSENT = "absent"
_COUNTS = {
    "missing": "MissingCount",
    "failed": "FailedCount",
    "pending": "InstalledPendingRebootCount",
    "rejected": "InstalledRejectedCount",
}
_MAX_IDS = 50


def agent_status(scope: Scope, instance_id: str) -> str | None:
    """Tell the status of an agent that runs; None: Systems Manager does not know it."""
    status = _said(scope, instance_id, _AGENT) or "Online"
    return None if status == _ABSENT else status


def _said(scope: Scope, instance_id: str, key: str) -> str | None:
    """Read a tag of an instance, or else of its image."""
    instance = scope.instance(instance_id)
    for resource in (instance, scope.ec2.amis.get(instance.image_id)):
        for tag in resource.get_tags() if resource else []:
            if tag["key"] == key:
                return str(tag["value"])
    return None


@operation("ssm", "DescribeInstancePatchStates")
def describe_instance_patch_states(request: Request, parameters: Parameters) -> object:
    """Count the patches of instances that were scanned; others are not in the answer."""
    ids = parameters["InstanceIds"]
    if len(ids) > _MAX_IDS:
        raise refusal("ValidationException", "At most 50 instances can be named.")
    known = [id_ for id_ in ids if request.state.live.get(id_) == (request.account, request.region)]
    states = [state for id_ in known if (state := _patch_state(request, id_))]
    shown, token = page(states, parameters, size="MaxResults", default=10, limit=100)
    return {"InstancePatchStates": shown, "NextToken": token or None}


def _patch_state(request: Request, instance_id: str) -> dict[str, Any] | None:
    said = _said(request, instance_id, _PATCHES)
    if said is None:
        return None
    words = dict(word.split("=") for word in said.split())
    at = request.now - timedelta(hours=int(words.pop("hours", 0)))
    return {
        "InstanceId": instance_id,
        "PatchGroup": "",
        "BaselineId": "pb-0123456789abcdef0",
        "Operation": "Scan",
        "OperationStartTime": at,
        "OperationEndTime": at,
        **{_COUNTS[name]: int(number) for name, number in words.items()},
    }


@operation("ssm", "PutComplianceItems")
def put_compliance_items(request: Request, parameters: Parameters) -> object:
    """Keep the compliance items of a managed node, in place of those of the same type before."""
    instance, kind = parameters["ResourceId"], parameters["ComplianceType"]
    if request.state.live.get(instance) != (request.account, request.region) or not agent_status(request, instance):
        raise refusal("InvalidResourceId", "The resource ID isn't valid. Verify that you entered the correct ID.")
    if not kind.startswith("Custom:"):
        raise refusal("ComplianceTypeCountLimitExceededException", f"{kind} is not a type of your own.")
    request.state.compliance[instance, kind] = [
        {
            "ComplianceType": kind,
            "ResourceType": parameters["ResourceType"],
            "ResourceId": instance,
            "ExecutionSummary": parameters["ExecutionSummary"],
            **item,
        }
        for item in parameters["Items"]
    ]
    return {}


@operation("ssm", "ListComplianceItems")
def list_compliance_items(request: Request, parameters: Parameters) -> object:
    """List the compliance items of managed nodes."""
    wanted = parameters.get("ResourceIds")
    found = [
        item
        for (instance, _), items in request.state.compliance.items()
        if not wanted or instance in wanted
        for item in items
    ]
    shown, token = page(found, parameters, size="MaxResults", default=50, limit=50)
    return {"ComplianceItems": shown, "NextToken": token or None}
