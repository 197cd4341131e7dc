"""The compliance of 5,000 instances in 500 fleets, measured: calls, memory, and how fast its page loads in a browser.

The command is the one that a user types, in a process of its own, on a sandbox of tier A in this one. Exit 1 where a
figure is missed, or where there is no browser to load the page with.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench_figures import Figure, show
from browser import browser, look
from world import World

from pipeline.sandbox.clock import ManualClock
from pipeline.sandbox.cloud import Cloud

_FAMILIES, _CVES = 5, 3
_HEAD = "version: 1\ndefaults: {region: us-east-1}\nfamilies:\n"
_FAMILY = """  FAMILY:
    template: debian-12
    source: {owner: "136693071363", name: "debian-12-amd64-*"}
    build: {instance_types: [t3.small], connect: private-ip, source_cidr: 127.0.0.0/8}
"""
_FLEET = "  {name}: {{family: {family}, group: {name}, strategy: {{instance_refresh: {{}}}}}}\n"
_CALLS, _MEGABYTES, _SECONDS = 1.2, 300.0, 2.0
_WIDTHS = (1280, 390)
# What wait4 tells of a child's memory begins with that of its parent, who has the sandbox: it must tell itself.
_LAUNCH = """import pathlib, sys, time
from pipeline.cli.main import run
code = run(sys.argv[1:])
used = f"CPU: {time.process_time()}\\n"
pathlib.Path("status").write_text(used + pathlib.Path("/proc/self/status").read_text())
sys.exit(code)"""


def build(world: World, fleets: int, size: int) -> str:
    """Make the fleets, half of which follow their template's newest version; answer the configuration.

    The images of one family have vulnerabilities with a fix, and a missing patch.
    """
    world.client("inspector2").enable(resourceTypes=["EC2"])
    lines, images = [_HEAD], {}
    for number in range(_FAMILIES):
        name = f"app-{number}"
        bad = {f"sandbox:cve:CVE-2026-{one}": "high yes" for one in range(_CVES)} if number == 0 else {}
        images[name] = world.image(name, tags={"sandbox:patches": "missing=1" if bad else "hours=1", **bad})
        channel: Any = {"Name": f"/rebake/{name}/stable", "Value": images[name], "DataType": "aws:ec2:image"}
        world.ssm.put_parameter(Type="String", **channel)
        lines.append(_FAMILY.replace("FAMILY", name))
    lines.append("fleets:\n")
    for number in range(fleets):
        name, family = f"fleet-{number:03d}", f"app-{number % _FAMILIES}"
        made = world.fleet(name, images[family], size=size, settle=0)
        if number % 2:
            template: Any = {"LaunchTemplateId": made.template, "Version": "$Latest"}
            world.autoscaling.update_auto_scaling_group(AutoScalingGroupName=name, LaunchTemplate=template)
        lines.append(_FLEET.format(name=name, family=family))
    world.wait(300)
    return "".join(lines)


def fewest(fleets: int, instances: int) -> dict[str, int]:
    """Count the calls that AWS's page sizes make necessary, by action; a channel is a parameter of its own."""
    pages = {
        "autoscaling:DescribeAutoScalingGroups": (fleets, 100),
        "ec2:DescribeInstances": (instances, 1000),
        "ec2:DescribeImages": (_FAMILIES, 200),
        "ec2:DescribeLaunchTemplates": (fleets, 200),
        "inspector2:ListCoverage": (instances, 200),
        "inspector2:ListFindings": (instances // _FAMILIES * _CVES, 100),
        "ssm:DescribeInstanceInformation": (instances, 50),
        "ssm:DescribeInstancePatchStates": (instances, 50),
        "ssm:GetParameter": (_FAMILIES, 1),
    }
    once = {"inspector2:BatchGetAccountStatus": 1, "sts:GetCallerIdentity": 1}
    return once | {action: math.ceil(number / size) for action, (number, size) in pages.items()}


def report(folder: Path, endpoint: str) -> tuple[float, float]:
    """Run the command; answer its largest memory in megabytes, and the seconds of a processor that it used."""
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "XDG_STATE_HOME": str(folder / "state"),
    }
    with (folder / "compliance.json").open("wb") as out:
        command = [sys.executable, "-c", _LAUNCH, "report", "--html", "compliance.html", "--json"]
        subprocess.run(command, cwd=folder, env=environment, stdout=out, check=True)
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024, float(status["CPU"])


def measure(fleets: int, size: int) -> list[Figure]:
    """Build, report, load the page."""
    cloud = Cloud(clock=ManualClock(datetime.now(UTC) - timedelta(minutes=30)))
    with tempfile.TemporaryDirectory() as name, cloud.serve() as endpoint:
        folder, world = Path(name), World(cloud, endpoint=endpoint)
        (folder / "rebake.yaml").write_text(build(world, fleets, size))
        cloud.calls.clear()
        megabytes, seconds = report(folder, endpoint)
        made, needed = Counter(call.action for call in cloud.calls), fewest(fleets, fleets * size)
        rows = len(json.loads((folder / "compliance.json").read_text())["instances"])
        ratio = sum(made.values()) / sum(needed.values())
        detail = f"made: {dict(made)}\nneeded: {needed}"
        figures = [
            Figure("report", "instances", rows, fleets * size, rows == fleets * size),
            Figure("report", "calls / fewest", f"{ratio:.2f} ({sum(made.values())})", _CALLS, ratio <= _CALLS, detail),
            Figure("report", "memory, MB", f"{megabytes:.0f}", f"< {_MEGABYTES:.0f}", megabytes < _MEGABYTES),
            Figure("report", "seconds of its own", f"{seconds:.1f}", "-", reached=True),
        ]
        megabytes = (folder / "compliance.html").stat().st_size / 1e6
        figures.append(Figure("page", "size, MB", f"{megabytes:.1f}", "-", reached=True))
        return [*figures, *(page(folder / "compliance.html", width) for width in _WIDTHS)]


def page(path: Path, width: int) -> Figure:
    """Load the page at a width; without a browser the figure is missed, for it is not known."""
    wanted, words = f"< {_SECONDS:g}", f"seconds until its layout, {width} px"
    if browser() is None:
        return Figure("page", words, "no browser", wanted, reached=False)
    took = look(path, width=width).milliseconds / 1000
    return Figure("page", words, f"{took:.2f}", wanted, took < _SECONDS)


def main() -> int:
    """Measure, show, and say by the exit code whether all figures were reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fleets", type=int, default=500)
    parser.add_argument("--size", type=int, default=10)
    options = parser.parse_args()
    figures = measure(options.fleets, options.size)
    show(figures)
    for figure in figures:
        if not figure.reached:
            print(figure.line())
    return 0 if all(figure.reached for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
