"""Launch templates: inheritance from a source version, paging, deleting versions, aliases resolved."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from moto.ec2.models.launch_templates import LaunchTemplateVersion
from moto.ec2.utils import convert_tag_spec

from pipeline.sandbox.ec2.images import resolved
from pipeline.sandbox.registry import Parameters, Request, operation, page, refusal, refuse_dry_run
from pipeline.sandbox.state import Scope


def find_template(scope: Scope, specification: Mapping[str, Any]) -> Any:
    """Find a launch template by id or by name; both together are an error, as in AWS.

    Raises:
        ServiceException: it does not exist.
    """
    template_id, name = specification.get("LaunchTemplateId"), specification.get("LaunchTemplateName")
    if template_id and name:
        text = "Valid requests must contain either launchTemplateId or LaunchTemplateName"
        raise refusal("InvalidParameterCombination", text)
    if template_id:
        if template_id not in scope.ec2.launch_templates:
            text = f"The specified launch template, with template ID {template_id}, does not exist."
            raise refusal("InvalidLaunchTemplateId.NotFound", text)
        return scope.ec2.launch_templates[template_id]
    if name not in scope.ec2.launch_template_name_to_ids:
        text = f"The specified launch template, with template name {name}, does not exist."
        raise refusal("InvalidLaunchTemplateName.NotFoundException", text)
    return scope.ec2.get_launch_template_by_name(name)


def find_version(scope: Scope, specification: Mapping[str, Any], version: str) -> Any:
    """Find a version of a launch template: a number, ``$Latest`` or ``$Default``.

    Raises:
        ServiceException: template or version do not exist.
    """
    template = find_template(scope, specification)
    numbers = {"$latest": template.versions[-1].number, "$default": template.default_version_number}
    wanted = str(numbers.get(version.lower(), version))
    for candidate in template.versions:
        if str(candidate.number) == wanted:
            return candidate
    text = f"Could not find the specified version {version} for the launch template with ID {template.id}."
    raise refusal("InvalidLaunchTemplateId.VersionNotFound", text)


@operation("ec2", "CreateLaunchTemplate")
def create_launch_template(request: Request, parameters: Parameters) -> object:
    """Create a template with its first version."""
    refuse_dry_run(parameters)
    template = request.ec2.create_launch_template(
        parameters["LaunchTemplateName"],
        parameters.get("VersionDescription") or "",
        dict(parameters.get("LaunchTemplateData") or {}),
        convert_tag_spec(parameters.get("TagSpecifications") or []),
    )
    template.create_time = template.versions[0].create_time = request.now
    request.state.born[template.id] = request.now
    return {"LaunchTemplate": _template(request, template)}


@operation("ec2", "CreateLaunchTemplateVersion")
def create_launch_template_version(request: Request, parameters: Parameters) -> object:
    """Create a version; what the source version says stays unless it is said again, except mapped snapshots."""
    template = find_template(request, parameters)
    data: dict[str, Any] = {}
    if source := parameters.get("SourceVersion"):
        data = copy.deepcopy(find_version(request, {"LaunchTemplateId": template.id}, str(source)).data)
        # "Snapshots applied to the block device mapping are ignored when creating a new version
        # unless they are explicitly included."
        for device in data.get("BlockDeviceMappings") or []:
            (device.get("Ebs") or {}).pop("SnapshotId", None)
    refuse_dry_run(parameters)
    data.update(parameters.get("LaunchTemplateData") or {})
    number = getattr(template, "last_number", template.versions[-1].number) + 1
    template.last_number = number
    version = LaunchTemplateVersion(template, number, data, parameters.get("VersionDescription") or "")
    version.create_time = request.now
    template.versions.append(version)
    resolve = bool(parameters.get("ResolveAlias"))
    return {"LaunchTemplateVersion": _version(request, version, resolve=resolve)}


@operation("ec2", "DescribeLaunchTemplateVersions")
def describe_launch_template_versions(request: Request, parameters: Parameters) -> object:
    """List versions, newest first, in pages of at most 200."""
    versions = _chosen(request, parameters)
    shown, token = page(versions, parameters, size="MaxResults", default=200, limit=200)
    resolve = bool(parameters.get("ResolveAlias"))
    return {
        "LaunchTemplateVersions": [_version(request, version, resolve=resolve) for version in shown],
        "NextToken": token or None,
    }


@operation("ec2", "DescribeLaunchTemplates")
def describe_launch_templates(request: Request, parameters: Parameters) -> object:
    """List templates in pages of at most 200."""
    for id_ in parameters.get("LaunchTemplateIds") or []:
        find_template(request, {"LaunchTemplateId": id_})
    templates = request.ec2.describe_launch_templates(
        template_names=parameters.get("LaunchTemplateNames") or [],
        template_ids=parameters.get("LaunchTemplateIds") or [],
        filters={item["Name"]: item.get("Values", []) for item in parameters.get("Filters") or []},
    )
    shown, token = page(templates, parameters, size="MaxResults", default=200, limit=200)
    return {"LaunchTemplates": [_template(request, template) for template in shown], "NextToken": token or None}


@operation("ec2", "DeleteLaunchTemplateVersions")
def delete_launch_template_versions(request: Request, parameters: Parameters) -> object:
    """Delete versions by number; the default one cannot be deleted."""
    template = find_template(request, parameters)
    refuse_dry_run(parameters)
    done, failed = [], []
    for number in parameters.get("Versions") or []:
        match = next((version for version in template.versions if str(version.number) == str(number)), None)
        entry = {
            "LaunchTemplateId": template.id,
            "LaunchTemplateName": template.name,
            "VersionNumber": int(number),
        }
        if match is None:
            failed.append(entry | _failure("launchTemplateVersionDoesNotExist", "The version does not exist."))
        elif template.is_default(match):
            failed.append(entry | _failure("unexpectedError", "The default version cannot be deleted."))
        else:
            template.last_number = max(getattr(template, "last_number", 0), template.versions[-1].number)
            template.versions.remove(match)
            done.append(entry)
    return {
        "SuccessfullyDeletedLaunchTemplateVersions": done,
        "UnsuccessfullyDeletedLaunchTemplateVersions": failed,
    }


def _failure(code: str, message: str) -> dict[str, Any]:
    return {"ResponseError": {"Code": code, "Message": message}}


def _chosen(scope: Scope, parameters: Parameters) -> list[Any]:
    asked = [str(version) for version in parameters.get("Versions") or []]
    if not parameters.get("LaunchTemplateId") and not parameters.get("LaunchTemplateName"):
        if not asked or set(asked) - {"$Latest", "$Default"}:
            text = "Without a launch template only the versions $Latest and $Default can be described."
            raise refusal("InvalidParameterValue" if asked else "MissingParameter", text)
        templates = scope.ec2.launch_templates.values()
        return [find_version(scope, {"LaunchTemplateId": t.id}, version) for t in templates for version in asked]
    template = find_template(scope, parameters)
    if asked:
        return [find_version(scope, {"LaunchTemplateId": template.id}, version) for version in asked]
    low = int(parameters.get("MinVersion") or 1)
    high = int(parameters.get("MaxVersion") or template.versions[-1].number)
    return [version for version in reversed(template.versions) if low <= version.number <= high]


def _template(scope: Scope, template: Any) -> dict[str, Any]:
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "CreateTime": template.create_time,
        "CreatedBy": f"arn:aws:iam::{scope.account}:root",
        "DefaultVersionNumber": template.default_version_number,
        "LatestVersionNumber": template.versions[-1].number,
        "Tags": template.tags,
    }


def _version(scope: Scope, version: Any, *, resolve: bool) -> dict[str, Any]:
    data = dict(version.data)
    if resolve and data.get("ImageId"):
        data["ImageId"] = resolved(scope, data["ImageId"])
    return {
        "LaunchTemplateId": version.template.id,
        "LaunchTemplateName": version.template.name,
        "VersionNumber": version.number,
        "VersionDescription": version.description or None,
        "CreateTime": version.create_time,
        "CreatedBy": f"arn:aws:iam::{scope.account}:root",
        "DefaultVersion": version.template.is_default(version),
        "LaunchTemplateData": data,
    }
