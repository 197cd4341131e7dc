from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.errors import ConfigError


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write a configuration beside the files that it may name."""
    for name in ("mine.pkr.hcl", "run.sh", "play.yml", "test_web.py"):
        (tmp_path / name).touch()
    (tmp_path / "app").mkdir()

    def write(text: str) -> Path:
        path = tmp_path / "rebake.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def faults(write: Callable[[str], Path]) -> Callable[[str], list[str]]:
    """List the faults that loading a text tells."""

    def faults(text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(write(text), templates={"debian-12", "windows-2022"})
        return list(caught.value.faults)

    return faults
