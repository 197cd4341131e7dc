"""Run whole releases, and ways back, in a hostile cloud: each weather with each command. Exit 1 where one did harm.

In this process, on tier A and the manual clock; what is hit depends on the seed alone. See docs/crash-safety.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from crash.hostile import WEATHERS, Ending, through
from crash.killing import Machine
from crash.rows import ROWS
from quick import quick_boto

COMMANDS = ("release by refresh", "release by blue-green", "rollback after a refresh", "rollback during blue-green")


def main(words: Sequence[str]) -> int:
    """Go through the weathers whose names have all of the words."""
    os.environ.update(AWS_ACCESS_KEY_ID="sandbox", AWS_SECRET_ACCESS_KEY="sandbox")  # noqa: S106 - the sandbox's
    began, endings = time.monotonic(), list[Ending]()
    with quick_boto():
        machine = Machine(attempts=8)
        print(f"{'weather':24} {'command':28} ended in")
        for weather in WEATHERS:
            for row in (row for row in ROWS if row.name in COMMANDS):
                if all(word in f"{weather.name} {row.name}" for word in words):
                    ending = through(row, weather, machine)
                    endings.append(ending)
                    print(f"{weather.name:24} {row.name:28} {_codes(ending)}", flush=True)
                    for fault in (*ending.faults, *(f"left: {it}" for it in ending.left)):
                        print(f"    {fault}")
    harmed = sum(not ending.well for ending in endings)
    leaked = sum(len(ending.left) for ending in endings)
    print(
        f"\n{len(endings)} scenarios, {harmed} that ended otherwise than undisturbed; {leaked} resources leaked; "
        f"{time.monotonic() - began:.0f} s"
    )
    return 1 if harmed or not endings else 0


def _codes(ending: Ending) -> str:
    return ", again: ".join(code.name for code in ending.codes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only scenarios that have these words, as in: lost refresh")
    sys.exit(main(parser.parse_args().words))
