"""The main job, told as it happens: bake, smoke test, promote, roll, under load, on the sandbox.

Everything is done by the commands that a user types; this script only sets the scene, counts requests and tells.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demo_world import SIZE, Sandbox, World
from rich.console import Console
from rich.table import Table

from pipeline.cli.report import page
from pipeline.errors import ExitCode
from pipeline.sandbox import control
from pipeline.sandbox.machines import Tier
from pipeline.sandbox.real import discard, open_port

PROJECT = Path(__file__).with_name("demo_project")
SPEED = 20.0
_LOAD_SECONDS = 900
_LOAD_REQUESTS = 5_000_000

console = Console(stderr=True)


class Demo:
    """The scene: a project folder of its own, a sandbox, and the commands run there."""

    def __init__(self, folder: Path, *, tier: Tier | None) -> None:
        self.folder = folder
        self.tier = tier
        self.began = time.monotonic()
        self.environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}

    def tell(self, text: str) -> None:
        """Begin a chapter."""
        console.print(f"\n[bold]{time.monotonic() - self.began:6.1f} s  {text}[/]", highlight=False)

    def rebake(self, *words: str, allow: tuple[int, ...] = (0,)) -> str:
        """Run a command as a user would; its progress is shown as it comes, its result is answered."""
        console.print(f"[dim]$ rebake {' '.join(words)}[/]", highlight=False)
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.cli", *words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode not in allow:
            console.print(done.stdout, highlight=False, markup=False)
            raise SystemExit(f"demo: rebake {words[0]} ended with {done.returncode}")
        return done.stdout

    def configure(self, *, patched: bool, file: str = "rebake.yaml") -> None:
        """Write the project's configuration; unpatched, it bakes without updates and does not ask for them either."""
        text = (PROJECT / file).read_text(encoding="utf-8")
        if not patched:
            text = re.sub("baseline: .*", "baseline: none", text, count=1)
            text = text.replace("services: [nginx]", "hygiene: false")
        # Ordinary users may not bind port 80; the sandbox's instances then serve at 8080.
        text = text.replace("port: 80,", f"port: {open_port(80)},")
        (self.folder / "rebake.yaml").write_text(text, encoding="utf-8")

    @contextmanager
    def sandbox(self) -> Iterator[control.SandboxStatus]:
        """Bring a sandbox up that dies with this process, and down again whatever happens."""
        os.environ["XDG_STATE_HOME"] = self.environment["XDG_STATE_HOME"]
        with console.status("the first time, a Debian root file system is made for it (half a minute) and kept"):
            status = control.up(self.tier, speed=SPEED, die_with_parent=True)
        self.environment |= status.environment
        try:
            yield status
        finally:
            control.down()
            discard(control.folder())

    @contextmanager
    def load(self, world: World) -> Iterator[Path]:
        """Send requests without a pause while the block runs; the figures are in the file afterwards."""
        figures = self.folder / "traffic.json"
        bounds = ["--seconds", str(_LOAD_SECONDS), "--max-requests", str(_LOAD_REQUESTS), "--concurrency", "4"]
        command = [sys.executable, "-m", "pipeline.sandbox.load", world.url, *bounds, "--json", str(figures)]
        process = subprocess.Popen(command, env=self.environment)
        try:
            yield figures
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def main() -> int:
    """Tell the story; 0 if every request was answered and the fleet is on the new image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", type=Path, default=Path("demo-report.html"), help="where the HTML report goes")
    parser.add_argument(
        "--tier", choices=list(Tier), help="how real the sandbox is; default: as real as it can be here"
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ExitCode.INTERRUPTED))
    with tempfile.TemporaryDirectory(prefix="rebake-demo-") as name:
        folder = Path(name) / "project"
        shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("__pycache__"))
        return play(Demo(folder, tier=options.tier), options.report.resolve())


def play(demo: Demo, report: Path) -> int:
    """Play the chapters in their order."""
    demo.tell("The sandbox comes up")
    with demo.sandbox() as status:
        console.print(f"tier {status.tier}: {status.reason}", highlight=False)
        aws = Sandbox(status.endpoint, "us-east-1")
        if status.tier is not Tier.USERLAND:
            return play_small(demo, aws, report)

        demo.tell("A first image, without its security updates, and a fleet of four on it")
        demo.configure(patched=False)
        first = baked(demo.rebake("bake", "web", "--yes", "--json"))
        world = aws.build_world(first, group="web-prod")
        console.print(f"{SIZE} instances on {first} are healthy behind {world.url}", highlight=False)

        with demo.load(world) as figures:
            demo.tell("What the source image lacks")
            pending(aws.pending_updates(world.group))

            demo.tell("The plan")
            demo.configure(patched=True)
            print(demo.rebake("plan", allow=(ExitCode.CHANGES,)))

            demo.tell("The release: bake, smoke test, promote, roll, while requests go on")
            print(demo.rebake("release", "web", "--yes", "--report", "run.html"))
            second = json.loads(demo.rebake("status", "--json"))["families"][0]["channel"]

        demo.tell("What the two images differ in")
        print(demo.rebake("diff", first, second))
        print(demo.rebake("status"))
        return conclude(demo, report, traffic=json.loads(figures.read_text()))


def play_small(demo: Demo, aws: Sandbox, report: Path) -> int:
    """Roll only: where instances are not userlands there is nothing that Packer could log in to."""
    demo.tell("This machine gives instances no userland of their own, so this is what is NOT real here:")
    console.print("  no Packer build, no apt, no smoke test: two images are made of a process and marked as tested")
    demo.configure(patched=False)
    first, second = (aws.make_image(f"web-{number}", family="web") for number in (1, 2))
    world = aws.build_world(first, group="web-prod")
    with demo.load(world) as figures:
        demo.tell("Promote and roll, while requests go on: this is real")
        print(demo.rebake("promote", "web", "--image", second, "--yes"))
        print(demo.rebake("roll", "web-prod", "--yes", "--report", "run.html"))
    return conclude(demo, report, traffic=json.loads(figures.read_text()))


def baked(output: str) -> str:
    """Find the image that `rebake bake --json` made."""
    return next(str(r["outcome"]["facts"]["image"]) for r in json.loads(output)["results"])


def pending(lines: list[str]) -> None:
    """Show the pending security updates."""
    table = Table("package", "installed", "update", title=f"{len(lines)} pending security updates")
    for line in lines:
        name, installed, update = [*line.split(), "", ""][:3]
        table.add_row(name, installed.strip("[]"), update.strip("("))
    console.print(table)


def conclude(demo: Demo, report: Path, *, traffic: Mapping[str, Any]) -> int:
    """Count the requests, write the report, and say whether the promise was kept."""
    content = json.loads((demo.folder / "run.json").read_text(encoding="utf-8"))
    content["traffic"] = traffic
    report.write_text(page(content), encoding="utf-8")
    seconds, during = while_both_served(traffic)
    demo.tell(f"{traffic['requests']:,} requests, {traffic['failed']:,} failed")
    print(f"  {during:>9,} of them in the {seconds} seconds in which both images served")
    for image, count in traffic["images"].items():
        print(f"  {count:>9,} answered by {image}")
    print(f"  latency p50 {traffic['latency_ms']['p50']} ms, p99 {traffic['latency_ms']['p99']} ms")
    print(f"\n{time.monotonic() - demo.began:.0f} s in all. Report: {report}")
    kept = during > 0 and not traffic["failed"]
    return ExitCode.DONE if kept else ExitCode.FAILED


def while_both_served(traffic: Mapping[str, Any]) -> tuple[int, int]:
    """Answer seconds and requests from the new image's first answer to the old one's last."""
    rows = [row for row in traffic["timeline"] if row["images"]]
    mixed = [row["second"] for row in rows if len(row["images"].keys() - {"!"}) > 1]
    if not mixed:
        return 0, 0
    window = [row for row in rows if mixed[0] <= row["second"] <= mixed[-1]]
    return mixed[-1] - mixed[0] + 1, sum(sum(row["images"].values()) for row in window)


if __name__ == "__main__":
    sys.exit(main())
