"""Runs of the suites under the policies that `rebake iam` prints: what a verb's group lacks is denied to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from pipeline.aws.permissions import GROUPS, RELEASE
from pipeline.aws.policies import policy
from pipeline.config import load
from pipeline.errors import RebakeError
from pipeline.model.settings import Settings
from pipeline.packer.templates import builtin_names, builtin_templates
from pipeline.sandbox.cloud import Cloud

KEY = "testing"
"""The access key of the adapters; a test's own calls, which stand for everybody else, have another."""

Groups = tuple[str | None, ...]
_ALL: Groups = (None,)
_groups: ContextVar[Groups] = ContextVar("groups", default=_ALL)


@contextmanager
def allowed(groups: Groups) -> Iterator[None]:
    """Let rooms that are opened until the block ends have the policies of these groups."""
    token = _groups.set(groups)
    try:
        yield
    finally:
        _groups.reset(token)


def guard_verb(cloud: Cloud[Any], verb: str) -> None:
    """Hold a command in this folder to the policies of its verb; one that only reads, to that of reports.

    Where either of two policies is enough, it is the first.
    """
    groups = RELEASE if verb == "release" else [name for name, verbs in GROUPS.items() if verb in verbs][:1]
    try:
        settings = load(Path("rebake.yaml"), templates=builtin_names(builtin_templates()))
    except RebakeError:  # what the test is about, perhaps
        settings = None
    cloud.restrict(KEY, *(policy(group, settings, region=None) for group in groups or ("report",)))


def guard(cloud: Cloud[Any], settings: Settings, *groups: str) -> None:
    """Hold the adapters to the policies of groups; without any, to those that the test is allowed."""
    cloud.restrict(KEY, *(policy(group, settings, region=None) for group in groups or _groups.get()))
