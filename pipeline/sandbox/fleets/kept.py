"""A group's attributes that are kept and described as they were given; few of them change what it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEPT: Mapping[str, Any] = {
    "AvailabilityZoneDistribution": {"CapacityDistributionStrategy": "balanced-best-effort"},
    "AvailabilityZoneImpairmentPolicy": {
        "ZonalShiftEnabled": False,
        "ImpairedZoneHealthCheckBehavior": "IgnoreUnhealthy",
    },
    "CapacityRebalance": False,
    "CapacityReservationSpecification": {"CapacityReservationPreference": "default"},
    "Context": None,
    "DefaultCooldown": 300,
    "DefaultInstanceWarmup": None,
    "DeletionProtection": "none",
    "DesiredCapacityType": None,
    "HealthCheckGracePeriod": 0,
    "HealthCheckType": "EC2",
    "InstanceLifecyclePolicy": None,
    "InstanceMaintenancePolicy": None,
    "MaxInstanceLifetime": None,
    "NewInstancesProtectedFromScaleIn": False,
    "Operator": None,
    "PlacementGroup": None,
    "ServiceLinkedRoleARN": None,
    "TerminationPolicies": ["Default"],
}
"""What a group keeps and describes as it was given, with what is described when it was never given."""


def keep(before: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Lay what a call gives over what was kept; -1 is AWS's word for "as if never given"."""
    kept = {**KEPT, **before, **{name: parameters[name] for name in KEPT if parameters.get(name) is not None}}
    return {name: KEPT[name] if _cleared(value) else value for name, value in kept.items()}


def _cleared(value: object) -> bool:
    return value == -1 or (isinstance(value, dict) and -1 in value.values())
