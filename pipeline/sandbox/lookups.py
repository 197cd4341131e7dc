"""Looking things up in moto's EC2, where moto itself searches through everything there ever was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.ec2.exceptions import InvalidInstanceIdError
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.instances import InstanceBackend

from pipeline.sandbox.state import State


@contextmanager
def indexed(state: State) -> Iterator[None]:
    """Let moto find instances by id and tags by resource without searching."""
    by_id, known, tags = InstanceBackend.get_instance_by_id, InstanceBackend.get_instance, TaggedEC2Resource.get_tags

    def get_instance_by_id(backend: Any, instance_id: str) -> Any:
        instance = state.instances.get(instance_id)
        if instance is not None and instance.ec2_backend is backend:
            return instance
        # One that is being launched is among the newest, and not known here yet.
        reservations = reversed(backend.reservations.values())
        return next((item for each in reservations for item in each.instances if item.id == instance_id), None)

    def get_instance(backend: Any, instance_id: str) -> Any:
        instance = get_instance_by_id(backend, instance_id)
        if instance is None:
            raise InvalidInstanceIdError(instance_id)
        return instance

    def get_tags(resource: Any) -> list[dict[str, str]]:
        return [{"key": key, "value": value} for key, value in resource.ec2_backend.tags.get(resource.id, {}).items()]

    InstanceBackend.get_instance_by_id, InstanceBackend.get_instance = get_instance_by_id, get_instance
    TaggedEC2Resource.get_tags = get_tags
    try:
        yield
    finally:
        InstanceBackend.get_instance_by_id, InstanceBackend.get_instance = by_id, known
        TaggedEC2Resource.get_tags = tags
