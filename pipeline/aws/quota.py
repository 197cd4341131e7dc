"""The vCPU quota of running On-Demand standard instances: what it is, what is used, what is left."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipeline.aws.failures import translated
from pipeline.aws.session import Clients
from pipeline.errors import RebakeError
from pipeline.ports.preflight import Finding

# "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", counted in vCPUs per region.
_QUOTA = "L-1216C47A"
_STANDARD = frozenset("acdhimrtz")
_CHECK = "vCPU quota"
_ALIVE = ["pending", "running"]


class VcpuQuota:
    """Service Quotas compared with what runs."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def room_for(self, wanted: Mapping[str, int]) -> Finding:
        """Say whether so many more instances of each type fit; unknown for types of another quota."""
        other = sorted(name for name in wanted if not _standard(name))
        if other:
            text = f"{', '.join(other)} counts towards a quota that is not checked."
            return Finding(check=_CHECK, ok=None, text=text, hint="see Service Quotas, Amazon EC2")
        try:
            limit = self._limit()
            used = self._used()
            each = self._vcpus(list(wanted))
            needed = sum(each[name] * count for name, count in wanted.items())
        except RebakeError as failure:
            return Finding(check=_CHECK, ok=None, text=failure.message, hint=failure.hint)
        text = f"{needed} vCPUs needed; {used} of {limit} are used."
        if used + needed > limit:
            hint = f"ask Service Quotas for more of {_QUOTA}, or free capacity"
            return Finding(check=_CHECK, ok=False, text=text, hint=hint)
        return Finding(check=_CHECK, ok=True, text=text)

    @translated("servicequotas")
    def _limit(self) -> int:
        answer = self._clients.quotas.get_service_quota(ServiceCode="ec2", QuotaCode=_QUOTA)
        return int(answer["Quota"].get("Value", 0))

    @translated("ec2")
    def _used(self) -> int:
        pages = self._clients.ec2.get_paginator("describe_instances").paginate(
            Filters=[{"Name": "instance-state-name", "Values": _ALIVE}]
        )
        entries: list[Any] = [
            entry for page in pages for reservation in page["Reservations"] for entry in reservation["Instances"]
        ]
        counted = [
            entry["CpuOptions"]
            for entry in entries
            if _standard(entry["InstanceType"]) and entry.get("InstanceLifecycle") != "spot" and "CpuOptions" in entry
        ]
        return sum(cpu["CoreCount"] * cpu["ThreadsPerCore"] for cpu in counted)

    @translated("ec2")
    def _vcpus(self, names: list[Any]) -> dict[str, int]:
        answer = self._clients.ec2.describe_instance_types(InstanceTypes=names)
        return {entry["InstanceType"]: entry["VCpuInfo"]["DefaultVCpus"] for entry in answer["InstanceTypes"]}


def _standard(name: str) -> bool:
    # Families such as `inf`, `trn`, `dl`, `hpc` and `mac` begin with a letter of this quota and have their own.
    return re.split(r"[\d-]", name, maxsplit=1)[0] in _STANDARD
