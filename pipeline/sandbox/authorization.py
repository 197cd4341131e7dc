"""IAM's evaluation of identity-based policies: statements with actions, resources and the operators that ours use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from pipeline.errors import UsageError

Matches = Callable[[str, str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Whether an action may be done to a resource; ``context`` is what conditions read, such as tags."""

    action: str
    resource: str = "*"
    context: Mapping[str, str] = field(default_factory=dict)


def like(value: str, pattern: str) -> bool:
    """Match as IAM does: * and ? are wild, and nothing else is."""
    return fnmatchcase(value, pattern.replace("[", "[[]"))


_OPERATORS: Mapping[str, Matches] = {
    "StringEquals": lambda value, wanted: value == wanted,
    "StringLike": like,
    "ArnLike": like,
    "ForAnyValue:StringEquals": lambda value, wanted: value == wanted,
}


class Policy:
    """A policy document.

    Raises:
        UsageError: it has something that is not evaluated here, which must not pass for a yes.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        # By action: every call asks, and a policy has a hundred of them.
        self._named = defaultdict[str, list[Mapping[str, Any]]](list)
        self._wild: list[tuple[str, Mapping[str, Any]]] = []
        for statement in document["Statement"]:
            strange = set(statement) - {"Sid", "Effect", "Action", "Resource", "Condition"}
            strange |= set(statement.get("Condition", {})) - set(_OPERATORS)
            if strange:
                raise UsageError(f"The sandbox does not evaluate {', '.join(sorted(strange))} in a policy.")
            for action in map(str.lower, _listed(statement["Action"])):
                if "*" in action or "?" in action:
                    self._wild.append((action, statement))
                else:
                    self._named[action].append(statement)

    def allows(self, question: Question) -> bool:
        """Tell whether a statement allows it and none denies it."""
        action = question.action.lower()
        about = [*self._named.get(action, ()), *(one for pattern, one in self._wild if like(action, pattern))]
        return {statement["Effect"] for statement in about if _applies(statement, question)} == {"Allow"}


def _applies(statement: Mapping[str, Any], question: Question) -> bool:
    if not any(pattern == "*" or like(question.resource, pattern) for pattern in _listed(statement["Resource"])):
        return False
    return all(
        key in question.context and any(_OPERATORS[operator](question.context[key], value) for value in _listed(wanted))
        for operator, keys in statement.get("Condition", {}).items()
        for key, wanted in keys.items()
    )


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
