"""Shapes that every EC2-like API shares: filters, tags, and how many values one call may carry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef, TagTypeDef

# "Filter values: up to 200 per call" (EC2 API reference, DescribeInstances and its kin).
_FILTER_VALUES = 200

Item = TypeVar("Item")


def batches(items: Sequence[Item], size: int = _FILTER_VALUES) -> Iterator[list[Item]]:
    """Cut a sequence into lists that fit one call."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def tag_filters(tags: Mapping[str, str]) -> list[FilterTypeDef]:
    """Ask for resources that carry all of these tags."""
    return [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]


def tag_list(tags: Mapping[str, str]) -> list[TagTypeDef]:
    """Write tags as AWS takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tags_of(entries: Iterable[Any]) -> dict[str, str]:
    """Read tags as AWS answers them."""
    return {entry["Key"]: entry.get("Value", "") for entry in entries}


def copied_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Take the tags that a copy of a resource keeps: not AWS's own, which nobody may set, and not ours."""
    return {key: value for key, value in tags.items() if not key.startswith(("aws:", "rebake:"))}
