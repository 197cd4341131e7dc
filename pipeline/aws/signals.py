"""Signals, through SSM Parameter Store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pipeline.aws.failures import translated
from pipeline.aws.session import Clients
from pipeline.errors import NotFound
from pipeline.model.signals import Signal

# The largest page of GetParametersByPath.
_PAGE = 10
_HALT = "halt"
_WORDS = {_HALT, "approve", "reject"}


class SsmSignals:
    """The port `Signals` over parameters whose value is ``{"word": …, "by": …, "reason": …, "at": …}``."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    @translated("ssm")
    def under(self, path: str) -> Mapping[str, Signal]:
        """Read all signals below a path by the last part of their names; one call for ten.

        A value that is not ours reads as "halt" with the value as its reason: whoever wrote something there by hand
        meant to stop us.
        """
        pages = self._clients.ssm.get_paginator("get_parameters_by_path").paginate(
            Path=path, PaginationConfig={"PageSize": _PAGE}
        )
        return {entry["Name"].rpartition("/")[2]: _signal(entry) for page in pages for entry in page["Parameters"]}

    def read(self, name: str) -> Signal | None:
        try:
            return self._read(name)
        except NotFound:
            return None

    @translated("ssm")
    def _read(self, name: str) -> Signal:
        return _signal(self._clients.ssm.get_parameter(Name=name)["Parameter"])

    @translated("ssm")
    def leave(self, name: str, signal: Signal) -> None:
        facts = {"word": signal.word, "by": signal.by, "reason": signal.reason, "at": signal.at.isoformat()}
        self._clients.ssm.put_parameter(
            Name=name, Value=json.dumps(facts), Type="String", Overwrite=True, Tier="Standard"
        )

    def take(self, name: str) -> bool:
        try:
            self._delete(name)
        except NotFound:
            return False
        return True

    @translated("ssm")
    def _delete(self, name: str) -> None:
        self._clients.ssm.delete_parameter(Name=name)


def _signal(entry: Any) -> Signal:
    try:
        facts = json.loads(entry["Value"])
        word, by, reason = (str(facts[key]) for key in ("word", "by", "reason"))
        at = datetime.fromisoformat(facts["at"])
        known = word in _WORDS and at.tzinfo is not None
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        return Signal(word=_HALT, by="", reason=entry["Value"], at=entry["LastModifiedDate"])
    return Signal(word=word, by=by, reason=reason, at=at)
