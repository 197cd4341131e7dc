"""KMS keys that sign: what is signed may be the digest itself, which moto would hash once more."""

from __future__ import annotations

import base64
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

from pipeline.sandbox.registry import Parameters, Request, operation, refusal

_HASH = hashes.SHA256()


@operation("kms", "Sign")
def sign(request: Request, parameters: Parameters) -> object:
    """Sign a digest; a message is left to moto."""
    if parameters.get("MessageType") != "DIGEST":
        return request.native()
    key, arguments = _key(request, parameters)
    signature = key.private_key.private_key.sign(_bytes(parameters["Message"]), *arguments)
    return {
        "KeyId": key.arn,
        "Signature": signature,
        "SigningAlgorithm": parameters["SigningAlgorithm"],
    }


@operation("kms", "Verify")
def verify(request: Request, parameters: Parameters) -> object:
    """Verify the signature of a digest; that it is false is an error, as in KMS."""
    if parameters.get("MessageType") != "DIGEST":
        return request.native()
    key, arguments = _key(request, parameters)
    public = key.private_key.private_key.public_key()
    try:
        public.verify(_bytes(parameters["Signature"]), _bytes(parameters["Message"]), *arguments)
    except InvalidSignature:
        raise refusal("KMSInvalidSignatureException", "") from None
    return {"KeyId": key.arn, "SignatureValid": True, "SigningAlgorithm": parameters["SigningAlgorithm"]}


def _key(request: Request, parameters: Parameters) -> tuple[Any, list[Any]]:
    """Find the key, and how its kind signs a digest."""
    key = request.backend("kms").describe_key(parameters["KeyId"])
    algorithm = parameters["SigningAlgorithm"]
    if algorithm not in (key.signing_algorithms or ()):
        raise refusal("InvalidKeyUsageException", f"{key.arn} does not sign by {algorithm}.")
    if not key.enabled:
        raise refusal("DisabledException", f"{key.arn} is disabled.")
    digest = utils.Prehashed(_HASH)
    if algorithm == "ECDSA_SHA_256":
        return key, [ec.ECDSA(digest)]
    if algorithm == "RSASSA_PKCS1_V1_5_SHA_256":
        return key, [padding.PKCS1v15(), digest]
    raise refusal("UnsupportedOperationException", f"The sandbox signs no digest by {algorithm}.")


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else base64.b64decode(value)
