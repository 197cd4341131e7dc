"""Packer's machine-readable output, line by line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PackerEvent:
    """One line: which build it is about (empty: all), its type, its data unescaped.

    Source: https://developer.hashicorp.com/packer/docs/commands#machine-readable-output
    """

    target: str
    type: str
    data: tuple[str, ...]

    @property
    def text(self) -> str:
        """What a person would have read on the terminal; empty for what only machines read."""
        return self.data[1].strip("\n") if self.type == "ui" and len(self.data) > 1 else ""


def parse(line: str) -> PackerEvent:
    """Read one line of output; a line that is not machine-readable (a plugin's, Go's) becomes a message of its own."""
    fields = line.rstrip("\r\n").split(",")
    if len(fields) < 4 or not fields[0].isdecimal():  # noqa: PLR2004 - time stamp, target, type, data
        return PackerEvent(target="", type="ui", data=("message", line.rstrip("\r\n")))
    return PackerEvent(target=fields[1], type=fields[2], data=tuple(_unescape(field) for field in fields[3:]))


def _unescape(field: str) -> str:
    return field.replace("%!(PACKER_COMMA)", ",").replace("\\n", "\n").replace("\\r", "\r")
