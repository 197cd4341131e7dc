"""Every Packer on this machine, for tests that shall run with each of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def packers() -> list[Path]:
    """Every Packer on this machine: the project's own two places, and PATH."""
    places = [ROOT / ".tools/bin/packer", ROOT / ".tools/packer-1.16.0/packer"]
    on_path = shutil.which("packer")
    found = [place for place in places if place.exists()] + ([Path(on_path)] if on_path else [])
    return list({place.resolve(): place for place in found}.values())


def for_each_packer(metafunc: pytest.Metafunc) -> None:
    """Run what asks for ``packer`` once with each Packer found, and skip it where there is none."""
    if "packer" in metafunc.fixturenames:
        none = pytest.param(None, marks=pytest.mark.skip(reason="no Packer is found: run scripts/get-packer"))
        metafunc.parametrize("packer", packers() or [none], ids=lambda path: path.parent.name if path else "none")


def running(executable: Path, mark: str) -> list[int]:
    """List the processes of a program whose environment carries a mark."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "exe").samefile(executable) and mark.encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:  # it ended meanwhile, or is not ours
            continue
    return found
