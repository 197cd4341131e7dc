from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path, PurePath

import pytest

from pipeline.errors import ConfigError
from pipeline.model.images import Architecture
from pipeline.model.packages import Package
from pipeline.model.settings import (
    AnsibleStep,
    Baseline,
    BuildSettings,
    Connect,
    Family,
    FileStep,
    PredefinedBaseline,
    Secret,
    ShellStep,
)
from pipeline.packer.builder import PackerBuilder
from pipeline.packer.recipe import PATCHES, render_recipe, render_survey
from pipeline.packer.templates import builtin_names, builtin_templates
from pipeline.ports.builder import BuildRequest

GOLDEN = Path(__file__).parent / "golden"
BUILTINS = builtin_templates()
CASES = [
    (template, connect)
    for template in builtin_names(BUILTINS)
    for connect in Connect
    if not (template.startswith("windows") and connect is Connect.SESSION_MANAGER)
]
IMAGE = PurePath("image.pkr.hcl")


@pytest.fixture
def full(family: Family, tmp_path: Path) -> Callable[[str, Connect], Family]:
    """Answer a maker of families that use everything a built-in template offers."""
    (tmp_path / "app.sh").write_text("#!/bin/sh\n")
    (tmp_path / "app.conf").write_text("port = 80\n")
    (tmp_path / "ansible").mkdir()
    (tmp_path / "ansible" / "site.yml").write_text("- hosts: all\n")

    def make(template: str, connect: Connect) -> Family:
        return replace(
            family,
            template=template,
            build=BuildSettings(
                instance_types=("t3.small",),
                connect=connect,
                timeout=timedelta(minutes=45),
                source_cidr="10.0.0.0/8",
                kms_key="alias/images" if connect is Connect.PUBLIC_IP else None,
                root_volume_gib=20 if connect is Connect.PUBLIC_IP else None,
            ),
            variables={"app_version": "2.4.1", "token": Secret(service="ssm", name="/web/token")},
            provision=(
                ShellStep(script=tmp_path / "app.sh"),
                FileStep(source=tmp_path / "app.conf", destination="/opt/app/"),
                AnsibleStep(playbook=tmp_path / "ansible" / "site.yml"),
            ),
        )

    return make


@pytest.mark.parametrize(("template", "connect"), CASES)
def test_golden_renders(template: str, connect: Connect, full: Callable[[str, Connect], Family]) -> None:
    """Every built-in template renders to the reviewed bytes; a file golden/write renews them."""
    rendered = render_recipe(full(template, connect), builtins=BUILTINS).files[IMAGE].decode()
    golden = GOLDEN / f"{template}-{connect}.pkr.hcl"
    if (GOLDEN / "write").exists():
        golden.write_text(rendered)
    assert rendered == golden.read_text()


@pytest.mark.parametrize(("template", "connect"), [case for case in CASES if not case[0].startswith("windows")])
def test_arm64_differs_only_in_the_agent(
    template: str, connect: Connect, full: Callable[[str, Connect], Family]
) -> None:
    """The processor is the source image's and the instance type's affair, but for the one package put in by hand."""
    family = replace(full(template, connect), architecture=Architecture.ARM64)
    rendered = render_recipe(family, builtins=BUILTINS).files[IMAGE].decode()
    golden = (GOLDEN / f"{template}-{connect}.pkr.hcl").read_text()
    assert rendered == golden.replace("ssm-agent-amd64", "ssm-agent-arm64")


def combinations() -> list[tuple[str, Connect, Architecture, Baseline]]:
    """Choose builds so that each template, way in, processor and baseline meets a real Packer at least twice."""
    ways, processors, baselines = list(Connect), list(Architecture), list(Baseline)
    return [
        (
            template,
            ways[1 + number % 2] if template.startswith("windows") else ways[number % 3],
            processors[0] if template.startswith("windows") else processors[number % 2],
            baselines[number % 3],
        )
        for number, template in enumerate(sorted({template for template, _ in CASES}))
    ]


@pytest.mark.packer
@pytest.mark.parametrize(("template", "connect", "architecture", "baseline"), combinations())
def test_packer_accepts_the_built_in_templates(
    packer: Path,
    template: str,
    connect: Connect,
    architecture: Architecture,
    baseline: Baseline,
    full: Callable[[str, Connect], Family],
    builder_for: Callable[..., PackerBuilder],
    request_for: Callable[..., BuildRequest],
) -> None:
    """Each Packer validates each template, the lines for newer ones switched on where they apply."""
    builder = builder_for(packer)
    family = replace(full(template, connect), architecture=architecture, baseline=baseline)
    if len(builder.tools()) > 1:  # a Packer with plugins, of which only amazon's is installed here
        family = replace(family, provision=family.provision[:2])
    builder.validate(request_for(family, builder, secrets={"token": "s3cr3t"}))


@pytest.mark.packer
@pytest.mark.parametrize(("template", "connect"), CASES)
def test_packer_accepts_surveys_and_exact_packages(
    packer: Path,
    template: str,
    connect: Connect,
    full: Callable[[str, Connect], Family],
    builder_for: Callable[..., PackerBuilder],
    request_for: Callable[..., BuildRequest],
) -> None:
    """Each Packer validates what surveys a source image, and what installs the packages that were approved."""
    builder = builder_for(packer)
    family = replace(full(template, connect), baseline=PredefinedBaseline(), provision=())
    survey = replace(family, variables={})
    builder.validate(request_for(survey, builder, rendered=render_survey(family, builtins=BUILTINS)))
    exact = render_recipe(family, builtins=BUILTINS, install=(Package(name="openssl", version="1:3.0.22-1"),))
    assert exact.files[PATCHES] == b"openssl=1:3.0.22-1\n"
    builder.validate(request_for(family, builder, rendered=exact, secrets={"token": "s3cr3t"}))


def test_a_survey_makes_no_image_and_runs_nothing_of_the_family(full: Callable[[str, Connect], Family]) -> None:
    """Neither steps nor variables, nor a word of an image: what is surveyed is the source image alone."""
    files = render_survey(full("debian-12", Connect.PRIVATE_IP), builtins=BUILTINS).files
    assert set(map(str, files)) == {"image.pkr.hcl", "scripts/survey-apt.sh"}
    assert b"ami_name" not in files[IMAGE]
    assert b'"token"' not in files[IMAGE]


def test_a_template_of_ones_own_cannot_be_held_to_rules(family: Family, tmp_path: Path) -> None:
    """It patches by itself: neither a survey nor an exact list can be had from it, which is told before any bake."""
    (tmp_path / "own.pkr.hcl").write_text("build {}\n")
    own = replace(family, template=str(tmp_path / "own.pkr.hcl"))
    with pytest.raises(ConfigError, match="patches by itself"):
        render_survey(own, builtins=BUILTINS)
    with pytest.raises(ConfigError, match="patches by itself"):
        render_recipe(own, builtins=BUILTINS, install=())


def test_the_recipe_is_the_same_bytes_each_time(full: Callable[[str, Connect], Family]) -> None:
    """Rendering twice, and under other file times, yields the same files."""
    family = full("debian-12", Connect.PRIVATE_IP)
    once = render_recipe(family, builtins=BUILTINS)
    step = family.provision[1]
    assert isinstance(step, FileStep)
    os.utime(step.source, (1, 1))
    assert render_recipe(family, builtins=BUILTINS) == once
    assert set(map(str, once.files)) == {
        "image.pkr.hcl",
        "provision/01-app.sh",
        "provision/02-app.conf.tar",
        "provision/03-ansible/site.yml",
        "scripts/clean.sh",
        "scripts/packages-apt.sh",
        "scripts/patch-apt.sh",
        "scripts/unpack.sh",
    }


def test_a_secret_enters_no_file(full: Callable[[str, Connect], Family]) -> None:
    """The recipe names a secret variable as sensitive and knows neither its value nor its place."""
    files = render_recipe(full("debian-12", Connect.PRIVATE_IP), builtins=BUILTINS).files
    assert b"/web/token" not in b"".join(files.values())
    assert b'variable "token" {\n  sensitive = true' in files[IMAGE]


def test_session_manager_with_and_without_a_profile(family: Family) -> None:
    """Without an instance profile Packer makes one that lets the agent in, and nothing else."""
    settings = replace(family.build, connect=Connect.SESSION_MANAGER, source_cidr=None)
    bare = render_recipe(replace(family, build=settings), builtins=BUILTINS).files[IMAGE]
    given = render_recipe(replace(family, build=replace(settings, instance_profile="ssm")), builtins=BUILTINS).files[
        IMAGE
    ]
    assert b"temporary_iam_instance_profile_policy_document" in bare
    assert b"temporary_iam_instance_profile_policy_document" not in given
    assert b"source_cidrs = " not in given


def test_no_patching_where_the_baseline_says_none(family: Family) -> None:
    """Baseline none leaves the patch step out, and still lists packages."""
    files = render_recipe(replace(family, baseline=Baseline.NONE), builtins=BUILTINS).files
    assert PurePath("scripts/patch-apt.sh") not in files
    assert PurePath("scripts/packages-apt.sh") in files


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"variables": {"rebake_run": "x"}}, "no name for a variable"),
        ({"variables": {"a-b": "x"}}, "no name for a variable"),
        ({"template": "debian-13"}, "is no template"),
        ({"template": "windows-2022", "architecture": Architecture.ARM64}, "no Windows Server for arm64"),
        ({"provision": (ShellStep(script=PurePath("/none.sh")),)}, "/none.sh does not exist"),
        ({"provision": (AnsibleStep(playbook=PurePath("/none.yml")),)}, "/none.yml does not exist"),
        ({"provision": (FileStep(source=PurePath("/none"), destination="/x"),)}, "/none does not exist"),
        ({"provision": (FileStep(source=PurePath("/etc"), destination="x"),)}, "not absolute"),
    ],
)
def test_faults_of_a_family(family: Family, changes: dict[str, object], fault: str) -> None:
    """What can be known to be wrong without Packer is told in one sentence, with a hint."""
    with pytest.raises(ConfigError, match=fault) as told:
        render_recipe(replace(family, **changes), builtins=BUILTINS)  # type: ignore[arg-type]  # the cases name fields
    assert told.value.hint


@pytest.mark.parametrize(
    ("template", "changes", "fault"),
    [
        ("debian-12", {"source_cidr": None}, "must say to whom"),
        ("debian-12", {"source_cidr": "0.0.0.0/0"}, "to everyone"),
        ("debian-12", {"source_cidr": "::/0"}, "to everyone"),
        ("windows-2022", {"connect": Connect.SESSION_MANAGER}, "carries SSH only"),
    ],
)
def test_faults_of_the_build_settings(family: Family, template: str, changes: dict[str, object], fault: str) -> None:
    """A build instance is never open to the world, and no way in is accepted that Packer has not."""
    build = replace(family.build, **changes)  # type: ignore[arg-type]  # the cases name fields
    with pytest.raises(ConfigError, match=fault):
        render_recipe(replace(family, template=template, build=build), builtins=BUILTINS)
