"""IAM policies from the calls: what the configuration names is what they are narrowed to."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.aws.permissions import EVIDENCE_ACTIONS, JOURNAL_ACTIONS, SIGNING_ACTIONS, actions_for
from pipeline.aws.rules import ANY, ENCRYPTING, PROFILE_MAKING, RULES, TUNNELLING, Rule
from pipeline.model.settings import Bucket, Connect, GroupByName, Secret, Settings
from pipeline.model.sources import SourceParameter
from pipeline.model.strategies import BlueGreen, StackUpdate

Document = dict[str, Any]

LIMIT = 6144
"""The characters of a managed policy, white space not counted."""

_PREFIX = "/rebake"
_GROUP = "autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/"
_BUILDING = {None, "bake"}


def policy(group: str | None, settings: Settings | None, *, region: str | None) -> Document:
    """Write the policy of a group of verbs, or of all (None).

    Without a configuration it names all families, groups, routes and stacks, and the usual path of parameters.
    """
    needed = actions_for(group)
    named = _named(settings)
    allowed: defaultdict[Rule, set[str]] = defaultdict(set)
    rules = [*RULES, *_besides(group, settings)]
    for rule in rules:
        found = rule.named() & needed if rule in RULES else rule.named()
        allowed[Rule(on=_told(rule.on, named), when=_condition(rule, named))] |= found
    allowed[Rule()] |= needed.difference(*(rule.named() for rule in RULES))
    partition = _partition(region or (settings.region if settings else None) or "")
    return _document(_statement(rule, actions, partition) for rule, actions in allowed.items() if actions)


def parts(whole: Document) -> tuple[Document, ...]:
    """Cut a policy into managed policies of `LIMIT` characters, its statements in their order."""
    found: list[list[Any]] = [[]]
    for statement in (piece for each in whole["Statement"] for piece in _pieces(each)):
        if found[-1] and size(_document([*found[-1], statement])) > LIMIT:
            found.append([])
        found[-1].append(statement)
    return tuple(map(_document, found))


def size(document: Document) -> int:
    """Count as IAM does, which leaves white space out."""
    return len("".join(json.dumps(document).split()))


def _named(settings: Settings | None) -> Mapping[str, tuple[str, ...]]:
    """Answer what stands for each value in braces: what the configuration names, or all of the kind."""
    families = settings.families if settings else {}
    strategies = [fleet.strategy for fleet in settings.fleets.values()] if settings else []
    stacks = sorted({found.stack or "*" for found in strategies if isinstance(found, StackUpdate)}) or ANY
    routes = sorted({_rest(found.route) for found in strategies if isinstance(found, BlueGreen)})
    sources = [one.source.parameter for one in families.values() if isinstance(one.source, SourceParameter)]
    return {
        "{families}": tuple(sorted(families)) or ANY,
        "{groups}": tuple(f"{_GROUP}{name}" for name in _groups(settings)),
        "{routes}": tuple(routes) or ("elasticloadbalancing:*:*:listener*/*",),
        "{stacks}": tuple(f"cloudformation:*:*:stack/{name}/*" for name in stacks),
        "{sources}": tuple(sorted({_parameter(name) for name in sources if not name.startswith("/aws/")})),
        "{prefix}": (settings.channel_prefix.rstrip("/") if settings else _PREFIX,),
    }


def _groups(settings: Settings | None) -> tuple[str, ...]:
    """Name the groups of the fleets and those beside them in a blue-green rollout; all, where one is found by tags."""
    names = set()
    for fleet in settings.fleets.values() if settings else ():
        if not isinstance(fleet.group, GroupByName):
            return ANY
        names |= {fleet.group.name, f"{fleet.group.name}-v*"}
        if isinstance(fleet.strategy, BlueGreen) and fleet.strategy.partner:
            names.add(fleet.strategy.partner)
    return tuple(sorted(names)) or ANY


def _told(values: tuple[str, ...], named: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Put what is named in the place of its name in braces."""
    found = []
    for value in values:
        key = next((key for key in named if key in value), None)
        found += [value.replace(key, name) for name in named[key]] if key else [value]
    return tuple(found)


def _condition(rule: Rule, named: Mapping[str, tuple[str, ...]]) -> Any:
    return rule.when and (*rule.when[:2], _told(rule.when[2], named))


def _besides(group: str | None, settings: Settings | None) -> Iterator[Rule]:
    """Add what only this configuration needs: buckets, secrets, keys, Session Manager.

    Each group has a verb that writes a journal; evidence only bakes and smoke tests write.
    """
    evidence = settings.evidence if settings else None
    if settings and settings.journal:
        yield from _storing(settings.journal, JOURNAL_ACTIONS)
    if evidence and evidence.bucket:
        written = [action for action in EVIDENCE_ACTIONS if group in _BUILDING or "Put" not in action]
        yield from _storing(evidence.bucket, written)
    if evidence and evidence.kms_key:
        signing = [action.partition(":")[2] for action in SIGNING_ACTIONS if group in _BUILDING or "Sign" not in action]
        yield _using(evidence.kms_key, " ".join(signing))
    for family in settings.families.values() if settings and group in _BUILDING else ():
        yield from (_revealing(value) for value in family.variables.values() if isinstance(value, Secret))
        if family.build.kms_key:
            yield _using(family.build.kms_key, ENCRYPTING)
        if family.build.connect is Connect.SESSION_MANAGER:
            yield from TUNNELLING
            if not family.build.instance_profile:
                yield PROFILE_MAKING


def _storing(bucket: Bucket, actions: Iterable[str]) -> Iterator[Rule]:
    words = {action.partition(":")[2] for action in actions}
    yield Rule(service="s3", on=(f"s3:::{bucket.name}",), actions="ListBucket")
    objects = " ".join(sorted(words - {"ListBucket"}))
    yield Rule(service="s3", on=(f"s3:::{bucket.name}/{bucket.prefix}/*",), actions=objects)


def _parameter(name: str) -> str:
    return _rest(name) if name.startswith("arn:") else f"ssm:*:*:parameter/{name.removeprefix('/')}"


def _revealing(secret: Secret) -> Rule:
    if secret.service == "ssm":
        return Rule(service="ssm", on=(_parameter(secret.name),), actions="GetParameter")
    # Behind a secret's name its ARN has six characters of AWS's own.
    on = _rest(secret.name) if secret.name.startswith("arn:") else f"secretsmanager:*:*:secret:{secret.name}-??????"
    return Rule(service="secretsmanager", on=(on,), actions="GetSecretValue")


def _using(key: str, actions: str) -> Rule:
    if "alias/" in key:  # what an alias leads to is known to KMS alone
        aliases = ("ForAnyValue:StringEquals", "kms:ResourceAliases", (key[key.index("alias/") :],))
        return Rule(service="kms", when=aliases, actions=actions)
    on = _rest(key) if key.startswith("arn:") else f"kms:*:*:key/{key}"
    return Rule(service="kms", on=(on,), actions=actions)


def _rest(arn: str) -> str:
    return arn.split(":", 2)[-1]


def _partition(region: str) -> str:
    return next((f"aws-{name}" for name in ("cn", "us-gov") if region.startswith(f"{name}-")), "aws")


def _statement(rule: Rule, actions: Iterable[str], partition: str) -> Any:
    arn = f"arn:{partition}:"
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Action": sorted({action.partition("@")[0] for action in actions}),
        "Resource": [resource if resource == "*" else arn + resource for resource in rule.on],
    }
    if rule.when:
        operator, key, values = rule.when
        statement["Condition"] = {operator: {key: [value.replace("{arn}", arn) for value in values]}}
    return statement


def _pieces(statement: Any) -> Iterator[Any]:
    """Halve a statement whose resources alone would not fit into a policy."""
    resources = statement["Resource"]
    if size(_document([statement])) <= LIMIT or len(resources) == 1:
        yield statement
        return
    middle = len(resources) // 2
    for half in (resources[:middle], resources[middle:]):
        yield from _pieces({**statement, "Resource": half})


def _document(statements: Iterable[Any]) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}
