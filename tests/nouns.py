"""Nouns with ordinary values, to be varied by keyword."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from typing import Any

from pipeline.model.compliance import InstanceCompliance, Reason, State
from pipeline.model.fleets import ChannelEntry, Group, Member, Refresh, RefreshStatus, TemplateRef, TemplateVersion
from pipeline.model.ids import (
    BakeKey,
    GroupName,
    ImageId,
    InstanceId,
    RefreshId,
    RunId,
    TargetGroupArn,
    TemplateId,
)
from pipeline.model.images import Architecture, Image, Stage
from pipeline.model.names import (
    TAG_BAKE_KEY,
    TAG_FAMILY,
    TAG_ORIGIN,
    TAG_ROLE,
    TAG_SOURCE_IMAGE,
    TAG_STAGE,
    Role,
    template_description,
)
from pipeline.model.settings import Baseline, BuildSettings, Connect, Family, FleetSettings, GroupByName, Settings
from pipeline.model.sources import SourceOwned
from pipeline.model.strategies import BlueGreen, RefreshStrategy
from pipeline.model.traffic import Route
from pipeline.model.views import FamilyView, FleetView, Side, TrafficView

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
KEY = BakeKey("4f2a91" + "0" * 58)
TEMPLATE = TemplateId("lt-0web")
SOURCE = ImageId("ami-0source")
OLD = ImageId("ami-0old")
NEW = ImageId("ami-0new")


def image(
    id_: str = NEW,
    *,
    stage: Stage | None = Stage.TESTED,
    key: str | None = KEY,
    family: str | None = "web",
    **changes: Any,
) -> Image:
    """Make an image of ours; without family and stage, somebody else's."""
    tags: dict[str, str] = {TAG_SOURCE_IMAGE: SOURCE}
    tags |= {TAG_FAMILY: family} if family else {}
    tags |= {TAG_STAGE: stage.value} if stage else {}
    tags |= {TAG_BAKE_KEY: key} if key else {}
    values: dict[str, Any] = {
        "name": f"web-{id_}",
        "owner": "123456789012",
        "architecture": "x86_64",
        "state": "available",
        "created": NOW - timedelta(days=1),
        "tags": tags,
    }
    return Image(id=ImageId(id_), **values | changes)


def family(**changes: Any) -> Family:
    """Make an image family named web."""
    values: dict[str, Any] = {
        "name": "web",
        "template": "debian-12",
        "architecture": Architecture.X86_64,
        "source": SourceOwned(owner="136693071363", name="debian-12-amd64-*"),
        "baseline": Baseline.SECURITY,
        "build": BuildSettings(
            instance_types=("t3.small", "t3a.small"), connect=Connect.SESSION_MANAGER, timeout=timedelta(minutes=45)
        ),
    }
    return Family(**values | changes)


def family_view(*baked: Image, channel: str | None = None, earlier: tuple[str, ...] = (), **changes: Any) -> FamilyView:
    """Make an observed family with these images, newest first; ``earlier`` is what its channel pointed to before."""
    pointed = (*([channel] if channel else []), *earlier)
    values: dict[str, Any] = {
        "family": family(),
        "recipe": "template debian-12",
        "source": image(SOURCE, stage=None, key=None, family=None, name="debian-12-amd64-20261120"),
        "key": KEY,
        "baked": baked,
        "parameter": "/rebake/web/stable",
        "history": tuple(
            ChannelEntry(version=len(pointed) - index, image=ImageId(to), at=NOW) for index, to in enumerate(pointed)
        ),
    }
    return FamilyView(**values | changes)


def fleet(name: str = "web-prod", **strategy: Any) -> FleetSettings:
    """Make a configured fleet; keywords go into its strategy."""
    return FleetSettings(
        name=name, family="web", group=GroupByName(name=GroupName(name)), strategy=RefreshStrategy(**strategy)
    )


REFRESH = RefreshStrategy()
"""The strategy of a fleet that says nothing of it."""


def version(number: int = 1, of: str = OLD, *, source: int | None = None) -> TemplateVersion:
    """Make a launch template version; with ``source``, one that was made here."""
    description = "" if source is None else template_description("web", ImageId(of), RunId("run"), source)
    return TemplateVersion(id=TEMPLATE, number=number, image=of, description=description)


def members(*images: str) -> tuple[Member, ...]:
    """Make healthy members, one on each image."""
    return tuple(
        Member(id=InstanceId(f"i-{index}"), lifecycle="InService", healthy=True, image=ImageId(name))
        for index, name in enumerate(images)
    )


def group(*images: str, name: str = "web-prod", **changes: Any) -> Group:
    """Make a group with a healthy member on each image, pinned to version 1."""
    values: dict[str, Any] = {
        "name": GroupName(name),
        "desired": len(images),
        "minimum": 0,
        "maximum": 10,
        "template": TemplateRef(id=TEMPLATE, version="1"),
        "members": members(*images),
        "subnets": ("subnet-1",),
    }
    return Group(**values | changes)


def fleet_view(*images: str, saved: TemplateVersion | None = None, **changes: Any) -> FleetView:
    """Make an observed fleet whose members run these images."""
    chosen = saved or version()
    values: dict[str, Any] = {
        "settings": fleet(),
        "group": group(*images, template=TemplateRef(id=TEMPLATE, version=str(chosen.number))),
        "version": chosen,
        "versions": (chosen,),
        "images": {name: image(name) for name in (*images, chosen.image)},
    }
    return FleetView(**values | changes)


def refresh(status: RefreshStatus = RefreshStatus.IN_PROGRESS, *, to: int | None = 2, **changes: Any) -> Refresh:
    """Make an instance refresh."""
    values: dict[str, Any] = {
        "id": RefreshId("refresh-1"),
        "group": GroupName("web-prod"),
        "status": status,
        "percentage": 40,
        "remaining": 2,
        "desired": None if to is None else TemplateRef(id=TEMPLATE, version=str(to)),
        "started": NOW,
    }
    return Refresh(**values | changes)


def settings(*fleets: FleetSettings, **changes: Any) -> Settings:
    """Make a configuration with the family web."""
    values: dict[str, Any] = {
        "root": PurePath("/project"),
        "region": "us-east-1",
        "channel_prefix": "/rebake",
        "tags": {"owner": "platform"},
        "families": {"web": family()},
        "fleets": {chosen.name: chosen for chosen in fleets},
    }
    return Settings(**values | changes)


BLUE_TARGETS, GREEN_TARGETS = TargetGroupArn("arn:targetgroup/blue"), TargetGroupArn("arn:targetgroup/green")
RULE = "arn:listener-rule/web"


def blue_green(**changes: Any) -> FleetSettings:
    """Make a fleet that is replaced by blue-green; keywords go into its strategy."""
    return replace(fleet(), strategy=BlueGreen(route=RULE, **changes))


def side(role: Role | None, *images: str, number: int = 2, **changes: Any) -> Side:
    """Make a group beside the fleet's own, on the image of its members (or the new one)."""
    tags = {TAG_ORIGIN: "web-prod"} | ({TAG_ROLE: role.value} if role else {})
    saved = version(number, images[0] if images else NEW)
    name = changes.pop("name", f"web-prod-v{number}")
    beside = group(*images, name=name, template=TemplateRef(id=TEMPLATE, version=str(number)), tags=tags, **changes)
    return Side(group=beside, targets=GREEN_TARGETS, version=saved)


def shifting(*images: str, weights: tuple[int, ...] = (1,), others: tuple[Side, ...] = (), **changes: Any) -> FleetView:
    """Make an observed blue-green fleet; weights are blue's and green's on its route."""
    view = fleet_view(*images, **changes)
    arns = (BLUE_TARGETS, GREEN_TARGETS)
    traffic = TrafficView(
        route=Route(arn=RULE, weights=dict(zip(arns, weights, strict=False))), targets=BLUE_TARGETS, others=others
    )
    known = {ImageId(one.version.image): image(one.version.image) for one in others if one.version}
    return replace(
        view,
        settings=changes.get("settings", blue_green()),
        group=replace(view.group, target_groups=(BLUE_TARGETS,)),
        traffic=traffic,
        images={**view.images, **known},
    )


def compliance(instance: str = "i-0", *reasons: Reason, **changes: Any) -> InstanceCompliance:
    """Make what an instance is, for these reasons."""
    states = {reason.state for reason in reasons}
    values: dict[str, Any] = {
        "account": "123456789012",
        "fleet": "web-prod",
        "family": "web",
        "group": "web-prod",
        "patch_group": "prod",
        "image": NEW,
        "age_days": 1,
        "version": "1",
        "expected": "1",
        "missing": 0,
        "failed": 0,
        "findings": (),
        "managed": True,
        "state": next((state for state in State if state in states), State.COMPLIANT),
        "reasons": {reason: f"text of {reason}" for reason in reasons},
    }
    return InstanceCompliance(instance=InstanceId(instance), **values | changes)
