"""What a release gate asks, as it is written."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, model_validator

from pipeline.config.fields import Duration, Name, Section, lasting, some
from pipeline.model import release_rules as model
from pipeline.model.findings import Severity

_Age = Annotated[Duration, lasting(timedelta(hours=1), timedelta(days=3650))]


class FindingsRule(Section):
    """No vulnerability that is bad enough, and known for long enough."""

    at_least: Severity = Field(
        default=Severity.CRITICAL, description="This severity or a worse one; default: critical."
    )
    older_than: Annotated[Duration, lasting(timedelta(), timedelta(days=3650))] = Field(
        default=timedelta(), description="Known, and fixed by somebody, for longer than this; default: 0s."
    )
    fixable: bool = Field(default=True, description="Only those that have a fix count; default: true.")


class ProvenanceRule(Section):
    """Where the image comes from is kept, and unchanged."""

    signed: bool = Field(default=False, description="And signed by the configured key; default: false.")


class PromotedRule(Section):
    """A channel points to the image, or did before a newer one."""

    channel: Name | None = Field(default=None, description="Default: the family's own.")


class Nothing(Section):
    """Nothing more to say."""


class ReleaseRule(Section):
    """A rule: exactly one of these."""

    max_age: _Age | None = Field(default=None, description="How old the image may be.")
    findings: FindingsRule | None = Field(default=None, description="What vulnerabilities it may have.")
    smoke_tested: Nothing | None = Field(default=None, description="It passed its smoke tests.")
    provenance: ProvenanceRule | None = Field(default=None, description="Where it comes from can be shown.")
    promoted: PromotedRule | None = Field(default=None, description="A channel points or pointed to it.")
    ancestors: Nothing | None = Field(default=None, description="Nothing it was baked from was rejected or revoked.")
    all_of: Annotated[tuple[ReleaseRule, ...], *some] = Field(default=(), description="Every one of them must hold.")
    any_of: Annotated[tuple[ReleaseRule, ...], *some] = Field(default=(), description="One of them must hold.")

    @model_validator(mode="after")
    def _one(self) -> ReleaseRule:
        if len(self.model_fields_set) != 1:
            words = ", ".join(type(self).model_fields)
            raise ValueError(f"a rule is exactly one of {words}; one with nothing more to say is written with {{}}")
        return self

    def rule(self) -> model.ReleaseRule:  # noqa: PLR0911 - a line a kind of rule
        """Say it in the model's words."""
        (name,) = self.model_fields_set
        match name:
            case "max_age":
                return model.MaxAge(age=self.max_age or timedelta())
            case "findings":
                return model.NoFindings(**dict(self.findings or ()))
            case "smoke_tested":
                return model.SmokeTested()
            case "provenance":
                return model.Proven(**dict(self.provenance or ()))
            case "promoted":
                return model.Promoted(channel=(self.promoted and self.promoted.channel) or "")
            case "ancestors":
                return model.CleanDescent()
            case "all_of":
                return model.Every(rules=rules(self.all_of))
            case _:
                return model.Either(rules=rules(self.any_of))


def rules(sections: tuple[ReleaseRule, ...]) -> tuple[model.ReleaseRule, ...]:
    """Say them in the model's words."""
    return tuple(section.rule() for section in sections)
