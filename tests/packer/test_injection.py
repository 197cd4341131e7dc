"""Whatever a value of rebake.yaml contains, it arrives as text: through YAML, Jinja, HCL, Packer and a shell."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline.config import load
from pipeline.errors import ConfigError
from pipeline.model.settings import Family
from pipeline.packer import hcl
from pipeline.packer.builder import PackerBuilder
from pipeline.packer.recipe import render_recipe
from pipeline.packer.templates import builtin_names, builtin_templates
from pipeline.packer.variables import request_values
from pipeline.ports.builder import BuildRequest

HOSTILE = [
    "${var.x}",
    "%{ if true }",
    "$${x}",
    '"',
    "'",
    "`id`",
    "$(id)",
    "\n",
    "<{ family }>",
    "<% raw %>",
    "<# #>",
    ";",
    "\\",
]
ARRIVING = [*HOSTILE, "a", "é", "\U0001d4b3", " ", "#", "}"]
VALUES = st.lists(st.sampled_from(ARRIVING), min_size=1, max_size=8).map("".join)
FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
PRINTING = """
variable "value" {}
source "null" "x" {
  communicator = "none"
}
build {
  sources = ["source.null.x"]
  provisioner "shell-local" {
    environment_vars = ["VALUE=${var.value}"]
    inline           = ["printf %s \\"$VALUE\\" >arrived"]
  }
}
"""


@FEW
@given(VALUES, VALUES)
@example("{{ build `ID` }}", "x")
def test_tags_and_variables_arrive_or_are_refused(
    family: Family,
    request_for: Callable[..., BuildRequest],
    builder_for: Callable[..., PackerBuilder],
    one: str,
    two: str,
) -> None:
    """As they are, in what Packer is told; what Packer would evaluate on its own is refused with its name."""
    own = replace(family, variables={"app": one}, tags={"note": two})
    request = replace(request_for(family, builder_for()), family=own)
    if "{{" in one + two:
        with pytest.raises(ConfigError, match="which Packer would evaluate"):
            request_values(request, region="eu-west-1", endpoint=None, instance_type="t3.small")
        return
    values = request_values(request, region="eu-west-1", endpoint=None, instance_type="t3.small")
    tags = values["rebake_tags"]
    assert isinstance(tags, dict)
    assert (values["app"], tags["note"]) == (one, two)


@FEW
@given(VALUES)
def test_the_recipe_does_not_know_a_value(family: Family, value: str) -> None:
    """A variable's value enters no file, so that nothing in it can be taken for a template."""
    plain = render_recipe(replace(family, variables={"app": "x"}), builtins=builtin_templates())
    assert render_recipe(replace(family, variables={"app": value}), builtins=builtin_templates()) == plain


@FEW
@given(VALUES)
def test_values_that_stand_in_the_recipe_are_quoted(family: Family, value: str) -> None:
    """The key and the login name are HCL strings of exactly that text, and no block more than without."""
    build = replace(family.build, kms_key=value, ssh_username=value)
    files = render_recipe(replace(family, build=build), builtins=builtin_templates()).files
    text = next(content for path, content in files.items() if path.suffix == ".hcl").decode()
    usual = replace(family.build, kms_key="k", ssh_username="u")
    other = render_recipe(replace(family, build=usual), builtins=builtin_templates()).files
    plain = next(content for path, content in other.items() if path.suffix == ".hcl").decode()
    assert text == plain.replace('kms_key_id            = "k"', f"kms_key_id            = {hcl.quote(value)}").replace(
        'ssh_username  = "u"', f"ssh_username  = {hcl.quote(value)}"
    )
    names = [(block.name, block.labels) for block in hcl.blocks(plain)]
    assert [(block.name, block.labels) for block in hcl.blocks(text)] == names


@FEW
@given(VALUES)
def test_the_file_brings_any_text(tmp_path: Path, value: str) -> None:
    """From YAML, quoted as any writer quotes it, to the family's variables and tags."""
    path = tmp_path / "rebake.yaml"
    source = {"image": "ami-12345678"}
    web = {"template": "debian-12", "source": source, "variables": {"app": value}, "build": {"instance_profile": "p"}}
    with path.open("w") as file:
        YAML().dump({"version": 1, "families": {"web": web}, "defaults": {"tags": {"note": value[:200]}}}, file)
    loaded = load(path, templates=builtin_names(builtin_templates()))
    assert loaded.families["web"].variables == {"app": value}
    assert loaded.tags == {"note": value[:200]}


@pytest.mark.packer
def test_a_shell_gets_the_text_from_packer(packer: Path, tmp_path: Path) -> None:
    """Packer itself, and the shell it starts, hand every hostile value on as it is."""
    value = "".join(text for text in HOSTILE if text != "'")  # Packer quotes them in single quotes of its own
    (tmp_path / "x.pkr.hcl").write_text(PRINTING)
    (tmp_path / "v.auto.pkrvars.hcl").write_text(f"value = {hcl.quote(value)}\n")
    subprocess.run(
        [packer, "build", "."], cwd=tmp_path, capture_output=True, check=True,
        env={"HOME": str(tmp_path), "CHECKPOINT_DISABLE": "1", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert (tmp_path / "arrived").read_text() == value
