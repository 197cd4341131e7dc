"""Channels, through SSM Parameter Store."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pipeline.aws.failures import translated
from pipeline.aws.session import Clients
from pipeline.errors import NotFound, NotPossible, TimedOut, Unavailable
from pipeline.model.fleets import ChannelEntry
from pipeline.model.ids import ImageId
from pipeline.ports.clock import Clock

# The largest page of GetParameterHistory.
_PAGE = 50
_VALIDATION = timedelta(seconds=30)
_POLL = timedelta(seconds=1)
_PAUSES = tuple(timedelta(seconds=2**power) for power in range(6))


class SsmChannels:
    """The port `Channels` over parameters of data type ``aws:ec2:image``."""

    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock

    def current(self, parameter: str) -> ImageId | None:
        """Read the image a parameter points to; None when the parameter does not exist.

        Raises:
            NotPossible: its value is not an image id.
        """
        try:
            value, _ = self._read(parameter)
        except NotFound:
            return None
        if not value.startswith("ami-"):
            raise NotPossible(
                f"The parameter {parameter} does not hold an image id.",
                hint="name a parameter whose value is ami-…; for ECS images that is the one ending in /image_id",
            )
        return ImageId(value)

    def history(self, parameter: str) -> tuple[ChannelEntry, ...]:
        """List the versions that AWS keeps (the last 100), newest first; empty when there is no such parameter."""
        try:
            entries = self._history(parameter)
        except NotFound:
            return ()
        return tuple(sorted(entries, key=lambda entry: entry.version, reverse=True))

    def move(self, parameter: str, image: ImageId) -> int:
        """Point the parameter at the image and answer the new version number.

        AWS checks values of ``aws:ec2:image`` after it has answered PutParameter: a value that it then refuses
        never appears. So the move counts only once the version can be read.

        Raises:
            TimedOut: the version did not appear within 30 seconds.
        """
        version = self._written(parameter, image)
        deadline = self._clock.now() + _VALIDATION
        while not self._appeared(parameter, version):
            if self._clock.now() >= deadline:
                raise TimedOut(
                    f"AWS did not accept {image} as version {version} of {parameter}.",
                    hint="the image must be available in this region, and the caller needs ec2:DescribeImages",
                )
            self._clock.sleep(_POLL)
        return version

    def _written(self, parameter: str, image: ImageId) -> int:
        """Write it once: where the answer is lost, what stands is read first, for every write is one more version."""
        for pause in _PAUSES:
            try:
                return self._put(parameter, image)
            except Unavailable as error:
                if not error.transient:
                    raise
            self._clock.sleep(pause)
            value, version = self._stands(parameter)
            if value == image:
                return version
        return self._put(parameter, image)

    def _stands(self, parameter: str) -> tuple[str, int]:
        try:
            return self._read(parameter)
        except NotFound:
            return "", 0

    def _appeared(self, parameter: str, version: int) -> bool:
        return self._stands(parameter)[1] >= version

    @translated("ssm")
    def _read(self, parameter: str) -> tuple[str, int]:
        entry = self._clients.ssm.get_parameter(Name=parameter)["Parameter"]
        return entry.get("Value", ""), entry.get("Version", 0)

    @translated("ssm")
    def _history(self, parameter: str) -> list[ChannelEntry]:
        pages = self._clients.ssm.get_paginator("get_parameter_history").paginate(
            Name=parameter, PaginationConfig={"PageSize": _PAGE}
        )
        return [
            ChannelEntry(
                version=entry["Version"],
                image=ImageId(entry["Value"]),
                at=entry["LastModifiedDate"],
                by=entry.get("LastModifiedUser", ""),
            )
            for page in pages
            for entry in page["Parameters"]
        ]

    @translated("ssm")
    def _put(self, parameter: str, image: ImageId) -> int:
        answer: dict[str, Any] = self._clients.ssm_once.put_parameter(
            Name=parameter, Value=image, Type="String", DataType="aws:ec2:image", Overwrite=True, Tier="Standard"
        )
        return int(answer["Version"])
