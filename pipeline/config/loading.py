"""From the file to `Settings`, or to one `ConfigError` with every fault in it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, ValidationError, WithJsonSchema, model_validator

from pipeline.config import references, wording
from pipeline.config.baselines import BaselineSection, OwnBaseline
from pipeline.config.document import Document, Fault, parse
from pipeline.config.families import FamilySection
from pipeline.config.fields import (
    BucketName,
    ChannelPrefix,
    Duration,
    KeyPrefix,
    KmsKey,
    Name,
    Reading,
    Region,
    Section,
    Tags,
    Url,
    lasting,
    some,
)
from pipeline.config.fleets import FleetSection
from pipeline.config.patch_groups import LimitsSection, PatchGroupSection
from pipeline.config.release_gates import ReleaseRule, rules
from pipeline.config.windows import FreezeSection
from pipeline.errors import ConfigError
from pipeline.model.compliance import ComplianceRules
from pipeline.model.findings import SLA, Severity
from pipeline.model.settings import Bucket, EvidenceSettings, Settings

_HINT = "correct the lines named above; `rebake schema` writes a JSON Schema that lets an editor check them as you type"


class Defaults(Section):
    """What holds unless a family says otherwise."""

    region: Region | None = Field(default=None, description="The AWS Region; default: that of the AWS profile.")
    channels: ChannelPrefix = Field(default="/rebake", description="Channels are parameters <this>/<family>/<channel>.")
    tags: Tags = Field(default_factory=dict, description="Tags on everything that is made.")


class JournalSection(Section):
    """Where journals of runs are kept besides on the machine that runs them."""

    bucket: BucketName = Field(description="The S3 bucket; its encryption, versions and retention are its own.")
    prefix: KeyPrefix = Field(default="rebake", description="Objects are <this>/<run>/<number>.json; default: rebake.")

    def settings(self) -> Bucket:
        """Say it in the model's words."""
        return Bucket(name=self.bucket, prefix=self.prefix)


class ComplianceSection(Section):
    """What `rebake report` asks of instances."""

    max_age: Annotated[Duration, lasting(timedelta(days=1), timedelta(days=3650))] = Field(
        default=ComplianceRules().max_age,
        description="Of images whose family has no max_age; default: 30d.",
    )
    findings: Severity = Field(
        default=ComplianceRules().findings,
        description="The mildest severity that a vulnerability with a fix must not have; default: high.",
    )
    scanned_within: Annotated[Duration, lasting(timedelta(hours=1), timedelta(days=365))] = Field(
        default=ComplianceRules().scanned_within,
        description="A patch scan that is older says nothing any more; default: 7d.",
    )


class EvidenceSection(Section):
    """Where evidence of images is kept besides on the machine that bakes, and what signs it."""

    bucket: BucketName | None = Field(default=None, description="The S3 bucket that other machines read it from, too.")
    prefix: KeyPrefix = Field(
        default="rebake/evidence", description="Objects are <this>/<image>/<file>; default: rebake/evidence."
    )
    kms_key: KmsKey | None = Field(default=None, description="The KMS key (sign and verify) that signs provenance.")

    @model_validator(mode="after")
    def _has_a_place(self) -> EvidenceSection:
        if "prefix" in self.model_fields_set and not self.bucket:
            raise ValueError("a prefix is a part of a bucket: name the bucket, too")
        return self

    def settings(self) -> EvidenceSettings:
        """Say it in the model's words."""
        bucket = Bucket(name=self.bucket, prefix=self.prefix) if self.bucket else None
        return EvidenceSettings(bucket=bucket, kms_key=self.kms_key)


class EventsSection(Section):
    """Where EventBridge puts events that are a reason to look at once."""

    queue: Url = Field(description="The URL of an SQS queue of this Region.")


Deadline = Annotated[Duration, lasting(timedelta(days=1), timedelta(days=3650))]


class SlaSection(Section):
    """How soon after its fix a vulnerability must be gone from every fleet."""

    critical: Deadline | None = Field(default=SLA[Severity.CRITICAL], description="Default: 7d.")
    high: Deadline | None = Field(default=SLA[Severity.HIGH], description="Default: 30d.")
    medium: Deadline | None = Field(default=SLA[Severity.MEDIUM], description="Default: 90d.")
    low: Deadline | None = Field(default=None, description="Default: none.")
    informational: Deadline | None = Field(default=None, description="Default: none.")
    untriaged: Deadline | None = Field(default=None, description="Default: none.")

    def settings(self) -> dict[Severity, timedelta]:
        """Say it in the model's words."""
        return {Severity(name): time for name, time in self if time is not None}


class Root(Section):
    """Rebake: bake patched images and replace the fleets that run the old ones."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, title="rebake.yaml")

    version: Annotated[Literal["1"], WithJsonSchema({"const": 1})] = Field(description="This file's format: 1.")
    defaults: Defaults = Field(default_factory=Defaults, description="What holds for the whole file.")
    families: dict[Name, FamilySection] = Field(description="Image families by name.", min_length=1)
    fleets: dict[Name, FleetSection] = Field(default_factory=dict, description="Fleets by name.")
    patch_groups: dict[Name, PatchGroupSection] = Field(default_factory=dict, description="Waves of fleets, by name.")
    baselines: dict[OwnBaseline, BaselineSection] = Field(default_factory=dict, description="Patch baselines, by name.")
    freezes: dict[Name, FreezeSection] = Field(
        default_factory=dict, description="Times in which nothing is rolled, by name."
    )
    limits: LimitsSection = Field(default_factory=LimitsSection, description="The blast radius of one run.")
    release_gate: Annotated[tuple[ReleaseRule, ...], *some] = Field(
        default=(), description="What `rebake gate` asks of an image; default: there is no release gate."
    )
    journal: JournalSection | None = Field(default=None, description="Journals in S3; default: on this machine only.")
    compliance: ComplianceSection | None = Field(
        default=None, description="What makes an instance not compliant; default: as its keys say."
    )
    evidence: EvidenceSection = Field(
        default_factory=EvidenceSection, description="Evidence in S3, and signed; default: on this machine only."
    )
    events: EventsSection | None = Field(default=None, description="Events of Amazon Inspector; default: none.")
    sla: SlaSection = Field(default_factory=SlaSection, description="How soon a fix must be on every fleet.")


def load(path: Path, *, templates: Collection[str] | None = None) -> Settings:
    """Read a configuration file.

    Args:
        path: the file; what it names is looked for below its folder, and comes out absolute.
        templates: the names of the built-in templates; None leaves unknown names to the template's reader.

    Raises:
        ConfigError: all faults of the file, in the order of its lines.
    """
    text = _text(path)
    document = parse(text)
    root = path.parent.resolve()
    if document.value is None and not document.faults:
        document = Document(faults=(Fault(line=1, text="is empty; `rebake init` writes a starter file"),))
    if document.value is None:
        raise _error(path, document.faults)
    reading = Reading(root=root, templates=None if templates is None else frozenset(templates))
    faults = [*document.faults, *references.check(document)]
    try:
        file = Root.model_validate(document.value, context=reading)
    except ValidationError as error:
        faults += [wording.fault(document, reading, details) for details in error.errors(include_url=False)]
        raise _error(path, faults) from None
    if faults:
        raise _error(path, faults)
    tags = file.defaults.tags
    baselines = {name: section.settings(name) for name, section in file.baselines.items()}
    freezes = {name: freeze.settings(name) for name, freeze in file.freezes.items()}
    return Settings(
        root=root,
        region=file.defaults.region,
        channel_prefix=file.defaults.channels,
        tags=tags,
        families={name: family.settings(name, tags, baselines) for name, family in file.families.items()},
        fleets={name: fleet.settings(name) for name, fleet in file.fleets.items()},
        patch_groups={name: group.settings(name, freezes) for name, group in file.patch_groups.items()},
        limits=file.limits.settings(),
        baselines=baselines,
        release_gate=rules(file.release_gate),
        journal=file.journal.settings() if file.journal else None,
        compliance=ComplianceRules(**dict(file.compliance)) if file.compliance else None,
        evidence=file.evidence.settings(),
        queue=file.events.queue if file.events else None,
        sla=file.sla.settings(),
        digest=hashlib.sha256(text.encode()).hexdigest(),
    )


def schema() -> dict[str, Any]:
    """Describe the file as JSON Schema (draft 2020-12), for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Root.model_json_schema()}


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        raise ConfigError(
            (f"{path}: no such file",), hint="`rebake init` writes a starter file; --config names another"
        ) from None
    except OSError as error:
        raise ConfigError(
            (f"{path}: cannot be read: {error.strerror}",), hint="check the path and its permissions"
        ) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError((f"{path.name}:{line}: is not UTF-8 text",), hint="save the file as UTF-8") from error


def _error(path: Path, faults: Collection[Fault]) -> ConfigError:
    ordered = sorted(faults, key=lambda fault: fault.line)
    return ConfigError(tuple(dict.fromkeys(f"{path.name}:{fault}" for fault in ordered)), hint=_HINT)
