"""What would fail, told before anything is built."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from pipeline.errors import CredentialsError, HeldError, RebakeError
from pipeline.model import names
from pipeline.model.baselines import SsmBaseline
from pipeline.model.images import Image
from pipeline.model.names import PATCH_GROUP_TAGS
from pipeline.model.packages import OperatingSystem
from pipeline.model.refs import Baked
from pipeline.model.settings import Family
from pipeline.model.views import FleetView
from pipeline.planning.bake_key import family_key
from pipeline.planning.patch_groups import astray, untagged
from pipeline.planning.patching import system_of
from pipeline.planning.roll import plan_roll
from pipeline.ports.builder import BuildRequest
from pipeline.ports.preflight import Finding
from pipeline.runs.room import Room


def recipes(room: Room) -> tuple[Finding, ...]:
    """Check, without any call to AWS, that Packer is there and that every recipe renders."""
    findings = [
        Finding(
            check="tool", ok=not tool.fault, text=f"{tool.name} {tool.version} {tool.fault}".strip(), hint=tool.hint
        )
        for tool in room.tools.builder.tools()
    ]
    for name in sorted(room.settings.families):
        findings.extend(_guarded(f"family {name}", partial(_renders, room, name)))
    return tuple(findings)


def live(room: Room, actions: Sequence[str]) -> tuple[Finding, ...]:
    """Check credentials, IAM actions, quotas, keys, source images, templates and groups, changing nothing.

    Without credentials nothing else can be known, so that is then the only finding.
    """
    try:
        caller = room.preflight.caller()
    except CredentialsError as error:
        return (Finding(check="credentials", ok=False, text=error.message, hint=error.hint),)
    findings = [Finding(check="credentials", ok=True, text=f"{caller.arn} in account {caller.account}")]
    findings += _guarded("permissions", partial(room.preflight.permissions, actions))
    for name, family in sorted(room.settings.families.items()):
        findings += _buildable(room, name)
        findings += _guarded(f"family {name}", partial(room.preflight.family, family))
    for name, fleet in sorted(room.settings.fleets.items()):
        findings += _guarded(f"fleet {name}", partial(_rollable, room, name))
        findings += _guarded(f"fleet {name}", partial(room.preflight.fleet, fleet))
    findings += _baselines(room)
    findings += _guarded("evidence", partial(room.preflight.evidence, room.settings.evidence))
    return tuple(findings)


def _renders(room: Room, name: str) -> Iterable[Finding]:
    family = room.settings.families[name]
    rendered = room.tools.builder.render(family, None if family.ruled is None else ())
    return (Finding(check=f"family {name}", ok=True, text=f"{rendered.recipe}, {len(rendered.files)} files"),)


def _buildable(room: Room, name: str) -> list[Finding]:
    """Find the source image and let Packer check the template against it, as a build of this moment would."""
    check = f"family {name}"
    try:
        source = room.source(name)
    except RebakeError as error:
        return [_fault(check, error)]
    found = Finding(check=check, ok=True, text=f"source image {source.id} ({source.name})")
    return [found, *_guarded(check, partial(_valid, room, room.settings.families[name], source))]


def _valid(room: Room, family: Family, source: Image) -> Iterable[Finding]:
    tools = room.tools
    rendered = tools.builder.render(family, None if family.ruled is None else ())
    key = family_key(family, rendered.files, source.id)
    tools.builder.validate(
        BuildRequest(
            family=family,
            rendered=rendered,
            source=source,
            key=key,
            run=room.run,
            image_name=names.image_name(family.name, tools.clock.now(), key),
            tags=room.settings.tags,
            secrets=tools.reveal(family),
        )
    )
    return (Finding(check=f"family {family.name}", ok=True, text="Packer accepts the template"),)


def _rollable(room: Room, name: str) -> Iterable[Finding]:
    """Plan a roll to an image that is yet to be baked: whatever would refuse that refuses here."""
    view, check = room.fleet(name), f"fleet {name}"
    try:
        plan_roll(view, Baked(family=view.settings.family))
    except HeldError as error:  # somebody rolls it now: that says nothing of whether it can be rolled
        return (Finding(check=check, ok=None, text=error.message, hint=error.hint),)
    version = f", version {view.version.number} ({view.version.image})" if view.version else ""
    text = f"group {view.group.name}, {view.group.desired} instances{version}"
    return (Finding(check=check, ok=True, text=text), *_patch_group(room, view))


def _patch_group(room: Room, view: FleetView) -> Iterable[Finding]:
    """Tell of instances that are in no patch group, in another than their fleet, or that SSM could not tell."""
    check, own = f"fleet {view.name}", view.settings.patch_group
    tag = f"let its group tag them at launch: {PATCH_GROUP_TAGS[0]}={own or '…'}"
    for what, count in astray(view).items():
        yield Finding(check=check, ok=None if own is None else False, text=f"{count} instances are {what}", hint=tag)
    group = room.settings.patch_groups.get(own or "")
    if group is not None and group.baseline is not None and (count := untagged(view)):
        text = f"{count} instances lack the tag by which SSM knows patch group {own} and its baseline {group.baseline}"
        yield Finding(check=check, ok=False, text=text, hint=tag)


def _baselines(room: Room) -> list[Finding]:
    """Read the baselines that stand in SSM, where the image's operating system is known without a survey."""
    findings = []
    for name, family in sorted(room.settings.families.items()):
        system = system_of(family.template)
        if system is not None and isinstance(family.baseline, SsmBaseline):
            findings += _guarded(f"family {name}", partial(_readable, room, name, family.baseline, system))
    return findings


def _readable(room: Room, name: str, baseline: SsmBaseline, system: OperatingSystem) -> Iterable[Finding]:
    found = room.patches().baseline(baseline, system)
    text = f"baseline {found.name}: {len(found.rules)} rules, {len(found.rejected)} rejected"
    return (Finding(check=f"family {name}", ok=True, text=text),)


def _guarded(check: str, findings: Callable[[], Iterable[Finding]]) -> list[Finding]:
    try:
        return list(findings())
    except RebakeError as error:
        return [_fault(check, error)]


def _fault(check: str, error: RebakeError) -> Finding:
    return Finding(check=check, ok=False, text=error.message, hint=error.hint)
