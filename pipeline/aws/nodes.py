"""Managed nodes, through Systems Manager: agents, patch states, custom compliance items."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.aws.failures import translated
from pipeline.aws.paging import batches
from pipeline.aws.session import Clients
from pipeline.model.compliance import Agent, InstanceCompliance, PatchState, Reason, State
from pipeline.model.ids import InstanceId, RunId

if TYPE_CHECKING:
    from mypy_boto3_ssm.type_defs import ComplianceItemEntryTypeDef

# The most ids of DescribeInstancePatchStates, and the largest page of DescribeInstanceInformation.
_PAGE = 50
_TYPE = "Custom:Rebake"
_TITLE_MAX = 500


class SsmNodes:
    """The port `Nodes`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    @translated("ssm")
    def agents(self, instances: Sequence[InstanceId]) -> Mapping[InstanceId, Agent]:
        paginator = self._clients.ssm.get_paginator("describe_instance_information")
        return {
            InstanceId(entry["InstanceId"]): Agent(status=entry["PingStatus"], seen=entry.get("LastPingDateTime"))
            for batch in batches(instances, _PAGE)
            for page in paginator.paginate(
                Filters=[{"Key": "InstanceIds", "Values": batch}], PaginationConfig={"PageSize": _PAGE}
            )
            for entry in page["InstanceInformationList"]
        }

    @translated("ssm")
    def patches(self, instances: Sequence[InstanceId]) -> Mapping[InstanceId, PatchState]:
        paginator = self._clients.ssm.get_paginator("describe_instance_patch_states")
        return {
            InstanceId(entry["InstanceId"]): PatchState(
                scanned=entry["OperationEndTime"],
                missing=entry.get("MissingCount", 0),
                failed=entry.get("FailedCount", 0),
                pending=entry.get("InstalledPendingRebootCount", 0),
                rejected=entry.get("InstalledRejectedCount", 0),
            )
            for batch in batches(instances, _PAGE)
            for page in paginator.paginate(InstanceIds=batch, PaginationConfig={"PageSize": _PAGE})
            for entry in page["InstancePatchStates"]
        }

    @translated("ssm")
    def publish(self, found: InstanceCompliance, at: datetime, run: RunId) -> None:
        items = [_item(reason, text) for reason, text in found.reasons.items()] or [_fine(found)]
        # With the hash of what stands there already, SSM ignores the call.
        digest = hashlib.sha256(json.dumps(items, sort_keys=True).encode()).hexdigest()
        self._clients.ssm.put_compliance_items(
            ResourceId=found.instance,
            ResourceType="ManagedInstance",
            ComplianceType=_TYPE,
            ExecutionSummary={"ExecutionTime": at, "ExecutionId": run, "ExecutionType": "Command"},
            Items=items,
            ItemContentHash=digest,
            UploadType="COMPLETE",
        )


def _item(reason: Reason, text: str) -> ComplianceItemEntryTypeDef:
    unknown = reason.state is State.UNKNOWN
    return {
        "Id": reason.value,
        "Title": f"{'unknown: ' if unknown else ''}{text}"[:_TITLE_MAX],
        "Severity": "UNSPECIFIED" if unknown else "HIGH",
        "Status": "NON_COMPLIANT",
    }


def _fine(found: InstanceCompliance) -> ComplianceItemEntryTypeDef:
    return {"Id": "image", "Title": f"runs {found.image}", "Severity": "UNSPECIFIED", "Status": "COMPLIANT"}
