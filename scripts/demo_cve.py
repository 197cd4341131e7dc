"""From a published fix to a proven fleet, told as it happens: what is due, what is installed, what a gate says of it.

Packages, their advisories and CVE ids are real, and so are the bake, the tests and the roll. Amazon Inspector and Patch
Manager are not: they are told what apt says.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from demo import PROJECT, Demo, baked, console, while_both_served
from demo_world import Sandbox, World

from pipeline.errors import ExitCode
from pipeline.sandbox.machines import Tier

FILE = "cve.yaml"


class Story(Demo):
    """The scene of the first demo, and what is checked on the way."""

    def require(self, what: str, *, holds: bool) -> None:
        """Say that something holds, or end."""
        console.print(f"  [{'green' if holds else 'red'}]{'ok  ' if holds else 'NOT '} {what}[/]", highlight=False)
        if not holds:
            raise SystemExit(f"demo: not so: {what}")

    def ask(self, *words: str, allow: tuple[int, ...] = (0,), first: tuple[str, ...] = ()) -> Any:
        """Run a command as a user would, show its text, and answer its JSON; the first time with some words more."""
        print(self.rebake(*words, *first, allow=allow))
        return json.loads(self.rebake(*words, "--json", allow=allow))


def main() -> int:
    """Tell the story; 0 if everything came as it says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", type=Path, default=Path("compliance.html"), help="where the compliance page goes")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ExitCode.INTERRUPTED))
    with tempfile.TemporaryDirectory(prefix="rebake-demo-") as name:
        folder = Path(name) / "project"
        shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("__pycache__"))
        story = Story(folder, tier=None)
        story.tell("The sandbox comes up")
        with story.sandbox() as status:
            console.print(f"tier {status.tier}: {status.reason}", highlight=False)
            if status.tier is not Tier.USERLAND:
                console.print(
                    "  this demo installs real packages, for which instances need userlands: see docs/sandbox.md"
                )
                return ExitCode.UNAVAILABLE
            return play(story, Sandbox(status.endpoint, "us-east-1"), options.report.resolve())


def play(story: Story, aws: Sandbox, page: Path) -> int:
    """Play the chapters in their order."""
    story.tell("An image without its security updates, tested and promoted, and a fleet of four on it")
    story.configure(patched=False, file=FILE)
    first = baked(story.rebake("release", "web", "--yes", "--json", allow=(0, ExitCode.PARTIAL, ExitCode.FAILED)))
    world = aws.build_world(first, group="web-prod")
    story.configure(patched=True, file=FILE)

    story.tell("What is pending, and what the baseline makes of it")
    patches = story.ask("patches", "web", first=("--survey",))["patches"]["decisions"]
    approved, held, rejected = (named(patches, verdict) for verdict in ("approved", "held back", "rejected"))
    story.require(f"{len(approved)} approved, {len(held)} held back, {len(rejected)} rejected", holds=bool(approved))
    story.require("nginx waits for its delay, tzdata is rejected", holds="nginx" in held and "tzdata" in rejected)

    story.tell("Amazon Inspector and Patch Manager, told what apt says")
    openssl = next(one["patch"] for one in patches if one["patch"]["name"] == "openssl")
    cves = sorted(openssl["cves"])[:2]
    for cve in cves:
        story.rebake("sandbox", "cve", cve, "--image", first, "--package", "openssl")
    story.rebake("sandbox", "node", first, "--missing", str(len(approved)))
    before(story, cves, approved)

    story.tell("The release of what is due, while requests go on")
    with story.load(world) as figures:
        print(story.rebake("release", "--if-due", "--yes", allow=(0, ExitCode.PARTIAL)))
    second = json.loads(story.rebake("status", "--json"))["families"][0]["channel"]
    story.require("the channel points to another image", holds=second != first)
    after(story, aws, world, second, {"approved": approved, "held": held, "rejected": rejected}, page)

    traffic = json.loads(figures.read_text())
    seconds, during = while_both_served(traffic)
    story.tell(
        f"{traffic['requests']:,} requests, {traffic['failed']:,} failed; {during:,} in the {seconds} s of the roll"
    )
    story.require("no request was lost", holds=during > 0 and not traffic["failed"])
    print(story.rebake("sla", allow=(0, ExitCode.CHANGES, ExitCode.PARTIAL)))
    print(f"Compliance page: {page}")
    return ExitCode.DONE


def before(story: Story, cves: list[str], approved: set[str]) -> None:
    """Show the fleet before: due, not compliant, refused."""
    story.tell("What is due")
    (web,) = story.ask("due", allow=(ExitCode.CHANGES,))["families"]
    told = " ".join(reason["text"] for reason in web["reasons"] if reason["trigger"] == "patches")
    pending = {word.partition("=")[0] for word in told.split() if "=" in word}
    story.require("web is due for each of its approved patches", holds=bool(approved) and approved <= pending)

    story.tell("Is every instance compliant?")
    states = story.ask("report")["states"]
    story.require("no instance is", holds=not states.get("compliant") and bool(states.get("non_compliant")))

    story.tell("May what the fleet runs be released?")
    verdicts = story.ask("gate", "--fleet", "web-prod", allow=(ExitCode.REFUSED,))["judged"][0]["verdicts"]
    refusal = next((one["reason"] for one in verdicts if one["answer"] == "refuse"), "")
    story.require(f"no: it has {cves[0]}", holds=cves[0] in refusal)


def after(story: Story, aws: Sandbox, world: World, image: str, patches: Mapping[str, set[str]], page: Path) -> None:
    """Show the fleet after: exactly the approved patches, listed by diff and SBOM; nothing due, compliant, passed."""
    story.tell("What the bake installed")
    source = next(
        tag["Value"]
        for tag in aws.ec2.describe_images(ImageIds=[image])["Images"][0]["Tags"]
        if tag["Key"] == "rebake:source-image"
    )
    changes = {one["name"]: one for one in story.ask("diff", source, image)["changes"]}
    story.require("exactly what is approved", holds=changes.keys() == patches["approved"])
    story.require("openssl's change names what it mends", holds=bool(changes["openssl"]["cves"]))
    (sbom,) = story.folder.glob(f"state/**/{image}/sbom.cdx.json")
    listed = {part["name"]: part["version"] for part in json.loads(sbom.read_text())["components"]}
    story.require(
        f"the SBOM lists them among {len(listed)} packages",
        holds=all(listed.get(name) == change["after"] for name, change in changes.items()),
    )
    pending = {line.split()[0] for line in aws.pending_updates(world.group)}
    story.require(
        f"apt on an instance has {len(pending)} pending, all of them held back or rejected",
        holds=pending == patches["held"] | patches["rejected"],
    )
    story.rebake("sandbox", "node", image, "--missing", "0")

    story.tell("And now?")
    story.require("nothing is due", holds=story.ask("due", allow=(0,)) is not None)
    states = story.ask("report", first=("--sla", "--html", str(page)))["states"]
    story.require("every instance is compliant", holds={key for key, count in states.items() if count} == {"compliant"})
    story.require("the gate passes", holds=story.ask("gate", "--fleet", "web-prod")["passes"])


def named(decisions: list[dict[str, Any]], verdict: str) -> set[str]:
    """Name the packages of a verdict."""
    return {one["patch"]["name"] for one in decisions if one["verdict"] == verdict}


if __name__ == "__main__":
    sys.exit(main())
