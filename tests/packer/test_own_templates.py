from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePath

import pytest

from pipeline.errors import ConfigError
from pipeline.model.settings import Family, ShellStep
from pipeline.packer.builder import PackerBuilder
from pipeline.packer.recipe import render_recipe
from pipeline.packer.templates import builtin_templates
from pipeline.packer.variables import request_values
from pipeline.ports.builder import BuildRequest, Rendered

OWN = """
variable "app_version" {}
source "amazon-ebs" "own" {
  user_data_file = "files/user-data.sh"
}
build {
  sources = ["source.amazon-ebs.own"]
  provisioner "shell" {
    scripts = ["${path.root}/scripts/one.sh", "./scripts/two.sh"]
  }
  provisioner "file" {
    source = "app/"
    destination = "/opt/app"
  }
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Answer a folder with a template of the user's own and what it reads."""
    project = tmp_path / "project"
    for name in ("files/user-data.sh", "scripts/one.sh", "scripts/two.sh", "app/a/b", "app/c", ".git/config", "other"):
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (project / "own.pkr.hcl").write_text(OWN)
    return project


def render(family: Family, template: Path, **changes: object) -> Rendered:
    """Render a template of the user's own."""
    settings = {"variables": {"app_version": "1"}, **changes}
    return render_recipe(
        replace(family, template=str(template), **settings),  # type: ignore[arg-type]  # the tests name fields that exist
        builtins=builtin_templates(),
    )


def test_a_file_brings_what_its_strings_name(family: Family, folder: Path) -> None:
    """A single template works unmodified: the scripts, files and folders it names come along, and nothing else."""
    rendered = render(family, folder / "own.pkr.hcl")
    assert {str(path) for path in rendered.files} == {
        "own.pkr.hcl", "files/user-data.sh", "scripts/one.sh", "scripts/two.sh", "app/a/b", "app/c",
    }  # fmt: skip
    assert rendered.files[PurePath("own.pkr.hcl")] == OWN.encode()
    assert str(folder) in rendered.recipe


def test_a_folder_comes_whole(family: Family, folder: Path) -> None:
    """A folder works unmodified: all of it but hidden folders, Jinja templates rendered."""
    (folder / "more.pkr.hcl.j2").write_text("locals {\n  name = <{ family.name | hcl }>\n}\n")
    rendered = render(family, folder)
    assert PurePath("other") in rendered.files
    assert PurePath(".git/config") not in rendered.files
    assert rendered.files[PurePath("more.pkr.hcl")] == b'locals {\n  name = "web"\n}\n'


def test_a_template_may_extend_a_built_in_one(family: Family, tmp_path: Path) -> None:
    """Extending linux gives patching, the user's steps and the clean-up to an operating system of the user's own."""
    (tmp_path / "app.sh").write_text("#!/bin/sh\n")
    own = tmp_path / "alma.pkr.hcl.j2"
    own.write_text('<% extends "linux.pkr.hcl.j2" %>\n<% set login = "alma" %>\n<% set packages = "dnf" %>\n')
    rendered = render(family, own, provision=(ShellStep(script=tmp_path / "app.sh"),))
    text = rendered.files[PurePath("alma.pkr.hcl")].decode()
    assert 'ssh_username  = "alma"' in text
    assert "provision/01-app.sh" in text
    assert PurePath("scripts/patch-dnf.sh") in rendered.files


def test_steps_that_would_be_ignored_are_refused(family: Family, folder: Path) -> None:
    """A template that runs its own provisioners cannot be given others silently."""
    with pytest.raises(ConfigError, match="these steps would be ignored") as told:
        render(family, folder / "own.pkr.hcl", provision=(ShellStep(script=folder / "scripts/one.sh"),))
    assert "extend linux.pkr.hcl.j2" in told.value.hint


def test_variables_that_are_not_declared_are_refused(family: Family, folder: Path) -> None:
    """A misspelt variable is told before Packer runs."""
    with pytest.raises(ConfigError, match="app_versoin: the template declares no such variable"):
        render(family, folder / "own.pkr.hcl", variables={"app_versoin": "1"})


def test_files_outside_the_folder_are_refused(family: Family, folder: Path) -> None:
    """A path that leads out of the folder would not exist where Packer runs."""
    (folder / "scripts" / "deep.pkr.hcl").write_text('locals {\n  x = "../other"\n}\n')
    with pytest.raises(ConfigError, match="outside its own folder"):
        render(family, folder / "scripts" / "deep.pkr.hcl", variables={})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x\n<{ nothing }>\n", r"t\.pkr\.hcl\.j2:2: 'nothing' is undefined"),
        ("x\n\n<% if %>\n", r"t\.pkr\.hcl\.j2:3: "),
        ('<% extends "gone.j2" %>\n', "no template 'gone.j2'"),
        ("<{ family.variables.none }>", r"t\.pkr\.hcl\.j2:1: .*no attribute 'none'"),
    ],
)
def test_faults_of_a_jinja_template(family: Family, tmp_path: Path, text: str, fault: str) -> None:
    """An undefined name, a syntax error and a missing parent are told with file and line."""
    template = tmp_path / "t.pkr.hcl.j2"
    template.write_text(text)
    with pytest.raises(ConfigError, match=fault) as told:
        render(family, template, variables={})
    assert told.value.hint


@pytest.mark.parametrize("name", ["none.pkr.hcl", "x.json", "empty"])
def test_what_is_no_template(family: Family, tmp_path: Path, name: str) -> None:
    """A missing file, a file of another kind and a folder without templates are refused alike."""
    (tmp_path / "x.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="is no template") as told:
        render(family, tmp_path / name)
    assert "debian-12" in told.value.hint


def test_strings_that_are_no_paths(family: Family, tmp_path: Path) -> None:
    """Long strings, regular expressions and addresses are not taken for files."""
    template = tmp_path / "t.pkr.hcl"
    long = "/".join(["a" * 300] * 20)
    template.write_text(f'locals {{\n  x = ["{long}", "a/b?", "http://x/y", "/etc/passwd", "x/${{var.y}}", "."]\n}}\n')
    assert set(render(family, template, variables={}).files) == {PurePath("t.pkr.hcl")}


def test_the_documented_variables_are_those_passed(
    family: Family, builder_for: Callable[..., PackerBuilder], request_for: Callable[..., BuildRequest]
) -> None:
    """The README beside the templates lists every variable that a template may declare, and no other."""
    text = (builtin_templates() / "README.md").read_text()
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `rebake_")]
    documented = {name for row in rows for name in re.findall(r"rebake_\w+", row)}
    assert documented == set(
        request_values(request_for(family, builder_for()), region="eu-west-1", endpoint=None, instance_type="t3.small")
    )
