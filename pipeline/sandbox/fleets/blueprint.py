"""What an Auto Scaling group launches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """What a group launches: a launch template at a version, perhaps under a mixed instances policy.

    ``version`` is written as given (a number, ``$Latest``, ``$Default``). ``policy`` is the whole policy as given.
    """

    template: str = ""
    template_name: str = ""
    version: str = ""
    configuration: str = ""
    policy: Mapping[str, Any] | None = None

    @property
    def overrides(self) -> list[dict[str, Any]]:
        """The policy's overrides, in order of preference."""
        template = (self.policy or {}).get("LaunchTemplate") or {}
        return list(template.get("Overrides") or [])

    def override(self, instance_type: str) -> dict[str, Any]:
        """Find the policy's override for an instance type; empty when there is none."""
        return next((item for item in self.overrides if item.get("InstanceType") == instance_type), {})

    @property
    def attribute_based(self) -> bool:
        """Whether instance types are chosen by attributes."""
        return any("InstanceRequirements" in override for override in self.overrides)

    @property
    def pinned(self) -> bool:
        """Whether the version is a number."""
        return self.version.isdecimal()


def at_version(blueprint: Blueprint, version: str) -> Blueprint:
    """Pin a blueprint to the version that was resolved."""
    return replace(blueprint, version=version)
