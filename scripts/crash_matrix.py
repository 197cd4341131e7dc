"""Kill every command before and after each of its AWS calls, run it again, compare what stands. Exit 1 on a difference.

All points of all rows of `crash.rows`, in this process, on tier A and the manual clock; see docs/crash-safety.md.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from crash.killing import Machine, Verdict
from crash.matrix import SEED, crash_everywhere
from crash.rows import ROWS, Row
from quick import quick_boto

TWICE = 0.004
"""The share of the second crashes, in the recovery from a first one, that is tried."""
_SHOWN = 6


def main(words: Sequence[str], *, each: bool) -> int:
    """Go through the rows whose names have all of the words."""
    # Nothing of the caller's is read, and nothing of his could be reached: all calls are answered in this process.
    os.environ.update(AWS_ACCESS_KEY_ID="sandbox", AWS_SECRET_ACCESS_KEY="sandbox")  # noqa: S106 - the sandbox's
    began, verdicts = time.monotonic(), list[Verdict]()
    with quick_boto():
        machines = [Machine() for _ in range(3)]
        print(f"{'command':45} {'again':>8} {'points':>7} {'twice':>6} {'failed':>7} {'leave':>6} {'CPU':>7}")
        for row in ROWS:
            if all(word in row.name for word in words):
                for pause in row.pauses:
                    verdicts += _row(row, machines, pause, each=each)
    points, twice, failed, left = _counts(verdicts)
    print(
        f"\n{points} points and {twice} second crashes (seed {SEED}): {failed} failures.\n"
        f"After {left} of them builds and tests had left something, and a sweep removed it.\n"
        f"{time.monotonic() - began:.0f} s, {_cpu():.0f} s of CPU."
    )
    return 1 if failed or not points else 0


def _row(row: Row, machines: Sequence[Machine], pause: timedelta, *, each: bool) -> list[Verdict]:
    before = _cpu()
    verdicts = crash_everywhere(row, machines, pause=pause, twice=TWICE, each=each)
    points, twice, failed, left = _counts(verdicts)
    again = f"{pause.total_seconds() / 3600:.0f} h on" if pause else "at once"
    counts = f"{points:7} {twice:6} {failed:7} {left:6} {_cpu() - before:5.0f} s"
    print(f"{row.name:45} {again:>8} {counts}", flush=True)
    _explain(verdicts)
    return verdicts


def _counts(verdicts: Sequence[Verdict]) -> tuple[int, int, int, int]:
    """Count first crashes, second ones, failures, and crashes that left something behind."""
    points = sum(len(one.points) == 1 for one in verdicts)
    faulty, left = sum(bool(one.faults) for one in verdicts), sum(bool(one.left) for one in verdicts)
    return points, len(verdicts) - points, faulty, left


def _explain(verdicts: Sequence[Verdict]) -> None:
    """Show what was wrong, once for all points at which it was the same."""
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.faults:
            alike[verdict.faults].append(", then ".join(map(str, verdict.points)))
    for faults, where in alike.items():
        more = f"; and {len(where) - _SHOWN} more" if where[_SHOWN:] else ""
        print(f"    killed {'; '.join(where[:_SHOWN])}{more}")
        for fault in faults:
            print(f"        {fault}")


def _cpu() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only rows whose names have these words, as in: rollback refresh")
    parser.add_argument("--each", action="store_true", help="try each point, also where AWS is as at the one before")
    options = parser.parse_args()
    sys.exit(main(options.words, each=options.each))
