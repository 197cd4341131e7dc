"""Patch baselines, through SSM Patch Manager."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from pipeline.aws.failures import translated
from pipeline.aws.session import Clients
from pipeline.errors import NotPossible
from pipeline.model.baselines import ApprovalRule, Compliance, Filters, OnRejected, PatchBaseline, Property
from pipeline.model.packages import OperatingSystem

_KEYS: Mapping[str, Property] = {
    "CLASSIFICATION": Property.CLASSIFICATION,
    "SEVERITY": Property.SEVERITY,
    "MSRC_SEVERITY": Property.SEVERITY,
    "PRODUCT": Property.PRODUCT,
    "CVE_ID": Property.CVE,
    "ADVISORY_ID": Property.ADVISORY,
    "NAME": Property.NAME,
    "PATCH_ID": Property.NAME,
    "SECTION": Property.SECTION,
    "PRIORITY": Property.PRIORITY,
    "ARCH": Property.ARCHITECTURE,
    "REPOSITORY": Property.REPOSITORY,
}
"""Keys of PatchFilter that are evaluated here; of two for one property, the first is written (Windows: the second)."""


class SsmBaselines:
    """The port `Baselines`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def get(self, id_: str, system: OperatingSystem) -> PatchBaseline:
        found = self._get(id_)
        if found.get("OperatingSystem") != system:
            raise NotPossible(
                f"The patch baseline {id_} is for {found.get('OperatingSystem')}, and the image runs {system}.",
                hint="name a baseline for this operating system, or ssm:default",
            )
        if found.get("Sources"):
            raise NotPossible(
                f"The patch baseline {id_} brings repositories of its own (Sources), which only Patch Manager adds.",
                hint="set the repositories up in the source image, and take them out of the baseline",
            )
        return PatchBaseline(
            name=f"ssm:{id_}",
            rules=tuple(_rule(id_, rule) for rule in found.get("ApprovalRules", {}).get("PatchRules", [])),
            only=_filters(id_, found.get("GlobalFilters", {}).get("PatchFilters", [])),
            approved=tuple(found.get("ApprovedPatches", [])),
            approved_level=Compliance(found.get("ApprovedPatchesComplianceLevel") or Compliance.UNSPECIFIED),
            approved_non_security=bool(found.get("ApprovedPatchesEnableNonSecurity")),
            rejected=tuple(found.get("RejectedPatches", [])),
            on_rejected=OnRejected(found.get("RejectedPatchesAction") or OnRejected.ALLOW_AS_DEPENDENCY),
        )

    @translated("ssm")
    def chosen(self, patch_group: str | None, system: OperatingSystem) -> str:
        ssm = self._clients.ssm
        if patch_group is None:
            id_ = ssm.get_default_patch_baseline(OperatingSystem=system.value)["BaselineId"]
        else:
            answer = ssm.get_patch_baseline_for_patch_group(PatchGroup=patch_group, OperatingSystem=system.value)
            id_ = answer["BaselineId"]
        return id_.rpartition("/")[2]  # a predefined baseline is named by its ARN

    @translated("ssm")
    def find(self, name: str) -> str | None:
        pages = self._clients.ssm.get_paginator("describe_patch_baselines").paginate(
            Filters=[{"Key": "NAME_PREFIX", "Values": [name]}, {"Key": "OWNER", "Values": ["Self"]}]
        )
        found = (one for page in pages for one in page["BaselineIdentities"] if one.get("BaselineName") == name)
        return next((one["BaselineId"] for one in found), None)

    @translated("ssm")
    def write(self, id_: str | None, name: str, baseline: PatchBaseline, system: OperatingSystem, token: str) -> str:
        content: Any = {
            "Name": name,
            "GlobalFilters": {"PatchFilters": _patch_filters(baseline.only, system)},
            "ApprovalRules": {"PatchRules": [_patch_rule(rule, system) for rule in baseline.rules]},
            "ApprovedPatches": list(baseline.approved),
            "ApprovedPatchesComplianceLevel": baseline.approved_level.value,
            "RejectedPatches": list(baseline.rejected),
            "RejectedPatchesAction": baseline.on_rejected.value,
            "Description": f"Written by rebake from its configuration's baseline {baseline.name}; change it there.",
        }
        if system is not OperatingSystem.WINDOWS:
            content["ApprovedPatchesEnableNonSecurity"] = baseline.approved_non_security
        ssm = self._clients.ssm
        if id_ is not None:
            return ssm.update_patch_baseline(BaselineId=id_, Replace=True, **content)["BaselineId"]
        made = ssm.create_patch_baseline(OperatingSystem=system.value, ClientToken=token, **content)
        return made["BaselineId"]

    @translated("ssm")
    def register(self, id_: str, patch_group: str, system: OperatingSystem) -> None:
        ssm = self._clients.ssm
        pages = ssm.get_paginator("describe_patch_groups").paginate(
            Filters=[{"Key": "NAME_PREFIX", "Values": [patch_group]}]
        )
        for page in pages:
            for entry in page["Mappings"]:
                has = entry.get("BaselineIdentity", {})
                if entry.get("PatchGroup") != patch_group or has.get("OperatingSystem") != system:
                    continue
                if has["BaselineId"] == id_:
                    return
                ssm.deregister_patch_baseline_for_patch_group(BaselineId=has["BaselineId"], PatchGroup=patch_group)
        ssm.register_patch_baseline_for_patch_group(BaselineId=id_, PatchGroup=patch_group)

    @translated("ssm")
    def _get(self, id_: str) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self._clients.ssm.get_patch_baseline(BaselineId=id_)
        return answer


def _rule(id_: str, rule: Mapping[str, Any]) -> ApprovalRule:
    until = rule.get("ApproveUntilDate")
    return ApprovalRule(
        filters=_filters(id_, rule.get("PatchFilterGroup", {}).get("PatchFilters", [])),
        after=timedelta(days=rule.get("ApproveAfterDays") or 0),
        until=date.fromisoformat(until) if until else None,
        level=Compliance(rule.get("ComplianceLevel") or Compliance.UNSPECIFIED),
        non_security=bool(rule.get("EnableNonSecurity")),
    )


def _filters(id_: str, filters: list[Mapping[str, Any]]) -> Filters:
    found: dict[Property, tuple[str, ...]] = {}
    for entry in filters:
        key, values = entry["Key"], tuple(entry["Values"])
        if key == "PATCH_SET" and values == ("OS",):
            continue  # patches of the operating system, which are all that there are here
        if key not in _KEYS:
            raise NotPossible(
                f"The patch baseline {id_} asks for {key}={','.join(values)}, which is not evaluated here.",
                hint="ask for what rules in rebake.yaml can ask for, or write the baseline there",
            )
        found[_KEYS[key]] = values
    return found


def _patch_rule(rule: ApprovalRule, system: OperatingSystem) -> dict[str, Any]:
    when = {"ApproveUntilDate": rule.until.isoformat()} if rule.until else {"ApproveAfterDays": rule.after.days}
    written = {
        "PatchFilterGroup": {"PatchFilters": _patch_filters(rule.filters, system)},
        "ComplianceLevel": rule.level.value,
        **when,
    }
    return written if system is OperatingSystem.WINDOWS else {**written, "EnableNonSecurity": rule.non_security}


def _patch_filters(filters: Filters, system: OperatingSystem) -> list[dict[str, Any]]:
    keys = {wanted: key for key, wanted in reversed(list(_KEYS.items()))}
    if system is OperatingSystem.WINDOWS:
        keys |= {Property.SEVERITY: "MSRC_SEVERITY", Property.NAME: "PATCH_ID"}
    return [{"Key": keys[wanted], "Values": list(values)} for wanted, values in filters.items()]
