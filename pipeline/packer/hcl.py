"""HCL2 as text: writing literals that cannot be misread, and finding the few blocks this project must know.

Packer's templates are not parsed as a whole: a scan that respects strings, comments and heredocs finds blocks by
their header, which is enough and survives any newer syntax inside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Value = str | bool | int | float | None | Sequence["Value"] | Mapping[str, "Value"]

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}

_LAST_OF_FOUR = 0xFFFF

_TOKEN = re.compile(
    r"""
      (?P<comment>\#[^\n]*|//[^\n]*|/\*.*?\*/)
    | (?P<heredoc><<-?(?P<word>\w+)[^\n]*\n.*?^[ \t]*(?P=word)[ \t]*$)
    | (?P<string>")
    | (?P<open>\{)
    | (?P<close>\})
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_HEADER = re.compile(r'(?P<name>[A-Za-z_][\w-]*)(?P<labels>(?:[ \t]+(?:"[^"\n]*"|[A-Za-z_][\w-]*))*)[ \t]*$')
_LABEL = re.compile(r'"([^"\n]*)"|([A-Za-z_][\w-]*)')
_TYPE = re.compile(r"^\s*type\s*=\s*([^\n}]*)", re.MULTILINE)


def quote(text: str) -> str:
    """Write any text as an HCL string that evaluates to exactly that text, whatever it contains.

    A dollar or percent sign before a brace is written as a Unicode escape: doubling it is ambiguous after another one.
    Source: https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md#template-expressions
    """
    pieces = []
    for position, char in enumerate(text):
        code = ord(char)
        if char in _ESCAPES:
            pieces.append(_ESCAPES[char])
        elif not char.isprintable() or (char in "$%" and text[position + 1 : position + 2] == "{"):
            pieces.append(f"\\u{code:04x}" if code <= _LAST_OF_FOUR else f"\\U{code:08x}")
        else:
            pieces.append(char)
    return f'"{"".join(pieces)}"'


def literal(value: Value) -> str:
    """Write a value as an HCL expression; mappings keep their order."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str():
            return quote(value)
        case Mapping():
            return "{" + ", ".join(f"{quote(key)} = {literal(item)}" for key, item in value.items()) + "}"
        case _:
            return "[" + ", ".join(literal(item) for item in value) + "]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block found in a template: its header's words, its body, and where it stands (offsets)."""

    name: str
    labels: tuple[str, ...]
    body: str
    start: int
    end: int


def blocks(text: str) -> tuple[Block, ...]:
    """List all blocks, outer ones before those inside them."""
    found, opened = [], []
    for kind, position in _braces(text):
        if kind == "open":
            line = text.rfind("\n", 0, position) + 1
            header = _HEADER.search(text, line, position)
            opened.append((header, position))
        elif opened:
            header, brace = opened.pop()
            if header:
                labels = tuple(quoted or bare for quoted, bare in _LABEL.findall(header["labels"]))
                found.append(
                    Block(
                        name=header["name"],
                        labels=labels,
                        body=text[brace + 1 : position],
                        start=header.start(),
                        end=position + 1,
                    )
                )
    return tuple(sorted(found, key=lambda block: block.start))


def declared(text: str) -> dict[str, str]:
    """List the variables that a template declares, each with its type as written (empty: none is written)."""
    found = {}
    for block in blocks(text):
        if block.name == "variable" and len(block.labels) == 1:
            kind = _TYPE.search(block.body)
            found[block.labels[0]] = kind[1].strip() if kind else ""
    return found


def without(text: str, name: str) -> str:
    """Cut all blocks of a name out of a template, keeping its line numbers."""
    for block in reversed([block for block in blocks(text) if block.name == name]):
        text = text[: block.start] + "\n" * text.count("\n", block.start, block.end) + text[block.end :]
    return text


def strings(text: str) -> Iterator[str]:
    """Go through the quoted strings of a template as they are written, comments left out."""
    position = 0
    while token := _TOKEN.search(text, position):
        position = token.end()
        if token["string"]:
            end = _string_end(text, position)
            yield text[position : end - 1]
            position = end


def _braces(text: str) -> Iterator[tuple[str, int]]:
    position = 0
    while token := _TOKEN.search(text, position):
        position = _string_end(text, token.end()) if token["string"] else token.end()
        if token["open"] or token["close"]:
            yield ("open" if token["open"] else "close"), token.start()


def _string_end(text: str, position: int) -> int:
    """Find the end of a string whose first quote stands before ``position``; ``${ }`` may hold strings of its own."""
    depth = 0
    while position < len(text):
        char, pair = text[position], text[position : position + 2]
        if char == "\\" and not depth:
            position += 1
        elif pair in {"${", "%{"} and text[position - 1] != char:
            depth += 1
            position += 1
        elif depth and char == "{":
            depth += 1
        elif depth and char == "}":
            depth -= 1
        elif char == '"' and not depth:
            return position + 1
        elif char == '"':
            position = _string_end(text, position + 1) - 1
        position += 1
    return position
