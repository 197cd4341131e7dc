from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.packer import hcl

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NASTY = [
    "${var.x}", "%{ if true }", "$${x}", "%%{x", "$$$${", "\\${x}", '"', "a\nb\r\tc", "\x00\x1b\x7f\x85",
    "\u2028\xe9\U0001d4b3", "{{ build `x` }}", "$", "%", "\\u0041", "\\", "~}", "'; rm -rf /; '", '${jsonencode("}")}',
]  # fmt: skip


def read(quoted: str) -> str:
    """Read an HCL string as the specification says, refusing interpolation and raw control characters."""
    body = quoted[1:-1]
    assert quoted[0] == quoted[-1] == '"'
    assert all(char.isprintable() for char in body)
    assert not re.search(r'(?<!\\)(?:\\\\)*"', body), "the string would end early"
    assert not re.search(r"[$%]\{", body), "Packer would evaluate it"
    escapes = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
    return re.sub(
        r"\\(?:u([0-9a-f]{4})|U([0-9a-f]{8})|(.))",
        lambda m: chr(int(m[1] or m[2], 16)) if m[1] or m[2] else escapes[m[3]],
        body,
    )


@given(ANY_TEXT)
def test_quote_round_trip(text: str) -> None:
    """Any text comes back exactly, and nothing in it is evaluated."""
    assert read(hcl.quote(text)) == text


@given(st.text(alphabet='${}%"\\\n~ a'))
def test_quote_round_trip_of_syntax(text: str) -> None:
    """Text made of HCL's own signs comes back exactly."""
    assert read(hcl.quote(text)) == text


@pytest.mark.packer
def test_packer_reads_what_was_quoted(packer: Path, tmp_path: Path) -> None:
    """Packer itself evaluates every nasty string to exactly itself."""
    lines = (f"locals {{\n  v{number} = {hcl.quote(text)}\n}}\n" for number, text in enumerate(NASTY))
    (tmp_path / "v.pkr.hcl").write_text("".join(lines))
    asked = "jsonencode([" + ", ".join(f"local.v{number}" for number in range(len(NASTY))) + "])\n"
    done = subprocess.run(
        [packer, "console", "."], cwd=tmp_path, input=asked, text=True, capture_output=True, check=True,
        env={"HOME": str(tmp_path), "CHECKPOINT_DISABLE": "1"},
    )  # fmt: skip
    said = json.loads(done.stdout)
    assert (json.loads(said) if isinstance(said, str) else said) == NASTY


def test_literals() -> None:
    """Every kind of value has its HCL form."""
    value: hcl.Value = {"a": [1, True, None, 2.5], "b c": "d"}
    assert hcl.literal(value) == '{"a" = [1, true, null, 2.5], "b c" = "d"}'


TEMPLATE = """
# variable "commented" { }
// variable "too" {
/* variable "three" {
*/
packer {
  required_plugins {
    amazon = {
      source = "github.com/hashicorp/amazon"
    }
  }
}
variable "plain" {}
variable "typed" {
  description = "a } brace and a \\" quote, and ${upper("}")} inside"
  type = list(string)
}
variable bare { type = string }
locals {
  text = <<-EOF
    variable "here" {
  EOF
}
x = { a = 1 }
"""


def test_declared_variables() -> None:
    """Only real declarations count: no comments, strings or heredocs."""
    assert hcl.declared(TEMPLATE) == {"plain": "", "typed": "list(string)", "bare": "string"}


def test_without_cuts_a_block_and_keeps_the_lines() -> None:
    """Cutting required_plugins leaves every other line where it was, so that Packer's line numbers hold."""
    cut = hcl.without(TEMPLATE, "required_plugins")
    assert "github.com" not in cut
    assert cut.count("\n") == TEMPLATE.count("\n")
    assert cut.splitlines()[13] == TEMPLATE.splitlines()[13] == 'variable "typed" {'


def test_strings_leave_comments_out() -> None:
    """The strings of a template are found as written, interpolation included."""
    assert list(hcl.strings('a = "x/y.sh" # "no"\nb = ["${path.root}/z", "${f("in")}", "", "\\""]')) == [
        "x/y.sh", "${path.root}/z", '${f("in")}', "", '\\"',
    ]  # fmt: skip


@given(ANY_TEXT)
def test_scanning_survives_any_text(text: str) -> None:
    """No text makes the scan fail or loop: what is no template is Packer's to refuse."""
    hcl.declared(text)
    list(hcl.strings(text))
    list(hcl.strings('"${"' + text))
