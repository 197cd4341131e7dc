"""Which process holds something, and whether it still runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.records.process import is_gone, this_process


def test_a_process_that_has_ended_is_gone() -> None:
    """This one is not; a child that has ended is; so is one whose pid another process has now."""
    _, mine = this_process()
    assert not is_gone(mine)
    program = "from pipeline.records.process import this_process; print(this_process()[1])"
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    assert child.rpartition("/")[0] == mine.rpartition("/")[0]
    assert is_gone(child)
    place, _, start = mine.rpartition("@")
    assert is_gone(f"{place}@{int(start) - 1}")


@pytest.mark.parametrize("process", ["", "elsewhere", "another-boot/pid:[4026531836]/1@5"])
def test_of_another_machine_nothing_is_known(process: str) -> None:
    """Nothing that runs there is taken for dead."""
    assert not is_gone(process)
