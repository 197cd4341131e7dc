"""Leases, through SSM Parameter Store: PutParameter without Overwrite is the one conditional write it has."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from pipeline.aws.failures import translated
from pipeline.aws.session import Clients
from pipeline.model.ids import RunId
from pipeline.model.leases import Lease


class SsmLeases:
    """The port `Leases` over parameters named ``<path>/<lease>/<number>``, whose value is the lease as JSON."""

    def __init__(self, clients: Clients, path: str, *, me: tuple[str, str], gone: Callable[[str], bool]) -> None:
        self._clients = clients
        self._path = path
        self._gone = gone
        self.me = me

    def gone(self, lease: Lease) -> bool:
        """Tell whether the holder was a process of this machine that has ended."""
        return self._gone(lease.process)

    @translated("ssm")
    def latest(self, name: str) -> Lease | None:
        """Read the lease with the highest number."""
        pages = self._clients.ssm.get_paginator("get_parameters_by_path").paginate(Path=f"{self._path}/{name}")
        found = [lease for page in pages for entry in page["Parameters"] if (lease := _lease(name, entry)) is not None]
        return max(found, key=lambda lease: lease.number, default=None)

    @translated("ssm")
    def create(self, lease: Lease) -> bool:
        """Write it, and remove the two before: one that stayed because its successor died at once is among them."""
        try:
            self._put(lease, overwrite=False)
        except ClientError as failure:
            if failure.response["Error"]["Code"] == "ParameterAlreadyExists":
                return False
            raise
        over = [self._name(lease.name, number) for number in (lease.number - 1, lease.number - 2) if number > 0]
        if over:
            with self._clients.unguarded():
                self._clients.ssm.delete_parameters(Names=over)
        return True

    @translated("ssm")
    def rewrite(self, lease: Lease) -> None:
        """Write a lease of ours again."""
        self._put(lease, overwrite=True)

    def guarded(self, check: Callable[[], None]) -> AbstractContextManager[None]:
        """Call the check before every call that changes something."""
        return self._clients.guarded(check)

    def _put(self, lease: Lease, *, overwrite: bool) -> None:
        facts = asdict(lease) | {"since": lease.since.isoformat(), "until": lease.until.isoformat()}
        with self._clients.unguarded():
            self._clients.ssm.put_parameter(
                Name=self._name(lease.name, lease.number),
                Value=json.dumps(facts),
                Type="String",
                Overwrite=overwrite,
                Tier="Standard",
            )

    def _name(self, name: str, number: int) -> str:
        return f"{self._path}/{name}/{number}"


def _lease(name: str, entry: Any) -> Lease | None:
    """Read a lease; what somebody wrote by hand counts as one that is over, for its number is taken all the same."""
    number = entry["Name"].rpartition("/")[2]
    if not number.isdecimal():
        return None
    try:
        facts = json.loads(entry["Value"])
        return Lease(
            name=name,
            number=int(number),
            run=RunId(str(facts["run"])),
            by=str(facts["by"]),
            process=str(facts["process"]),
            urgent=facts["urgent"] is True,
            since=datetime.fromisoformat(facts["since"]),
            until=datetime.fromisoformat(facts["until"]),
            over=facts["over"] is True,
        )
    except (ValueError, KeyError, TypeError):
        written = entry["LastModifiedDate"]
        return Lease(
            name=name,
            number=int(number),
            run=RunId(""),
            by="",
            process="",
            urgent=True,
            since=written,
            until=written,
            over=True,
        )
