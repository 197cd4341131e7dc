"""Files in a bucket, below a prefix; encryption, versions and retention are the bucket's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from pipeline.aws.failures import translated
from pipeline.model.settings import Bucket


class S3Objects:
    """The port `Objects`; ``client`` answers the client of S3 that is as patient as the files matter."""

    def __init__(self, client: Callable[[], Any], bucket: Bucket) -> None:
        self._client = client
        self._bucket = bucket.name
        self._prefix = f"{bucket.prefix}/"

    @translated("s3")
    def put(self, name: str, content: bytes) -> None:
        self._put(name, content)

    @translated("s3")
    def put_once(self, name: str, content: bytes) -> None:
        """Put an object, on the condition that there is none; one that stands there stays."""
        try:
            self._put(name, content, IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] != "PreconditionFailed":
                raise
            # An answer was lost, and this was botocore's second try: what stands there is the same.

    @translated("s3")
    def get(self, name: str) -> bytes | None:
        try:
            body: bytes = self._client().get_object(Bucket=self._bucket, Key=self._prefix + name)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            return None
        return body

    @translated("s3")
    def folders(self) -> tuple[str, ...]:
        """List the folders right below the prefix, a thousand a call."""
        pages = self._pages(self._prefix, Delimiter="/")
        return tuple(entry["Prefix"].split("/")[-2] for page in pages for entry in page.get("CommonPrefixes", ()))

    @translated("s3")
    def names(self, folder: str) -> tuple[str, ...]:
        """List the files of a folder, a thousand a call."""
        pages = self._pages(f"{self._prefix}{folder}/")
        return tuple(entry["Key"].removeprefix(self._prefix) for page in pages for entry in page.get("Contents", ()))

    def _put(self, name: str, content: bytes, **more: str) -> None:
        self._client().put_object(Bucket=self._bucket, Key=self._prefix + name, Body=content, **more)

    def _pages(self, prefix: str, **more: str) -> Iterator[Any]:
        paginator = self._client().get_paginator("list_objects_v2")
        pages: Iterator[Any] = iter(paginator.paginate(Bucket=self._bucket, Prefix=prefix, **more))
        return pages
