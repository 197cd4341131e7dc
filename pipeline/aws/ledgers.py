"""Ledgers of good images, through SSM Parameter Store: a line an image, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pipeline.aws.failures import translated
from pipeline.aws.session import Clients
from pipeline.errors import NotFound, NotPossible
from pipeline.model.good import Good, Ledger
from pipeline.model.ids import ImageId

# The largest page of GetParametersByPath.
_PAGE = 10


class SsmLedgers:
    """The port `Ledgers` over parameters ``<path>/<fleet>``."""

    def __init__(self, clients: Clients, path: str) -> None:
        self._clients = clients
        self._path = path

    def of(self, fleet: str) -> Ledger:
        try:
            return _ledger(f"{self._path}/{fleet}", self._read(fleet))
        except NotFound:
            return ()

    @translated("ssm")
    def all(self) -> Mapping[str, Ledger]:
        pages = self._clients.ssm.get_paginator("get_parameters_by_path").paginate(
            Path=self._path, PaginationConfig={"PageSize": _PAGE}
        )
        entries = [(entry["Name"], entry["Value"]) for page in pages for entry in page["Parameters"]]
        return {name.rpartition("/")[2]: _ledger(name, value) for name, value in entries}

    @translated("ssm")
    def write(self, fleet: str, ledger: Ledger) -> None:
        lines = "\n".join(f"{one.image} {one.since.isoformat(timespec='seconds')}" for one in ledger)
        self._clients.ssm.put_parameter(
            Name=f"{self._path}/{fleet}", Value=lines, Type="String", Overwrite=True, Tier="Standard"
        )

    @translated("ssm")
    def _read(self, fleet: str) -> str:
        return self._clients.ssm.get_parameter(Name=f"{self._path}/{fleet}")["Parameter"]["Value"]


def _ledger(name: str, value: str) -> Ledger:
    try:
        rows = [line.split(" ") for line in value.splitlines()]
        found = tuple(Good(image=ImageId(image), since=datetime.fromisoformat(since)) for image, since in rows)
    except ValueError:
        found = ()
    if not found or any(one.since.tzinfo is None for one in found):
        raise NotPossible(
            f"The parameter {name} does not say which images are good.",
            hint="put an earlier version of it back, or delete it: its images stay protected then",
        )
    return found
