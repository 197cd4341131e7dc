"""Which Packer there is."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import ToolMissing
from pipeline.packer.client import OLDEST, PLUGINS_SINCE, PackerClient, Version
from pipeline.ports.builder import ToolVersion

_HINT = "install Packer (Debian: apt-get install packer) or, in a checkout, run scripts/get-packer"
_PLUGIN_HINT = "run `packer plugins install github.com/hashicorp/amazon`, or, in a checkout, scripts/build-packer"
_AMAZON = re.compile(r"packer-plugin-amazon_v(\d+\.\d+\.\d+\S*?)_x")


def find_packer(executable: str | None, *, environment: Mapping[str, str], root: Path) -> Path:
    """Find Packer: the one named, REBAKE_PACKER, PATH, then ``.tools/bin`` of the project.

    Raises:
        ToolMissing: there is none.
    """
    named = executable or environment.get("REBAKE_PACKER")
    if named:
        found = shutil.which(named, path=environment.get("PATH"))
        if not found:
            raise ToolMissing(f"there is no Packer at {named}", hint=_HINT)
    else:
        found = shutil.which("packer", path=environment.get("PATH")) or shutil.which(root / ".tools" / "bin" / "packer")
        if not found:
            raise ToolMissing("Packer is not installed", hint=_HINT)
    return Path(found).absolute()


def plugin_path(executable: Path, environment: Mapping[str, str]) -> Mapping[str, str]:
    """Say where plugins lie: as the environment says, else ``plugins`` beside the executable, else Packer's place."""
    beside = executable.parent / "plugins"
    if "PACKER_PLUGIN_PATH" in environment or not beside.is_dir():
        return {}
    return {"PACKER_PLUGIN_PATH": str(beside)}


def check_version(version: Version | None, executable: Path) -> Version:
    """Answer the version if it will do.

    Raises:
        ToolMissing: it is too old, or no Packer at all.
    """
    if version is None:
        raise ToolMissing(f"{executable} is not HashiCorp's Packer", hint=_HINT)
    if version < OLDEST:
        raise ToolMissing(f"{executable} is Packer {_dotted(version)}, older than {_dotted(OLDEST)}", hint=_HINT)
    return version


def report(client: PackerClient, executable: Path) -> tuple[ToolVersion, ...]:
    """Report Packer and, from 1.7 on, its amazon plugin, each with what is wrong with it."""
    version = client.version()
    shown = _dotted(version) if version else ""
    try:
        known = check_version(version, executable)
    except ToolMissing as fault:
        return (ToolVersion(name="packer", version=shown, fault=fault.message, hint=fault.hint),)
    packer = ToolVersion(name="packer", version=shown)
    if known < PLUGINS_SINCE:
        return (packer,)
    found = _AMAZON.findall(client.plugins())
    if not found:
        fault_text = "the amazon plugin is not installed, and this Packer brings none"
        return packer, ToolVersion(name="packer-plugin-amazon", version="", fault=fault_text, hint=_PLUGIN_HINT)
    return packer, ToolVersion(name="packer-plugin-amazon", version=max(found, key=_numbers))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
