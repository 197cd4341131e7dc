"""The folder that one run of Packer works in: the recipe, fitted to the Packer at hand, and this run's values."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

from pipeline.errors import ConfigError
from pipeline.packer import hcl
from pipeline.packer.client import PLUGINS_SINCE, Version
from pipeline.packer.templates import SUFFIX

_SOURCES = {"amazon": "github.com/hashicorp/amazon", "ansible": "github.com/hashicorp/ansible"}
_OLDEST_PLUGIN = {"amazon": ">= 1.2.0", "ansible": ">= 1.1.0"}
_FROM = re.compile(r"^([ \t]*)#@(\d+)\.(\d+) ", re.MULTILINE)
_REQUIREMENT = re.compile(r"^\s*([\w-]+)\s*=\s*\{", re.MULTILINE)
_PREFIX = "rebake-build-"
_LOCK = ".rebake-lock"
_COLLECTION = re.compile(r"(?:list|set|map|object|tuple)\b|any$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Where a run's files lie. ``manifest`` and the package lists exist only if the template writes them.

    ``lock`` is an open file whose lock says that somebody works here: whoever inherits it holds it, too.
    """

    folder: Path
    lock: int
    variables: Path
    output: Path
    manifest: Path
    packages_before: Path
    packages_after: Path
    survey: Path


@contextmanager
def workspace(
    files: Mapping[PurePath, bytes], values: Mapping[str, hcl.Value], *, version: Version
) -> Iterator[Workspace]:
    """Lay out a folder that only we can read, and remove it afterwards.

    Values are passed for the variables that the template declares, and only for those: Packer refuses others.
    """
    _sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = _claim(folder)
    try:
        place = Workspace(
            folder=folder,
            lock=lock,
            variables=folder / "zz-rebake.pkrvars.hcl",
            output=folder / "output.log",
            manifest=folder / "rebake-manifest.json",
            packages_before=folder / "packages-before",
            packages_after=folder / "packages-after",
            survey=folder / "survey",
        )
        (folder / "tmp").mkdir()
        _lay(folder, fitted(files, version))
        declared = hcl.declared("\n".join(text for _, text in _templates(files)))
        place.variables.touch(mode=0o600)
        place.variables.write_text(
            "".join(
                f"{name} = {_typed(name, values[name], kind)}\n" for name, kind in declared.items() if name in values
            )
        )
        yield place
    finally:
        shutil.rmtree(folder)
        os.close(lock)


def _claim(folder: Path) -> int:
    """Lock a new folder; the lock file appears locked, so that nobody takes the folder for a dead one's."""
    new = folder / f"{_LOCK}.new"
    lock = os.open(new, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    new.rename(folder / _LOCK)
    return lock


def _sweep(place: Path) -> None:
    """Remove our own folders whose processes, Packer among them, were all killed: secrets may lie in them."""
    for path in place.glob(f"{_PREFIX}*/{_LOCK}"):
        with contextlib.suppress(OSError):  # held, somebody else's, or removed meanwhile
            if path.stat().st_uid != os.getuid():
                continue
            with path.open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path.parent)


def fitted(files: Mapping[PurePath, bytes], version: Version) -> dict[PurePath, bytes]:
    """Fit templates to a version of Packer.

    Lines behind ``#@1.7`` count from that version on. Before 1.7 a required_plugins block is a syntax error; since 1.10
    the amazon builder is a plugin that must be required.
    """
    result = dict(files)
    for path, text in _templates(files):
        known = _FROM.sub(lambda mark: mark[1] if version[:2] >= (int(mark[2]), int(mark[3])) else mark[0], text)
        result[path] = (known if version >= PLUGINS_SINCE else hcl.without(known, "required_plugins")).encode()
    if version >= PLUGINS_SINCE:
        missing = _required(files)
        if missing:
            result[PurePath("zz-plugins.pkr.hcl")] = _plugins_block(missing).encode()
    return result


def _required(files: Mapping[PurePath, bytes]) -> list[str]:
    """List the plugins that templates use without requiring them."""
    used, required = set(), set()
    for _, text in _templates(files):
        for block in hcl.blocks(text):
            if block.name in {"source", "data", "provisioner"} and block.labels:
                used.add(block.labels[0].partition("-")[0])
            elif block.name == "required_plugins":
                required |= set(_REQUIREMENT.findall(block.body))
    return sorted((used & _SOURCES.keys()) - required)


def _plugins_block(names: list[str]) -> str:
    lines = (
        f"    {name} = {hcl.literal({'source': _SOURCES[name], 'version': _OLDEST_PLUGIN[name]})}\n" for name in names
    )
    return f"packer {{\n  required_plugins {{\n{''.join(lines)}  }}\n}}\n"


def _templates(files: Mapping[PurePath, bytes]) -> list[tuple[PurePath, str]]:
    """List what Packer reads as templates: only the folder's own level."""
    return [(p, content.decode()) for p, content in files.items() if len(p.parts) == 1 and p.name.endswith(SUFFIX)]


def _lay(folder: Path, files: Mapping[PurePath, bytes]) -> None:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(0o700 if content.startswith(b"#!") else 0o600)


def _typed(name: str, value: hcl.Value, kind: str) -> str:
    """Write a value for a variable's type; text for a collection must be JSON, which is read as one."""
    if not isinstance(value, str) or not _COLLECTION.match(kind):
        return hcl.literal(value)
    try:
        return hcl.literal(json.loads(value))
    except json.JSONDecodeError as error:
        fault = f"the template declares {name} as {kind}, and its value is not JSON"
        raise ConfigError((fault,), hint=f"write variables.{name} as JSON text") from error
