"""The bake key: one hash over everything that goes into an image, so that nothing changed means nothing to bake."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import PurePath

from pipeline.model.ids import BakeKey, ImageId
from pipeline.model.images import Architecture
from pipeline.model.settings import Baseline, BaselineChoice, Family, Secret

_SCHEME = "rebake-bake-key-1"
"""Changes whenever the encoding does, so that no old key is ever taken for a new one."""


def bake_key(
    rendered: Mapping[PurePath, bytes],
    *,
    source: ImageId,
    architecture: Architecture,
    baseline: BaselineChoice,
    variables: Mapping[str, str | Secret],
) -> BakeKey:
    """Hash a recipe: rendered files, resolved source image, architecture, baseline and variables.

    A baseline of rules enters by the packages that came of it, which are one of the files: rules that approve the same
    packages bake nothing anew. A secret enters by its reference: its value never does, so that a rotated secret bakes
    nothing by itself and the key, which is a public tag, tells nothing of it. The order of files and variables does not
    matter.
    """
    digest = hashlib.sha256()
    fields = [
        ("scheme", [_SCHEME.encode()]),
        ("source", [source.encode()]),
        ("architecture", [architecture.value.encode()]),
        ("baseline", [baseline.value.encode() if isinstance(baseline, Baseline) else b"packages"]),
        *(("variable", [name.encode(), *_variable(value)]) for name, value in sorted(variables.items())),
        *(
            ("file", [path, content])
            for path, content in sorted((p.as_posix().encode(), c) for p, c in rendered.items())
        ),
    ]
    for name, values in fields:
        digest.update(_sequence([name.encode(), *values]))
    return BakeKey(digest.hexdigest())


def family_key(family: Family, rendered: Mapping[PurePath, bytes], source: ImageId) -> BakeKey:
    """Hash a family's recipe for a source image."""
    return bake_key(
        rendered,
        source=source,
        architecture=family.architecture,
        baseline=family.baseline,
        variables=family.variables,
    )


def _variable(value: str | Secret) -> list[bytes]:
    if isinstance(value, Secret):
        return [b"secret", value.service.encode(), value.name.encode()]
    return [b"plain", value.encode()]


def _sequence(items: Iterable[bytes]) -> bytes:
    """Encode byte strings so that no two sequences share an encoding: count, then each with its length before it."""
    parts = list(items)
    return b"".join([_number(len(parts)), *(_number(len(part)) + part for part in parts)])


def _number(value: int) -> bytes:
    return value.to_bytes(8, "big")
