"""Files that a recipe cannot take are told in a sentence, and what it does not need stays out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePath

import pytest

from pipeline.errors import ConfigError, StepFailed
from pipeline.model.settings import AnsibleStep, Family, FileStep, Provision, ShellStep
from pipeline.packer.artifacts import built_image
from pipeline.packer.events import PackerEvent
from pipeline.packer.recipe import render_recipe
from pipeline.packer.templates import builtin_templates
from pipeline.ports.builder import Rendered


def render(family: Family, *steps: Provision) -> Rendered:
    """Render the built-in template with steps."""
    return render_recipe(replace(family, provision=steps), builtins=builtin_templates())


def test_a_playbook_brings_only_what_ansible_looks_for(family: Family, tmp_path: Path) -> None:
    """A playbook beside rebake.yaml takes its roles and variables along, and nothing else of the project."""
    for name in (
        "site.yml",
        "rebake.yaml",
        "other.yml",
        "roles/web/tasks/main.yml",
        "group_vars/all.yml",
        "app/secret",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    files = render(family, AnsibleStep(playbook=tmp_path / "site.yml")).files
    assert {str(path) for path in files if "ansible" in str(path)} == {
        "provision/01-ansible/site.yml",
        "provision/01-ansible/roles/web/tasks/main.yml",
        "provision/01-ansible/group_vars/all.yml",
    }


def link_to_a_folder(path: Path) -> None:
    """Link to a folder."""
    path.symlink_to(path.parent.parent)


def link_to_nothing(path: Path) -> None:
    """Link to nothing."""
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("make", "said"), [(link_to_a_folder, "is a link to a folder"), (link_to_nothing, "leads nowhere")]
)
def test_links_that_are_no_files(family: Family, tmp_path: Path, make: Callable[[Path], None], said: str) -> None:
    """A linked folder and a dead link are told by name, in an Ansible folder and in a template's."""
    (tmp_path / "site.yml").write_text("- hosts: all\n")
    (tmp_path / "roles").mkdir()
    make(tmp_path / "roles" / "web")
    with pytest.raises(ConfigError, match=f"roles/web {said}") as told:
        render(family, AnsibleStep(playbook=tmp_path / "site.yml"))
    assert told.value.hint
    folder = tmp_path / "template"
    folder.mkdir()
    (folder / "own.pkr.hcl").write_text("locals {}\n")
    make(folder / "more")
    with pytest.raises(ConfigError, match=f"more {said}"):
        render_recipe(replace(family, template=str(folder)), builtins=builtin_templates())


def test_a_file_that_cannot_be_read(family: Family) -> None:
    """The system's own word for it is in the sentence."""
    with pytest.raises(ConfigError, match=r"mem cannot be read \(Input/output error\)"):
        render(family, ShellStep(script=Path("/proc/self/mem")))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("own.pkr.hcl", b'locals {\n  x = "caf\xe9"\n}\n', r"own\.pkr\.hcl:2: is not UTF-8 text"),
        ("own.pkr.hcl.j2", b"caf\xe9", r"own\.pkr\.hcl\.j2.* is not UTF-8 text"),
        ("own.pkr.hcl.j2", b"x\n<{ 1 + 'a' }>\n", r"own\.pkr\.hcl\.j2:2: TypeError: unsupported operand"),
    ],
)
def test_templates_that_cannot_be_rendered(
    family: Family, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    """Another encoding, and whatever an expression raises, is a fault of the template with its place."""
    template = tmp_path / name
    template.write_bytes(content)
    with pytest.raises(ConfigError, match=said) as told:
        render_recipe(replace(family, template=str(template)), builtins=builtin_templates())
    assert told.value.hint


@pytest.mark.parametrize("text", ['{"builds": [{"arti', "{}", "[]"])
def test_a_manifest_that_is_damaged(tmp_path: Path, text: str) -> None:
    """Half a manifest is no witness: the build is told as failed, with what to do."""
    manifest = tmp_path / "manifest.json"
    manifest.write_text(text)
    event = PackerEvent(target="x", type="artifact", data=("0", "id", "eu-west-1:ami-1"))
    with pytest.raises(StepFailed, match="manifest is damaged") as told:
        built_image([event], manifest=manifest, region="eu-west-1")
    assert told.value.hint


def test_names_of_files_are_made_plain(family: Family, tmp_path: Path) -> None:
    """A quote, a brace or a space in a file's name is no reason to fail, nor anything to evaluate."""
    steps: list[Provision] = []
    for name in ('say "hi".sh', "${x}.sh", "{{ isotime }}.sh"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        steps.append(ShellStep(script=tmp_path / name))
    (tmp_path / "a {{b}}").write_text("x")
    steps.append(FileStep(source=tmp_path / "a {{b}}", destination="/opt/x"))
    (tmp_path / 'si"te.yml').write_text("- hosts: all\n")
    steps.append(AnsibleStep(playbook=tmp_path / 'si"te.yml'))
    files = render(family, *steps).files
    assert {str(path) for path in files if path.parts[0] == "provision"} == {
        "provision/01-say__hi_.sh",
        "provision/02-__x_.sh",
        "provision/03-___isotime___.sh",
        "provision/04-a___b__.tar",
        "provision/05-ansible/si_te.yml",
    }
    text = files[PurePath("image.pkr.hcl")].decode()
    assert '"provision/03-___isotime___.sh"' in text
