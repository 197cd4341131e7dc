"""SSM patch baselines: moto stores one's own; AWS's defaults, patch groups and updates are added here."""

from __future__ import annotations

from typing import Any

from pipeline.sandbox.registry import Parameters, Request, operation, page, refusal
from pipeline.sandbox.state import Scope

_NAMES = {
    "AMAZON_LINUX_2023": "AWS-AmazonLinux2023DefaultPatchBaseline",
    "DEBIAN": "AWS-DebianDefaultPatchBaseline",
    "UBUNTU": "AWS-UbuntuDefaultPatchBaseline",
    "WINDOWS": "AWS-DefaultPatchBaseline",
}
_FIELDS = {
    "Name": "name",
    "GlobalFilters": "global_filters",
    "ApprovalRules": "approval_rules",
    "ApprovedPatches": "approved_patches",
    "ApprovedPatchesComplianceLevel": "approved_patches_compliance_level",
    "ApprovedPatchesEnableNonSecurity": "approved_patches_enable_non_security",
    "RejectedPatches": "rejected_patches",
    "RejectedPatchesAction": "rejected_patches_action",
    "Description": "description",
    "Sources": "sources",
}
_DEFAULT_OS = "WINDOWS"


def _predefined(scope: Scope, system: str) -> str:
    """Name AWS's own baseline by its ARN, as SSM does; the digits are the operating system's place in a list."""
    number = f"{list(_NAMES).index(system) + 1:017x}"
    return f"arn:aws:ssm:{scope.region}:075727635805:patchbaseline/pb-{number}"


def _own(scope: Scope, id_: str) -> Any:
    found = scope.ssm.baselines.get(id_.rpartition("/")[2])
    if found is None:
        raise refusal("DoesNotExistException", f"Maintenance window or patch baseline {id_} doesn't exist.")
    return found


@operation("ssm", "GetPatchBaseline")
def get_patch_baseline(request: Request, parameters: Parameters) -> object:
    """Read a baseline; AWS's own approve everything here by one rule."""
    id_ = parameters["BaselineId"]
    for system, name in _NAMES.items():
        arn = _predefined(request, system)
        if id_ in {arn, arn.rpartition("/")[2]}:
            rule = {"PatchFilterGroup": {"PatchFilters": []}, "ApproveAfterDays": 7, "EnableNonSecurity": False}
            return {
                "BaselineId": arn,
                "Name": name,
                "OperatingSystem": system,
                "ApprovalRules": {"PatchRules": [rule]},
                "RejectedPatchesAction": "ALLOW_AS_DEPENDENCY",
            }
    found = _own(request, id_)
    stored = {field: getattr(found, attribute) for field, attribute in _FIELDS.items()}
    given = {field: value for field, value in stored.items() if value is not None}
    return {"BaselineId": found.id, "OperatingSystem": found.operating_system or _DEFAULT_OS, **given}


@operation("ssm", "UpdatePatchBaseline")
def update_patch_baseline(request: Request, parameters: Parameters) -> object:
    """Change a baseline; with Replace, what is not named is emptied."""
    found = _own(request, parameters["BaselineId"])
    for field, attribute in _FIELDS.items():
        if field in parameters or parameters.get("Replace"):
            setattr(found, attribute, parameters.get(field))
    return {"BaselineId": found.id}


@operation("ssm", "DescribePatchBaselines")
def describe_patch_baselines(request: Request, parameters: Parameters) -> object:
    """List one's own baselines by the beginning of their names."""
    filters = {entry["Key"]: entry["Values"] for entry in parameters.get("Filters") or []}
    found = [
        {
            "BaselineId": one.id,
            "BaselineName": one.name,
            "OperatingSystem": one.operating_system or _DEFAULT_OS,
            "DefaultBaseline": False,
        }
        for one in request.ssm.baselines.values()
        if one.name.startswith(tuple(filters.get("NAME_PREFIX", [""])))
    ]
    shown, token = page(found, parameters, size="MaxResults", default=100, limit=100)
    return {"BaselineIdentities": shown, "NextToken": token or None}


@operation("ssm", "GetDefaultPatchBaseline")
def get_default_patch_baseline(request: Request, parameters: Parameters) -> object:
    """Tell the baseline of every patch group that has none of its own: AWS's."""
    system = parameters.get("OperatingSystem") or _DEFAULT_OS
    return {"BaselineId": _predefined(request, system), "OperatingSystem": system}


@operation("ssm", "GetPatchBaselineForPatchGroup")
def get_patch_baseline_for_patch_group(request: Request, parameters: Parameters) -> object:
    """Tell a patch group's baseline, or the default."""
    group, system = parameters["PatchGroup"], parameters.get("OperatingSystem") or _DEFAULT_OS
    id_ = request.ssm.patch_groups.get((group, system)) or _predefined(request, system)
    return {"BaselineId": id_, "PatchGroup": group, "OperatingSystem": system}


@operation("ssm", "RegisterPatchBaselineForPatchGroup")
def register_patch_baseline_for_patch_group(request: Request, parameters: Parameters) -> object:
    """Give a patch group a baseline; it may have one for an operating system."""
    found = _own(request, parameters["BaselineId"])
    key = (parameters["PatchGroup"], found.operating_system or _DEFAULT_OS)
    if request.ssm.patch_groups.setdefault(key, found.id) != found.id:
        text = f"Patch Group baseline already has a baseline registered for OperatingSystem {key[1]}."
        raise refusal("AlreadyExistsException", text)
    return {"BaselineId": found.id, "PatchGroup": key[0]}


@operation("ssm", "DeregisterPatchBaselineForPatchGroup")
def deregister_patch_baseline_for_patch_group(request: Request, parameters: Parameters) -> object:
    """Take a baseline from a patch group."""
    groups, id_ = request.ssm.patch_groups, parameters["BaselineId"]
    for key in [key for key, has in groups.items() if key[0] == parameters["PatchGroup"] and has == id_]:
        del groups[key]
    return {"BaselineId": id_, "PatchGroup": parameters["PatchGroup"]}


@operation("ssm", "DescribePatchGroups")
def describe_patch_groups(request: Request, parameters: Parameters) -> object:
    """List patch groups that have baselines of their own, by the beginning of their names."""
    filters = {entry["Key"]: entry["Values"] for entry in parameters.get("Filters") or []}
    found = [
        {
            "PatchGroup": group,
            "BaselineIdentity": {"BaselineId": id_, "BaselineName": _own(request, id_).name, "OperatingSystem": system},
        }
        for (group, system), id_ in sorted(request.ssm.patch_groups.items())
        if group.startswith(tuple(filters.get("NAME_PREFIX", [""])))
    ]
    shown, token = page(found, parameters, size="MaxResults", default=10, limit=100)
    return {"Mappings": shown, "NextToken": token or None}
