"""Provenance: an in-toto statement with SLSA's predicate, and the DSSE envelope that carries it signed.

Everything in it is of the bake, nothing of the moment: written again, it is the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline.model.evidence import Bake, Signature
from pipeline.model.ids import BakeKey, ImageId
from pipeline.model.settings import Baseline, Family

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://slsa.dev/provenance/v1"
_BUILD = "urn:rebake:bake:1"
_BUILDER = "urn:rebake:packer"


def subject_digest(key: BakeKey, image: ImageId) -> str:
    """Hash what stands for an image: bake key, newline, image id.

    An AMI has no digest of its own. Its id is never given twice and what is behind it never changes, so the id is as
    good as a digest of the content within AWS; the key binds to it what it was made from.
    """
    return hashlib.sha256(f"{key}\n{image}".encode()).hexdigest()


def statement(
    bake: Bake, files: Mapping[str, bytes], *, region: str, author: Mapping[str, str], version: str
) -> dict[str, Any]:
    """Say how an image came to be; ``author`` is who ran the bake, ``version`` this program's.

    ``files`` are kept with it: who signs the statement signs them, too.
    """
    image = bake.image
    return {
        "_type": _STATEMENT,
        "subject": [{"name": image.id, "digest": {"sha256": subject_digest(bake.key, image.id)}}],
        "predicateType": _PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": _BUILD,
                "externalParameters": _parameters(bake.family, bake.recipe),
                "internalParameters": {
                    "bakeKey": bake.key,
                    "imageName": image.name,
                    "region": region,
                    "author": dict(author),
                    **({"adoptedBy": bake.adopted} if bake.adopted else {}),
                },
                "resolvedDependencies": [
                    {"name": "source image", "uri": f"arn:{_partition(author)}:ec2:{region}::image/{bake.source}"},
                    *_described({path.as_posix(): content for path, content in bake.files.items()}),
                ],
            },
            "runDetails": {
                "builder": {"id": _BUILDER, "version": {"rebake": version, **bake.tools}},
                "metadata": {
                    "invocationId": bake.run,
                    "startedOn": _stamp(bake.began),
                    # From CreateImage on nothing of it can change any more.
                    "finishedOn": _stamp(image.created),
                },
                "byproducts": _described(files),
            },
        },
    }


def encoded(words: Mapping[str, Any]) -> bytes:
    """Write JSON so that the same words are the same bytes."""
    return (json.dumps(words, indent=1, sort_keys=True) + "\n").encode()


def signed_bytes(payload: bytes) -> bytes:
    """Put a payload into what is signed: DSSE's pre-authentication encoding."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def enveloped(payload: bytes, signature: Signature) -> dict[str, Any]:
    """Put a payload and its signature into a DSSE envelope."""
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": signature.key, "sig": base64.b64encode(signature.value).decode()}],
    }


def opened(content: bytes) -> tuple[bytes, Signature | None]:
    """Take the payload out of an envelope, with its signature; what is no envelope is the payload itself.

    Raises:
        ValueError, KeyError, TypeError: it is neither.
    """
    words = json.loads(content)
    if "payloadType" not in words:
        return content, None
    (signature,) = words["signatures"]
    value = base64.b64decode(signature["sig"], validate=True)
    return base64.b64decode(words["payload"], validate=True), Signature(key=str(signature["keyid"]), value=value)


def _described(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    return [
        {"name": name, "digest": {"sha256": hashlib.sha256(content).hexdigest()}}
        for name, content in sorted(files.items())
    ]


def vouched(words: Mapping[str, Any], *, image: ImageId, key: BakeKey | None, listed: Mapping[str, str]) -> bool:
    """Tell whether a statement speaks of this image and its bake key, and of files as they are listed by digest.

    Raises:
        ValueError, KeyError, TypeError: it is no statement of ours.
    """
    (subject,) = words["subject"]
    own = key is not None and subject == {"name": image, "digest": {"sha256": subject_digest(key, image)}}
    return own and byproducts(words).items() <= listed.items()


def byproducts(words: Mapping[str, Any]) -> dict[str, str]:
    """Name the files that were kept with a statement, with their digests; errors as for `vouched`."""
    return {one["name"]: one["digest"]["sha256"] for one in words["predicate"]["runDetails"]["byproducts"]}


def _parameters(family: Family, recipe: str) -> dict[str, Any]:
    """Tell what was asked for; a secret by its reference."""
    baseline = family.baseline
    return {
        "family": family.name,
        "template": recipe,
        "architecture": family.architecture,
        "baseline": baseline if isinstance(baseline, Baseline) else "packages",
        "variables": {
            name: value if isinstance(value, str) else {value.service: value.name}
            for name, value in family.variables.items()
        },
    }


def _partition(author: Mapping[str, str]) -> str:
    """Tell the part of AWS (``aws``, ``aws-cn``) from who called."""
    parts = author.get("caller", "").split(":")
    return parts[1] if len(parts) > 1 else "aws"


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
