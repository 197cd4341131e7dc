"""Serialising answers as moto does, with the names of a field looked up once instead of in every answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from moto.core.responses import ActionResult
from moto.core.serialize import AttributePickerContext, EC2Serializer, QuerySerializer, XFormedAttributePicker
from moto.core.utils import get_value

Transformer = Callable[[Any], Any]

_NAMES: dict[tuple[Any, type, str], tuple[str, ...]] = {}
"""By field and by the class that a value is taken from: moto derives them from these alone."""
_MISSING = object()


class _Picker(XFormedAttributePicker):  # type: ignore[misc] # moto is not typed
    """Takes a field's value from whatever an answer is made of; moto spends most of a test's time here."""

    def __init__(self, serializer: Any, transformers: Mapping[str, Transformer]) -> None:
        super().__init__()
        self._serializer = serializer
        self._transformers: dict[str, list[tuple[str, Transformer]]] = {}
        for end, transform in transformers.items():
            self._transformers.setdefault(end.rpartition(".")[2], []).append((end, transform))

    def pick(self, obj: Any, key: str, shape: Any) -> Any:
        """Stand for the serializer's own `get_value`, which makes a context for every field of every answer."""
        kind = type(obj)
        names = _NAMES.get((shape, kind, key))
        if names is None:
            context = AttributePickerContext(
                obj=obj, key=key, shape=shape, service_model=self._serializer.operation_model.service_model
            )
            names = _NAMES[shape, kind, key] = tuple(dict.fromkeys(self.get_possible_keys(context)))
        value = _value(obj, kind, names)
        for end, transform in self._transformers.get(key, ()):
            if ".".join((*self._serializer.path, key)).endswith(end):
                return transform(value)
        return value


def _value(obj: Any, kind: type, names: tuple[str, ...]) -> Any:
    if kind is dict:
        return next((obj[name] for name in names if name in obj), None)
    for name in names:
        value = get_value(obj, name, _MISSING)
        if value is not _MISSING:
            return value
    return None


def _xml(body: Mapping[str, Any]) -> str:
    return "".join(_element(name, value) for name, value in body.items())


def _element(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(_element(name, item) for item in value)
    if isinstance(value, Mapping):
        attributes = "".join(f" {key[1:]}={quoteattr(item)}" for key, item in value.items() if key[0] == "@")
        inner = _xml({key: item for key, item in value.items() if key[0] != "@"})
    else:
        attributes = ""
        inner = "" if value is None else escape(str(value).lower() if isinstance(value, bool) else str(value))
    return f"<{name}{attributes}>{inner}</{name}>"


class Answered(ActionResult):  # type: ignore[misc] # moto is not typed
    """What an operation answered, to be serialised by the service's protocol."""

    def execute_result(self, context: Any) -> Any:
        """Serialise it: status, headers and body."""
        transformers = getattr(context.response, "RESPONSE_KEY_PATH_TO_TRANSFORMER", {})
        serializer = context.serializer_class(operation_model=context.operation_model, pretty_print=False)
        serializer.get_value = _Picker(serializer, transformers).pick
        if isinstance(serializer, EC2Serializer | QuerySerializer):
            serializer._serialize_body = _xml  # noqa: SLF001 - moto checks every name of every element again
        done = serializer.serialize(self.result)
        return done["status_code"], done["headers"], done["body"]
