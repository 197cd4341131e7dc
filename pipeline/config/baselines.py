"""Patch baselines as they are written, and how they become those of `pipeline.model.baselines`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema, field_validator, model_validator

from pipeline.config.fields import Duration, Flag, Section, lasting, shaped, some
from pipeline.model.baselines import (
    ApprovalRule,
    Compliance,
    Filters,
    OnRejected,
    PatchBaseline,
    Property,
    SsmBaseline,
)
from pipeline.model.settings import Baseline, BaselineChoice, PredefinedBaseline

_PREDEFINED = "predefined"
WORDS = (*(word.value for word in Baseline), _PREDEFINED)
_SSM = r"ssm:(?:(?P<id>pb-[0-9a-f]{17})|group/(?P<group>[^\s/][^/]{0,255})|default)"

BaselineName = Annotated[
    str,
    *shaped(
        rf"[a-z0-9-]{{1,40}}|{_SSM.replace('?P<id>', '').replace('?P<group>', '')}",
        "a baseline's name, or ssm:pb-…, ssm:group/NAME, ssm:default",
    ),
]
OwnBaseline = Annotated[
    str,
    *shaped(
        rf"(?!({'|'.join(WORDS)})$)[a-z0-9-]{{1,40}}", "a name that baselines may have (not " + ", ".join(WORDS) + ")"
    ),
]


def is_own(name: str) -> bool:
    """Whether a family's baseline is one of this file's."""
    return name not in WORDS and not name.startswith("ssm:")


def chosen(name: str, baselines: Mapping[str, PatchBaseline]) -> BaselineChoice:
    """Say what a family's baseline is in the model's words."""
    if name in set(Baseline):
        return Baseline(name)
    if name == _PREDEFINED:
        return PredefinedBaseline()
    if match := re.fullmatch(_SSM, name):
        return SsmBaseline(id=match["id"], patch_group=match["group"])
    return baselines[name]


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _day(value: object) -> date:
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(f"{value!r} is not a day such as 2026-12-31") from None


def _choice(kind: type[Compliance | OnRejected]) -> tuple[PlainValidator, WithJsonSchema]:
    words = {member.value.lower().replace("_", "-"): member for member in kind}

    def check(value: object) -> Compliance | OnRejected:
        if value not in words:
            raise ValueError(f"{value!r} is not one of {', '.join(words)}")
        return words[str(value)]

    return PlainValidator(check), WithJsonSchema({"enum": [*words]})


Words = Annotated[
    tuple[str, ...],
    BeforeValidator(_one_or_more),
    *some,
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
Level = Annotated[Compliance, *_choice(Compliance)]
Action = Annotated[OnRejected, *_choice(OnRejected)]
Day = Annotated[date, PlainValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Delay = Annotated[Duration, lasting(timedelta(), timedelta(days=360))]


class FiltersSection(Section):
    """What to ask of a patch: all of these keys, each by one of its values; wildcards * and ? are allowed."""

    classification: Words | None = Field(
        default=None, description="Such as Security or Bugfix; Windows: SecurityUpdates."
    )
    severity: Words | None = Field(default=None, description="Such as Critical or Important.")
    product: Words | None = Field(default=None, description="Such as Debian12, Ubuntu24.04 or WindowsServer2022.")
    cve: Words | None = Field(default=None, description="CVE ids that it mends.")
    advisory: Words | None = Field(default=None, description="Advisories that describe it, such as ALAS2023-2026-*.")
    name: Words | None = Field(default=None, description="Package names; on Windows KB numbers.")
    section: Words | None = Field(default=None, description="Debian and Ubuntu: such as libs or httpd.")
    priority: Words | None = Field(default=None, description="Debian and Ubuntu: such as required or optional.")
    architecture: Words | None = Field(default=None, description="Such as amd64 or x86_64.")
    repository: Words | None = Field(default=None, description="Such as bookworm-security/main.")

    def filters(self) -> Filters:
        """Say it in the model's words."""
        given = {wanted: getattr(self, wanted.value) for wanted in Property}
        return {wanted: values for wanted, values in given.items() if values}


class RuleSection(FiltersSection):
    """Patches that are approved by themselves."""

    after: Delay = Field(default=timedelta(), description="So long after their release, 360d at most; default: 0d.")
    until: Day | None = Field(default=None, description="Instead of after: all that was released until this day (UTC).")
    level: Level = Field(
        default="unspecified", validate_default=True, description="How bad it is to lack them; default: unspecified."
    )
    non_security: Flag = Field(default=False, description="Also what is no security update (Linux); default: false.")

    @model_validator(mode="after")
    def _one_clock(self) -> RuleSection:
        if self.until and "after" in self.model_fields_set:
            raise ValueError("say after or until, not both")
        return self

    def settings(self) -> ApprovalRule:
        """Say it in the model's words."""
        return ApprovalRule(
            filters=self.filters(), after=self.after, until=self.until, level=self.level, non_security=self.non_security
        )


class BaselineSection(Section):
    """Which patches are approved, when, and which never."""

    rules: tuple[RuleSection, ...] = Field(
        default=(), max_length=10, description="Patches that are approved by themselves."
    )
    only: FiltersSection = Field(default_factory=FiltersSection, description="What all rules ask besides their own.")
    approved: tuple[str, ...] = Field(
        default=(), max_length=50, description="Approved at once, by name, advisory or CVE id."
    )
    approved_level: Level = Field(
        default="unspecified", validate_default=True, description="How bad it is to lack those; default: unspecified."
    )
    approved_non_security: Flag = Field(
        default=True, description="Also those that are no security update (Linux); default: true."
    )
    rejected: tuple[str, ...] = Field(default=(), max_length=50, description="Never installed; goes before all else.")
    on_rejected: Action = Field(
        default="allow-as-dependency",
        validate_default=True,
        description="When an approved patch needs a rejected one: that, or block both; default: allow-as-dependency.",
    )

    @field_validator("approved", "rejected")
    @classmethod
    def _named(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        for entry in entries:
            if not re.fullmatch(r"[\w*?][\w.+:~=*?-]{0,99}", entry):
                raise ValueError(f"{entry!r} is no name of a package, advisory or CVE (* and ? are allowed)")
        return entries

    @model_validator(mode="after")
    def _approves(self) -> BaselineSection:
        if not self.rules and not self.approved:
            raise ValueError("approves nothing: give it rules or an approved list, or say baseline: none")
        return self

    def settings(self, name: str) -> PatchBaseline:
        """Say it in the model's words."""
        return PatchBaseline(
            name=name,
            rules=tuple(rule.settings() for rule in self.rules),
            only=self.only.filters(),
            approved=self.approved,
            approved_level=self.approved_level,
            approved_non_security=self.approved_non_security,
            rejected=self.rejected,
            on_rejected=self.on_rejected,
        )
