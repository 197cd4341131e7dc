"""The room of its own: rebake sandbox up, down, status, cve, node, logs."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.door import room
from pipeline.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from types import ModuleType

    from pipeline.sandbox.control import SandboxStatus

app = typer.Typer(
    help="A cloud on this machine, to try everything on.",
    rich_markup_mode=None,
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


@app.command()
def up(
    tier: Annotated[
        str | None, typer.Option("--tier", help="A (API), B (processes), C (userland); default: probe.")
    ] = None,
    speed: Annotated[
        float, typer.Option("--speed", help="How many seconds pass in the sandbox in one of ours.")
    ] = 20.0,
    port: Annotated[int, typer.Option("--port", help="The port on loopback; 0: any free one.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Start the sandbox in the background and print what to export."""
    if tier is not None and tier.upper() not in {"A", "B", "C"}:
        raise UsageError(f"There is no tier {tier}.", hint="choose A, B or C, or leave it to the probe")
    _show(_control().up(tier=tier.upper() if tier else None, speed=speed, port=port), as_json=as_json)


@app.command()
def down() -> None:
    """Stop the sandbox and everything in it."""
    stopped = _control().down()
    print("The sandbox is down." if stopped else "No sandbox was up.")


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Show whether a sandbox is up, and what to export; exit 1: none is."""
    found = _control().status()
    if found is None:
        print(json.dumps({"up": False}) if as_json else "No sandbox is up. Start one with: rebake sandbox up")
        raise typer.Exit(ExitCode.FAILED)
    _show(found, as_json=as_json)


@app.command()
def cve(
    vulnerability: Annotated[str, typer.Argument(help="Its id, such as CVE-2026-1234.")],
    image: Annotated[str, typer.Option("--image", help="The image (ami-…) that has it, and its instances with it.")],
    severity: Annotated[
        str, typer.Option("--severity", help="critical, high, medium, low, informational.")
    ] = "critical",
    fix: Annotated[str, typer.Option("--fix", help="Whether a fix is published: yes, no, partial.")] = "yes",
    package: Annotated[str, typer.Option("--package", help="The affected package.")] = "openssl",
) -> None:
    """Let Amazon Inspector, which is enabled by this, find a vulnerability on an image."""
    _control().find(image, vulnerability, f"{severity} {fix} {package}")
    print(f"{vulnerability} is found on {image} from now on.")


@app.command()
def node(
    resource: Annotated[str, typer.Argument(help="The instance (i-…), or an image (ami-…) for its instances.")],
    missing: Annotated[int, typer.Option("--missing", min=0, help="Patches that it lacks.")] = 0,
    failed: Annotated[int, typer.Option("--failed", min=0, help="Patches whose installation failed.")] = 0,
    hours: Annotated[int, typer.Option("--hours", min=0, help="How long ago it was scanned.")] = 0,
    agent: Annotated[str, typer.Option("--agent", help="Online, ConnectionLost, Inactive, absent.")] = "Online",
) -> None:
    """Say what Systems Manager knows of an instance. Without this, nobody has scanned it for patches."""
    patches = f"missing={missing} failed={failed} hours={hours}"
    _control().tag(resource, {"sandbox:patches": patches, "sandbox:agent": agent})
    print(f"Systems Manager knows of {resource}: {patches}, its agent is {agent}.")


@app.command()
def logs() -> None:
    """Print the sandbox's log."""
    print(_control().logs(), end="")


def _control() -> ModuleType:
    try:
        return room("pipeline.sandbox.control")
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith(("moto", "werkzeug")):
            raise
        raise UsageError(
            "The sandbox is not installed.", hint="install it with: pip install 'rebake[sandbox]'"
        ) from error


def _show(found: SandboxStatus, *, as_json: bool) -> None:
    if as_json:
        body = {
            "up": True,
            "endpoint": found.endpoint,
            "tier": str(found.tier),
            "speed": found.speed,
            "pid": found.pid,
            "environment": dict(found.environment),
        }
        print(json.dumps(body, indent=2))
        return
    print(f"# tier {found.tier}, {found.speed:g} times as fast as real time, process {found.pid}")
    for key, value in sorted(found.environment.items()):
        print(f"export {key}={shlex.quote(value)}")
