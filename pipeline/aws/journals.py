"""Journals in a bucket: an object a record, ``<prefix>/<run>/<number>.json``."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from pipeline.aws.failures import translated
from pipeline.aws.session import Clients
from pipeline.model.ids import RunId
from pipeline.model.settings import Bucket


class S3Journals:
    """The port `Journals`; encryption, versions and retention are the bucket's own."""

    def __init__(self, clients: Clients, bucket: Bucket) -> None:
        self._clients = clients
        self._bucket = bucket.name
        self._prefix = f"{bucket.prefix}/"

    @translated("s3")
    def keep(self, run: RunId, number: int, line: str) -> None:
        """Put an object, on the condition that there is none."""
        try:
            with self._clients.unguarded():  # that the run has lost its lease belongs into the journal, too
                self._clients.s3.put_object(
                    Bucket=self._bucket,
                    Key=f"{self._prefix}{run}/{number:06}.json",
                    Body=line.encode(),
                    ContentType="application/json",
                    IfNoneMatch="*",
                )
        except ClientError as error:
            if error.response["Error"]["Code"] != "PreconditionFailed":
                raise
            # An answer was lost, and this was botocore's second try: what stands there is the same.

    @translated("s3")
    def runs(self) -> tuple[RunId, ...]:
        """List the runs by the folders of the prefix, a thousand a call."""
        pages = self._pages(self._prefix, Delimiter="/")
        found = (entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", ()))
        return tuple(RunId(prefix.split("/")[-2]) for prefix in found)[::-1]

    @translated("s3")
    def lines(self, run: RunId, *, ends: bool = False) -> tuple[str, ...]:
        """Fetch the records: a call a thousand of them, and one for each."""
        keys = [entry["Key"] for page in self._pages(f"{self._prefix}{run}/") for entry in page.get("Contents", ())]
        wanted = [*keys[:1], *keys[1:][-1:]] if ends else keys
        return tuple(self._fetch(key) for key in wanted)

    def _pages(self, prefix: str, **more: str) -> Any:
        paginator = self._clients.s3.get_paginator("list_objects_v2")
        return paginator.paginate(Bucket=self._bucket, Prefix=prefix, **more)

    def _fetch(self, key: str) -> str:
        body: bytes = self._clients.s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return body.decode(errors="replace")
