"""The documents say what the code does: examples load, tables of keys, verbs and copied attributes are complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.aws.parts import PARTS, Fate
from pipeline.cli.main import app
from pipeline.config import load, schema
from pipeline.packer.templates import builtin_names, builtin_templates

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FAMILY = "web: {template: debian-12, source: {image: ami-12345678}, build: {instance_profile: p}}"
OF_A_FLEET = ("strategy", "gates", "floor", "on_halt", "keep_good")


def examples() -> Iterator[Any]:
    """Every YAML block of the documents, named by its document and its place there."""
    for document in DOCUMENTS:
        blocks = re.findall(r"^```yaml\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)
        yield from (pytest.param(block, id=f"{document.name}-{number}") for number, block in enumerate(blocks))


def completed(block: str) -> str:
    """Put what stands for a part of rebake.yaml into a whole one."""
    keys = re.findall(r"^(\w+):", block, re.MULTILINE)
    if "version" in keys:
        return block
    head = f"version: 1\nfamilies: {{{FAMILY}}}\n"
    if keys[0] not in OF_A_FLEET:
        return head + block
    indented = "".join(f"    {line}" for line in block.splitlines(keepends=True))
    return f"{head}fleets:\n  web-prod:\n    family: web\n    group: web-a\n{indented}"


def rows(name: str) -> Iterator[list[list[str]]]:
    """Every table of a document, without its head, as cells."""
    for table in re.findall(r"(?:^\|.*\n)+", (ROOT / name).read_text(), re.MULTILINE):
        lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()[2:]]
        yield [[cell.strip() for cell in line] for line in lines]


@pytest.mark.parametrize("block", [*examples()])
def test_examples_load(block: str, tmp_path: Path) -> None:
    """What a reader copies is accepted, beside the files that it names."""
    for name in re.findall(r"[\w./-]+\.(?:sh|py)\b", block):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    path = tmp_path / "rebake.yaml"
    path.write_text(completed(block))
    assert load(path, templates=builtin_names(builtin_templates())).families


def test_every_key_of_the_configuration_is_documented() -> None:
    """Each table of docs/configuration.md lists one section: its keys, mandatory ones in bold, and their defaults."""
    found = schema()
    sections = [found, *(part for part in found["$defs"].values() if part.get("properties"))]
    told = [{row[0].strip("*`"): row for row in table} for table in rows("docs/configuration.md")]
    assert sorted(map(sorted, told)) == sorted(sorted(part["properties"]) for part in sections)
    for part in sections:
        table = next(table for table in told if table.keys() == part["properties"].keys())
        mandatory = {key for key, row in table.items() if row[0].startswith("**")}
        assert mandatory == set(part.get("required", []))
        for key, field in part["properties"].items():
            words = re.search(r"default: (.*)", field["description"], re.IGNORECASE)
            default = table[key][2].replace("`", "")
            assert not words or (default and default in words[1]), f"{key}: {default!r} is not {words}"


def test_what_green_has_of_blue_is_documented() -> None:
    """docs/rollouts.md lists each attribute of a group under what becomes of it in a copy."""
    (table,) = (found for found in rows("docs/rollouts.md") if found[0][0] == "as they are")
    told = [sorted(re.findall(r"`([A-Z]\w+)`", cell)) for _, cell in table]
    fates = [Fate.KEPT, Fate.WRITTEN, str, Fate.STATE]
    assert told == [
        sorted(part for part, fate in PARTS.items() if (isinstance(fate, str) if wanted is str else fate is wanted))
        for wanted in fates
    ]


def test_the_readme_tells_of_every_verb() -> None:
    """The table of verbs in the README has each verb of the command, and no other."""
    verbs = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    groups = {str(group.name) for group in app.registered_groups}
    (table,) = (found for found in rows("README.md") if found[0][0].startswith("`init`"))
    told = {words.split()[0] for first, _ in table for words in re.findall(r"`([^`]+)`", first)}
    assert told == verbs | groups
