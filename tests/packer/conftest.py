"""What the tests of this room share: every Packer found, a builder for each, and families to build."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from packers import for_each_packer

from pipeline.model.ids import BakeKey, ImageId, RunId
from pipeline.model.images import Architecture, Image
from pipeline.model.settings import Baseline, BuildSettings, Connect, Family
from pipeline.model.sources import SourcePinned
from pipeline.packer.builder import PackerBuilder
from pipeline.ports.builder import BuildRequest
from pipeline.sandbox.clock import WallClock
from pipeline.sandbox.cloud import Cloud

pytest_generate_tests = for_each_packer

FAMILY = Family(
    name="web",
    template="debian-12",
    architecture=Architecture.X86_64,
    source=SourcePinned(image=ImageId("ami-0123456789abcdef0")),
    baseline=Baseline.SECURITY,
    build=BuildSettings(
        instance_types=("t3.small",),
        connect=Connect.PRIVATE_IP,
        timeout=timedelta(minutes=2),
        source_cidr="10.0.0.0/8",
    ),
)
SOURCE = Image(
    id=ImageId("ami-0123456789abcdef0"),
    name="debian-12-amd64-20261120",
    owner="136693071363",
    architecture="x86_64",
    state="available",
    created=datetime(2026, 11, 20, tzinfo=UTC),
)


@pytest.fixture
def family() -> Family:
    """Answer a family on the built-in Debian template."""
    return FAMILY


@pytest.fixture
def request_for() -> Callable[..., BuildRequest]:
    """Answer a maker of requests: a family, and what shall differ from the usual."""

    def make(family: Family, builder: PackerBuilder, **changes: object) -> BuildRequest:
        request = BuildRequest(
            family=family,
            rendered=builder.render(family),
            source=SOURCE,
            key=BakeKey("4f2a91c0" * 8),
            run=RunId("20261123T181500-kqzt"),
            image_name="web-20261123T181500Z-4f2a91c0",
            tags={"owner": "platform"},
        )
        return replace(request, **changes)  # type: ignore[arg-type]  # the tests name fields that exist

    return make


@pytest.fixture
def builder_for(tmp_path: Path) -> Callable[..., PackerBuilder]:
    """Answer a maker of builders: an executable, and what shall differ from the usual."""

    def make(
        packer: Path | None = None, *, environment: Mapping[str, str] | None = None, **changes: object
    ) -> PackerBuilder:
        given = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_POLL_DELAY_SECONDS": "1"}
        keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
        settings = {
            "root": tmp_path,
            "logs": tmp_path / "logs",
            "region": "eu-west-1",
            "executable": str(packer) if packer else None,
            "grace": timedelta(seconds=20),
            **changes,
        }
        return PackerBuilder(environment={**given, **keys, **(environment or {})}, **settings)  # type: ignore[arg-type]  # as above

    return make


@pytest.fixture
def sandbox() -> Iterator[str]:
    """Bring the sandbox's API up, where instances boot and images freeze at once, and answer its endpoint."""
    cloud = Cloud(clock=WallClock())
    cloud.virtual.boot_time = cloud.virtual.freeze_time = timedelta()
    with cloud.serve() as endpoint:
        yield endpoint
