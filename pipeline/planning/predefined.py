"""Patch Manager's predefined baselines, as AWS documents them ("Predefined and custom patch baselines")."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from pipeline.model.baselines import ApprovalRule, PatchBaseline, Property
from pipeline.model.packages import OperatingSystem

_WEEK = timedelta(days=7)
_GRAVE = ("Critical", "Important")
_BY_PRIORITY = (ApprovalRule(filters={Property.PRIORITY: ("Required", "Important", "Standard", "Optional", "Extra")}),)

PREDEFINED: Mapping[OperatingSystem, PatchBaseline] = {
    OperatingSystem.AMAZON_LINUX_2023: PatchBaseline(
        name="AWS-AmazonLinux2023DefaultPatchBaseline",
        rules=(
            ApprovalRule(
                filters={Property.CLASSIFICATION: ("Security",), Property.SEVERITY: _GRAVE},
                after=_WEEK,
            ),
            ApprovalRule(filters={Property.CLASSIFICATION: ("Bugfix",)}, after=_WEEK),
        ),
    ),
    OperatingSystem.DEBIAN: PatchBaseline(name="AWS-DebianDefaultPatchBaseline", rules=_BY_PRIORITY),
    OperatingSystem.UBUNTU: PatchBaseline(name="AWS-UbuntuDefaultPatchBaseline", rules=_BY_PRIORITY),
    OperatingSystem.WINDOWS: PatchBaseline(
        name="AWS-DefaultPatchBaseline",
        rules=(
            ApprovalRule(
                filters={
                    Property.CLASSIFICATION: ("CriticalUpdates", "SecurityUpdates"),
                    Property.SEVERITY: _GRAVE,
                },
                after=_WEEK,
            ),
        ),
    ),
}
