"""S3 behind the one door: moto answers it past its own dispatch, by path and query instead of by operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlparse

from moto.core.utils import camelcase_to_underscores
from moto.s3.responses import ACTION_MAP, S3Response

from pipeline.sandbox.seam import Seam

_KINDS = {"_bucket_response": "BUCKET", "_key_response": "KEY"}


class _Call:
    """A call to S3 as any other service's response is seen by the seam: an operation, parameters, and a method."""

    boto3_service_name = "s3"
    automated_parameter_parsing = True

    def __init__(self, response: Any, operation: str, answer: Callable[[], Any]) -> None:
        self._response = response
        self._operation = operation
        self.params = {"Bucket": response.bucket_name, "Key": response.parse_key_name()}
        setattr(self, camelcase_to_underscores(operation), answer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)

    def _get_action(self) -> str:
        return self._operation


@contextmanager
def through(seam: Seam) -> Iterator[None]:
    """Let every call to S3 be answered by the seam: logged, denied, hit by faults."""
    originals = {name: getattr(S3Response, name) for name in _KINDS}

    def met(name: str) -> Callable[..., Any]:
        def respond(response: Any, request: Any, full_url: str) -> Any:
            def answer() -> tuple[int, dict[str, Any], Any]:
                found = originals[name](response, request, full_url)
                status, headers, body = found if isinstance(found, tuple) else (200, {}, found)
                return status, {**headers, "status": status}, body

            operation = _operation(_KINDS[name], request.method, full_url)
            return seam.answer(_Call(response, operation, answer), request)

        return respond

    for name in _KINDS:
        setattr(S3Response, name, met(name))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(S3Response, name, original)


def _operation(kind: str, method: str, url: str) -> str:
    """Name a call as IAM does; moto's table has those that policies are written about."""
    query = parse_qs(urlparse(url).query, keep_blank_values=True)
    named: dict[str, str] = ACTION_MAP[kind].get(method, {})
    usual = named.get("DEFAULT", f"{method.title()}{kind.title()}")
    return next((named[word] for word in query if word in named), usual)
