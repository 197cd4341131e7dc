"""The base images that the sandbox starts with, and the public parameters that name the newest of each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

DEBIAN = "136693071363"
CANONICAL = "099720109477"
AMAZON = "137112412989"
MICROSOFT = "801119661308"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """A public image. ``parameters`` are the public SSM parameters that name it while it is the newest."""

    name: str
    owner: str
    architecture: str
    created: datetime
    description: str
    root_device: str
    alias: str = ""
    platform: str = ""
    parameters: tuple[str, ...] = ()

    def image_id(self, region: str) -> str:
        """Derive the image's id in a region: the same in every run."""
        return "ami-" + hashlib.sha256(f"{region}:{self.name}:{self.architecture}".encode()).hexdigest()[:17]


_DAY = datetime(2026, 10, 15, 7, 30, tzinfo=UTC)
_ARM = {"amd64": "x86_64", "arm64": "arm64"}


def _debian(word: str) -> BaseImage:
    return BaseImage(
        name=f"debian-12-{word}-{_DAY:%Y%m%d}-2267",
        owner=DEBIAN,
        architecture=_ARM[word],
        created=_DAY,
        description=f"Debian 12 ({_DAY:%Y%m%d}-2267)",
        root_device="/dev/xvda",
        parameters=(f"/aws/service/debian/release/12/latest/{word}",),
    )


def _ubuntu(word: str) -> BaseImage:
    path = "/aws/service/canonical/ubuntu/server/24.04/stable/current"
    return BaseImage(
        name=f"ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{word}-server-{_DAY:%Y%m%d}",
        owner=CANONICAL,
        architecture=_ARM[word],
        created=_DAY,
        description="Canonical, Ubuntu, 24.04",
        root_device="/dev/sda1",
        parameters=(f"{path}/{word}/hvm/ebs-gp3/ami-id",),
    )


def _amazon(word: str) -> BaseImage:
    architecture = _ARM[word]
    path = "/aws/service/ami-amazon-linux-latest"
    kernels = ("default", "6.12")
    return BaseImage(
        name=f"al2023-ami-2023.9.{_DAY:%Y%m%d}.0-kernel-6.12-{architecture}",
        owner=AMAZON,
        alias="amazon",
        architecture=architecture,
        created=_DAY,
        description=f"Amazon Linux 2023 AMI 2023.9.{_DAY:%Y%m%d}.0 {architecture} HVM kernel-6.12",
        root_device="/dev/xvda",
        parameters=tuple(f"{path}/al2023-ami-kernel-{kernel}-{architecture}" for kernel in kernels),
    )


def _windows() -> BaseImage:
    name = "Windows_Server-2022-English-Full-Base"
    return BaseImage(
        name=f"{name}-{_DAY:%Y.%m.%d}",
        owner=MICROSOFT,
        alias="amazon",
        architecture="x86_64",
        created=_DAY,
        description="Microsoft Windows Server 2022 Full Locale English AMI provided by Amazon",
        root_device="/dev/sda1",
        platform="windows",
        parameters=(f"/aws/service/ami-windows-latest/{name}",),
    )


def base_images() -> list[BaseImage]:
    """List the images that every cloud starts with."""
    return [*(make(word) for make in (_debian, _ubuntu, _amazon) for word in _ARM), _windows()]
