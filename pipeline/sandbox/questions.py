"""What AWS asks of a caller's policies when an operation is called: by action, resource and context.

Besides the action itself that is what it implies: tags at creation, a launch by a launch template, a role handed over.
Resources and condition keys are those of the Service Authorization Reference; an action without any is asked on ``*``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from moto.core.exceptions import ServiceException

from pipeline.sandbox.authorization import Question
from pipeline.sandbox.ec2.templates import find_version
from pipeline.sandbox.registry import Parameters
from pipeline.sandbox.state import Scope

Asking = Callable[[Scope, str, Parameters], Iterator[Question]]

_KINDS = {
    "ami": "image", "i": "instance", "snap": "snapshot", "vol": "volume", "sg": "security-group", "subnet": "subnet",
    "vpc": "vpc", "eni": "network-interface", "lt": "launch-template",
}  # fmt: skip
_ID = re.compile(rf"({'|'.join(_KINDS)})-[0-9a-f]+")
_NEW = {
    "RunInstances": ("instance", "volume", "network-interface"),
    "CreateImage": ("image", "snapshot"),
    "CreateSecurityGroup": ("security-group",),
}
_LAUNCHING = {"StartInstanceRefresh", "CreateAutoScalingGroup", "UpdateAutoScalingGroup"}
_READS = ("Describe", "Get", "List", "BatchGet")
_BALANCED = ("RuleArn", "ListenerArn", "TargetGroupArn", "ResourceArns")


def questions(scope: Scope, action: str, parameters: Parameters) -> Iterator[Question]:
    """Ask everything that must be allowed for a call."""
    service, _, operation = action.partition(":")
    asking = _SERVICES.get(service)
    found = tuple(asking(scope, operation, parameters)) if asking else ()
    yield from found or (Question(action=action),)


def _ec2(scope: Scope, operation: str, parameters: Parameters) -> Iterator[Question]:
    if operation.startswith(_READS):
        return
    whole = _with_template(scope, parameters) if operation == "RunInstances" else parameters
    tags = {one["ResourceType"]: _tags(one["Tags"]) for one in whole.get("TagSpecifications") or []}
    context = _launched(scope, parameters)
    for kind in _NEW.get(operation, ()):
        yield _question(f"ec2:{operation}", _arn(scope, kind, "*"), _requested(tags.get(kind, {})), context)
    given = _requested(_tags(parameters.get("Tags") or []))
    named = {key: value for key, value in parameters.items() if key not in {"TagSpecifications", "Tags"}}
    for id_ in sorted({text for text in _texts(named) if _ID.fullmatch(text)}):
        kind = _KINDS[id_.partition("-")[0]]
        if "LaunchTemplate" in operation and kind != "launch-template":
            continue  # what a version's data names is no resource of the call
        own = {f"aws:ResourceTag/{key}": value for key, value in scope.ec2.tags.get(id_, {}).items()}
        yield _question(f"ec2:{operation}", _arn(scope, kind, id_), own, given, context)
    if key := parameters.get("KeyName"):
        yield _question(f"ec2:{operation}", _arn(scope, "key-pair", key), context)
    for kind, wanted in tags.items():
        created = {"ec2:CreateAction": operation}
        yield _question("ec2:CreateTags", _arn(scope, kind, "*"), _requested(wanted), created)
    yield from _passed(scope, whole)


def _autoscaling(scope: Scope, operation: str, parameters: Parameters) -> Iterator[Question]:
    if operation.startswith(_READS):
        return
    tags = parameters.get("Tags") or []
    requested = _requested(_tags(tags))
    names = {parameters.get("AutoScalingGroupName") or "", *(tag.get("ResourceId") or "" for tag in tags)} - {""}
    for name in sorted(names):
        found = next((group for group in scope.groups() if group.name == name), None)
        own = {f"aws:ResourceTag/{key}": value for key, (value, _) in found.tags.items()} if found else {}
        arn = scope.arn("autoscaling", f"autoScalingGroup:1:autoScalingGroupName/{name}")
        yield _question(f"autoscaling:{operation}", arn, own, requested)
        if tags and operation.startswith("Create") and operation != "CreateOrUpdateTags":
            yield _question("autoscaling:CreateOrUpdateTags", arn, requested)
    for specification in _templates(parameters) if operation in _LAUNCHING else ():
        context = _launched(scope, {"LaunchTemplate": specification})
        yield _question("ec2:RunInstances", _arn(scope, "instance", "*"), context)
        whole = _with_template(scope, {"LaunchTemplate": specification})
        for one in whole.get("TagSpecifications") or []:
            created = {"ec2:CreateAction": "RunInstances"}
            yield _question("ec2:CreateTags", _arn(scope, one["ResourceType"], "*"), created)
        yield from _passed(scope, whole)


def _balancing(scope: Scope, operation: str, parameters: Parameters) -> Iterator[Question]:
    if operation.startswith(_READS):
        return
    requested = _requested(_tags(parameters.get("Tags") or []))
    if operation == "CreateTargetGroup":
        arn = scope.arn("elasticloadbalancing", f"targetgroup/{parameters['Name']}/1")
        yield _question(f"elasticloadbalancing:{operation}", arn, requested)
        if requested:
            yield _question("elasticloadbalancing:AddTags", arn, requested)
    value = next((parameters[key] for key in _BALANCED if parameters.get(key)), ())
    for arn in [value] if isinstance(value, str) else value:
        own = {f"aws:ResourceTag/{key}": value for key, value in scope.elbv2.describe_tags([arn])[arn].items()}
        yield _question(f"elasticloadbalancing:{operation}", arn, own, requested)


def _ssm(scope: Scope, operation: str, parameters: Parameters) -> Iterator[Question]:
    action = f"ssm:{operation}"
    if operation.endswith("PatchBaselines") or operation == "DescribeParameters":
        return
    if "Parameter" in operation:
        for name in (*(parameters.get("Names") or ()), parameters.get("Name"), parameters.get("Path")):
            if name:
                public = name.startswith("/aws/service/")
                arn = scope.arn("ssm", f"parameter/{name.removeprefix('/')}")
                yield Question(action=action, resource=arn.replace(f":{scope.account}:", "::") if public else arn)
        if parameters.get("DataType") == "aws:ec2:image":
            yield Question(action="ec2:DescribeImages")
    elif operation == "SendCommand":
        yield Question(action=action, resource=f"arn:aws:ssm:{scope.region}::document/{parameters['DocumentName']}")
        for id_ in parameters.get("InstanceIds") or ():
            own = {f"ssm:resourceTag/{key}": value for key, value in scope.ec2.tags.get(id_, {}).items()}
            yield Question(action=action, resource=_arn(scope, "instance", id_), context=own)


def _cloudformation(scope: Scope, operation: str, parameters: Parameters) -> Iterator[Question]:
    arn = scope.arn("cloudformation", f"stack/{parameters.get('StackName')}/1")
    change_set = parameters.get("ChangeSetName")
    context = {"cloudformation:ChangeSetName": change_set} if change_set else {}
    yield Question(action=f"cloudformation:{operation}", resource=arn, context=context)


def _s3(_: Scope, operation: str, parameters: Parameters) -> Iterator[Question]:
    bucket, key = parameters.get("Bucket"), parameters.get("Key")
    yield Question(
        action=f"s3:{operation}", resource=f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"
    )


def _secrets(scope: Scope, operation: str, parameters: Parameters) -> Iterator[Question]:
    secret = parameters.get("SecretId", "")
    arn = secret if secret.startswith("arn:") else scope.arn("secretsmanager", f"secret:{secret}-AbCdEf")
    yield Question(action=f"secretsmanager:{operation}", resource=arn)


def _kms(scope: Scope, operation: str, parameters: Parameters) -> Iterator[Question]:
    key = str(parameters.get("KeyId", ""))
    alias = {"kms:ResourceAliases": key[key.index("alias/") :]} if "alias/" in key else {}
    arn = key if key.startswith("arn:") and not alias else scope.arn("kms", f"key/{key}")
    yield Question(action=f"kms:{operation}", resource=arn, context=alias)


_SERVICES: Mapping[str, Asking] = {
    "autoscaling": _autoscaling,
    "cloudformation": _cloudformation,
    "ec2": _ec2,
    "kms": _kms,
    "elasticloadbalancing": _balancing,
    "s3": _s3,
    "secretsmanager": _secrets,
    "ssm": _ssm,
}


def _question(action: str, resource: str, *contexts: Mapping[str, str]) -> Question:
    return Question(action=action, resource=resource, context={key: one[key] for one in contexts for key in one})


def _arn(scope: Scope, kind: str, id_: str) -> str:
    arn = scope.arn("ec2", f"{kind}/{id_}")
    return arn.replace(f":{scope.account}:", "::") if kind in {"image", "snapshot"} else arn


def _tags(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value") or "" for tag in tags}


def _requested(tags: Mapping[str, str]) -> dict[str, str]:
    return {f"aws:RequestTag/{key}": value for key, value in tags.items()}


def _launched(scope: Scope, parameters: Parameters) -> dict[str, str]:
    """Name the launch template that a launch goes by, as conditions read it."""
    template = (parameters.get("LaunchTemplate") or {}).get("LaunchTemplateId")
    return {"ec2:LaunchTemplate": _arn(scope, "launch-template", template)} if template else {}


def _with_template(scope: Scope, parameters: Parameters) -> Parameters:
    """Take what a launch template adds to a launch; one that is not there is left to the call itself to refuse."""
    specification = parameters.get("LaunchTemplate") or {}
    if not specification:
        return parameters
    try:
        data = find_version(scope, specification, str(specification.get("Version") or "$Default")).data
    except ServiceException:
        return parameters
    tags = [*(data.get("TagSpecifications") or []), *(parameters.get("TagSpecifications") or [])]
    return {**data, **parameters, "TagSpecifications": tags}


def _templates(value: Any) -> Iterator[Parameters]:
    """Find every launch template that a call names."""
    if isinstance(value, Mapping):
        if "LaunchTemplateId" in value or "LaunchTemplateName" in value:
            yield dict(value)
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _templates(item)


def _passed(scope: Scope, parameters: Parameters) -> Iterator[Question]:
    profile = parameters.get("IamInstanceProfile") or {}
    if profile:
        role = f"arn:aws:iam::{scope.account}:role/{profile.get('Name') or 'named-by-arn'}"
        yield _question("iam:PassRole", role, {"iam:PassedToService": "ec2.amazonaws.com"})


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)
