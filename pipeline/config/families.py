"""Image families as they are written, and how they become `pipeline.model.settings.Family`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator, model_validator

from pipeline.config.baselines import BaselineName, chosen
from pipeline.config.fields import (
    Cidr,
    Duration,
    ExistingFile,
    ExistingPath,
    ImageIdText,
    InstanceType,
    KmsKey,
    Name,
    Owner,
    ParameterName,
    Profile,
    Section,
    SubnetId,
    Tags,
    Template,
    lasting,
    shaped,
)
from pipeline.config.probes import Smoke
from pipeline.model.baselines import PatchBaseline
from pipeline.model.findings import Severity
from pipeline.model.ids import ImageId
from pipeline.model.images import Architecture
from pipeline.model.settings import (
    AnsibleStep,
    Baseline,
    BuildSettings,
    Connect,
    Family,
    FileStep,
    Provision,
    Secret,
    ShellStep,
)
from pipeline.model.sources import SourceChannel, SourceOwned, SourceParameter, SourcePinned, SourceRule

_DEFAULT_TYPE = {Architecture.X86_64: "t3.small", Architecture.ARM64: "t4g.small"}
_WAYS = "say exactly one of: owner + name, ssm, image, family + channel"


class SourceSection(Section):
    """Which image to bake from: exactly one of owner + name, ssm, image, family (+ channel)."""

    owner: Owner | None = Field(
        default=None,
        description="Who published it: a 12-digit account, amazon, aws-marketplace or self. Mandatory with name: "
        "anyone can publish an image of any name (the whoAMI attack).",
    )
    name: str | None = Field(default=None, description="Name pattern with * and ?; the newest match is taken.")
    ssm: ParameterName | None = Field(default=None, description="An SSM parameter that names the image.")
    image: ImageIdText | None = Field(default=None, description="Exactly this image.")
    family: Name | None = Field(default=None, description="Another family of this file; its channel's image is taken.")
    channel: Name | None = Field(default=None, description="The channel of that family; default: stable.")

    @model_validator(mode="after")
    def _one_way(self) -> SourceSection:
        if self.name and not self.owner:
            raise ValueError(
                f"{self.name!r} names no owner: anyone can publish an image of that name and have it picked (the "
                "whoAMI attack); add owner: a 12-digit account, amazon, aws-marketplace or self"
            )
        if self.owner and not self.name:
            raise ValueError("owner needs a name pattern beside it, such as name: debian-12-amd64-*")
        if self.channel and not self.family:
            raise ValueError("channel needs the family whose channel it is")
        if sum(way is not None for way in (self.owner, self.ssm, self.image, self.family)) != 1:
            raise ValueError(_WAYS)
        return self

    def rule(self) -> SourceRule:
        """Say it in the model's words."""
        if self.owner and self.name:
            return SourceOwned(owner=self.owner, name=self.name)
        if self.ssm:
            return SourceParameter(parameter=self.ssm)
        if self.image:
            return SourcePinned(image=ImageId(self.image))
        return SourceChannel(family=self.family or "", channel=self.channel or "stable")


class BuildSection(Section):
    """Where and how the image is built."""

    instance_types: list[InstanceType] = Field(
        default_factory=list,
        description="Types to build on, the first that is available; default: t3.small or t4g.small.",
    )
    connect: Connect = Field(
        default=Connect.SESSION_MANAGER,
        description="How Packer reaches the build instance. session-manager (the default) opens no port and needs an "
        "instance_profile; private-ip and public-ip need a source_cidr.",
    )
    timeout: Annotated[Duration, lasting(timedelta(minutes=1), timedelta(hours=24))] = Field(
        default=timedelta(minutes=45), description="How long a build may take; default: 45m."
    )
    source_cidr: Cidr | None = Field(
        default=None, description="The only address range that may reach the build instance's port."
    )
    subnet: SubnetId | None = Field(default=None, description="Where to build; default: the default VPC.")
    instance_profile: Profile | None = Field(
        default=None, description="The build instance's role; session-manager needs AmazonSSMManagedInstanceCore in it."
    )
    kms_key: KmsKey | None = Field(default=None, description="Encrypts the image; default: the account's EBS key.")
    root_volume_gib: int | None = Field(default=None, ge=1, le=16384, description="Default: the source image's size.")
    ssh_username: Annotated[str, *shaped(r"[a-z_][a-z0-9_-]{0,31}", "a user name")] | None = Field(
        default=None, description="Default: the template's."
    )
    ssh_port: int = Field(default=22, ge=1, le=65535, description="Default: 22.")

    @model_validator(mode="after")
    def _reachable(self) -> BuildSection:
        if self.connect is Connect.SESSION_MANAGER and not self.instance_profile:
            raise ValueError(
                "connect: session-manager (the default) needs an instance_profile whose role has "
                "AmazonSSMManagedInstanceCore; or set connect: private-ip and a source_cidr"
            )
        if self.connect is not Connect.SESSION_MANAGER and not self.source_cidr:
            raise ValueError(f"connect: {self.connect} needs source_cidr, the address range that Packer comes from")
        return self

    def settings(self, architecture: Architecture) -> BuildSettings:
        """Fill in what depends on the architecture."""
        return BuildSettings(
            **{
                **self.model_dump(),
                "instance_types": tuple(self.instance_types) or (_DEFAULT_TYPE[architecture],),
            }
        )


def _unwrapped(value: Any) -> Any:
    return {"value": value} if isinstance(value, str) else value


class Variable(Section):
    """A value, or a reference to a secret that is fetched only where it is needed."""

    value: str | None = None
    ssm: ParameterName | None = None
    secret: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Variable:
        if sum(given is not None for given in (self.value, self.ssm, self.secret)) != 1:
            raise ValueError("say a value, or exactly one of {ssm: …} and {secret: …}")
        return self

    def setting(self) -> str | Secret:
        """Say it in the model's words."""
        if self.ssm:
            return Secret(service="ssm", name=self.ssm)
        return Secret(service="secret", name=self.secret) if self.secret else self.value or ""


_VARIABLE_SCHEMA = {
    "anyOf": [
        {"type": ["string", "number", "boolean"]},
        *(
            {
                "type": "object",
                "properties": {key: {"type": "string"}},
                "required": [key],
                "additionalProperties": False,
            }
            for key in ("ssm", "secret")
        ),
    ]
}
VariableName = Annotated[str, *shaped(r"[A-Za-z_][A-Za-z0-9_]{0,63}", "a variable name (letters, digits, underscores)")]
VariableValue = Annotated[Variable, BeforeValidator(_unwrapped), WithJsonSchema(_VARIABLE_SCHEMA)]


class FileSection(Section):
    """Copy a file, or a folder's content."""

    source: ExistingPath = Field(alias="from", description="A file or folder below the folder of this file.")
    destination: Annotated[str, *shaped(r"(/|[A-Za-z]:[\\/]).*", "an absolute path on the build instance")] = Field(
        alias="to", description="An absolute path on the build instance."
    )


class ProvisionSection(Section):
    """One step: exactly one of shell, file, ansible."""

    shell: ExistingFile | None = Field(default=None, description="A script to run as root.")
    file: FileSection | None = Field(default=None, description="A file or folder to copy.")
    ansible: ExistingFile | None = Field(default=None, description="A playbook to run.")

    @model_validator(mode="after")
    def _one(self) -> ProvisionSection:
        if sum(step is not None for step in (self.shell, self.file, self.ansible)) != 1:
            raise ValueError("a step is exactly one of shell, file, ansible")
        return self

    def step(self) -> Provision:
        """Say it in the model's words."""
        if self.file:
            return FileStep(source=self.file.source, destination=self.file.destination)
        if self.ansible:
            return AnsibleStep(playbook=self.ansible)
        assert self.shell is not None  # noqa: S101 - exactly one is given, see _one
        return ShellStep(script=self.shell)


class FamilySection(Section):
    """The recipe of one kind of image."""

    template: Template = Field(description="A built-in template, or a path: *.pkr.hcl, *.pkr.hcl.j2 or a folder.")
    architecture: Architecture = Field(default=Architecture.X86_64, description="Default: x86_64.")
    source: SourceSection = Field(description="Which image to bake from.")
    baseline: BaselineName = Field(
        default=Baseline.SECURITY.value,
        description="Which updates a bake installs: security, all or none of those that are published when it runs; "
        "predefined, a name of `baselines`, ssm:pb-…, ssm:group/NAME or ssm:default. Default: security.",
    )
    build: BuildSection = Field(default_factory=dict, validate_default=True, description="How its images are built.")
    variables: dict[VariableName, VariableValue] = Field(
        default_factory=dict, description="For the template; {ssm: …} and {secret: …} are fetched when they are needed."
    )
    provision: list[ProvisionSection] = Field(default_factory=list, description="Steps after patching, in order.")
    smoke: Smoke = Field(default_factory=dict, validate_default=True, description="How a candidate is proven.")
    channel: Name = Field(
        default="stable", description="The channel that a tested image is promoted to; default: stable."
    )
    tags: Tags = Field(default_factory=dict, description="Tags on images, added to those of defaults.")
    max_age: Annotated[Duration, lasting(timedelta(days=1), timedelta(days=3650))] | None = Field(
        default=None, description="A bake is due once the newest image is older; default: none."
    )
    findings: Severity | None = Field(
        default=None,
        description="A bake is due for a vulnerability of this severity or a worse one that has a fix; default: none.",
    )

    @field_validator("smoke", mode="after")
    @classmethod
    def _findable(cls, smoke: Smoke, info: ValidationInfo) -> Smoke:
        if info.data.get("baseline") == Baseline.NONE and smoke.hygiene:
            raise ValueError(
                "baseline: none leaves updates pending, which the hygiene suite then finds; set hygiene: false"
            )
        if info.data.get("template", "").startswith("windows-") and (smoke.hygiene or smoke.suites):
            raise ValueError(
                "hygiene, services and suites run shell scripts (Run Command's AWS-RunShellScript), which Windows has "
                "not: set hygiene: false, name no suites, and prove the image with http or tcp"
            )
        return smoke

    def settings(self, name: str, tags: Mapping[str, str], baselines: Mapping[str, PatchBaseline]) -> Family:
        """Say it in the model's words; ``tags`` are the defaults that the family's own are laid over."""
        return Family(
            name=name,
            template=self.template,
            architecture=self.architecture,
            source=self.source.rule(),
            baseline=chosen(self.baseline, baselines),
            build=self.build.settings(self.architecture),
            variables={key: variable.setting() for key, variable in self.variables.items()},
            provision=tuple(section.step() for section in self.provision),
            smoke=self.smoke.settings(),
            channel=self.channel,
            tags={**tags, **self.tags},
            max_age=self.max_age,
            findings=self.findings,
        )
