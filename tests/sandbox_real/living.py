"""Which processes live, and waiting for what real processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

_WITHIN = 30.0


def until(condition: Callable[[], bool], within: float = _WITHIN) -> None:
    """Wait for a condition, closely."""
    limit = time.monotonic() + within
    while not condition():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.005)


def descendants(pid: int) -> set[int]:
    """Find every living process below one, whichever of its threads started it."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if words[0] != "Z":
            parents.setdefault(int(words[1]), []).append(int(folder.name))
    found: set[int] = set()
    todo = [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found.update(children)
        todo.extend(children)
    return found


def gone(pids: set[int]) -> bool:
    """Whether none of these processes lives."""
    return not any(_lives(pid) for pid in pids)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
