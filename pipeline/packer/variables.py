"""What a template may ask to be told: the variables ``rebake_…``, and the family's own."""

from __future__ import annotations

from pipeline.errors import ConfigError
from pipeline.model.images import Stage
from pipeline.model.names import (
    TAG_BAKE_KEY,
    TAG_FAMILY,
    TAG_PURPOSE,
    TAG_RUN,
    TAG_SOURCE_IMAGE,
    TAG_STAGE,
    build_name,
)
from pipeline.model.settings import Baseline, Family, Secret
from pipeline.packer.hcl import Value
from pipeline.ports.builder import BuildRequest


def request_values(request: BuildRequest, *, region: str, endpoint: str | None, instance_type: str) -> dict[str, Value]:
    """Answer every variable that a template may declare, by name; packer_templates/README.md lists them for the user.

    Raises:
        ConfigError: a secret variable was not resolved, or a variable or tag would be evaluated.
    """
    family, build = request.family, request.family.build
    name = build_name(request.run, family.name)
    common = {
        **family.tags,
        **request.tags,
        TAG_FAMILY: family.name,
        TAG_RUN: request.run,
        TAG_BAKE_KEY: request.key,
        TAG_SOURCE_IMAGE: request.source.id,
    }
    return {
        **_own(family, request),
        "rebake_architecture": family.architecture.value,
        "rebake_bake_key": request.key,
        "rebake_baseline": family.baseline.value if isinstance(family.baseline, Baseline) else "packages",
        "rebake_build_name": name,
        "rebake_endpoint": endpoint or "",
        "rebake_family": family.name,
        "rebake_image_name": request.image_name,
        "rebake_instance_profile": build.instance_profile or "",
        "rebake_instance_type": instance_type,
        "rebake_manifest": "rebake-manifest.json",
        "rebake_port": build.ssh_port,
        "rebake_region": region,
        "rebake_root_device": request.source.root_device,
        "rebake_run": request.run,
        "rebake_run_tags": _tags({"Name": name, **common, TAG_PURPOSE: "build"}),
        "rebake_source_cidrs": [build.source_cidr] if build.source_cidr else [],
        "rebake_source_image": request.source.id,
        "rebake_subnet": build.subnet or "",
        "rebake_tags": _tags(
            # Plugin 1.8 creates an image with the run's tags: one whose purpose is still "build" was never finished.
            {"Name": request.image_name, **common, TAG_PURPOSE: "image", TAG_STAGE: Stage.CANDIDATE.value}
        ),
    }


def _own(family: Family, request: BuildRequest) -> dict[str, str]:
    unresolved = [
        name for name, value in family.variables.items() if isinstance(value, Secret) and name not in request.secrets
    ]
    if unresolved:
        raise ConfigError(
            tuple(f"families.{family.name}.variables.{name}: the secret was not resolved" for name in unresolved),
            hint="check the secret's name and the right to read it",
        )
    values = {
        name: request.secrets[name] if isinstance(value, Secret) else value for name, value in family.variables.items()
    }
    # How often Packer renders a value depends on where a template uses it, so no quoting holds (tried to depth two).
    bad = [name for name, value in values.items() if "{{" in value]
    if bad:
        raise ConfigError(
            tuple(
                f"families.{family.name}.variables.{name} contains {{{{, which Packer would evaluate" for name in bad
            ),
            hint="hand it over in a file (a file step), or fetch it on the instance",
        )
    return values


def _tags(tags: dict[str, str]) -> dict[str, str]:
    """Refuse what Packer would evaluate: it renders tags as templates of its own, and more than once."""
    bad = [name for name, value in tags.items() if "{{" in name + value]
    if bad:
        raise ConfigError(
            tuple(f"the tag {name!r} contains {{{{, which Packer would evaluate" for name in bad),
            hint="correct the tag in rebake.yaml",
        )
    return tags
