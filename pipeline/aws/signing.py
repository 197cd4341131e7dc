"""Signatures by a KMS key: EC P-256 or RSA, over SHA-256."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pipeline.aws.failures import translated
from pipeline.aws.session import Clients
from pipeline.errors import NotPossible
from pipeline.model.evidence import Signature

if TYPE_CHECKING:
    from mypy_boto3_kms.literals import SigningAlgorithmSpecType

# What verifiers of DSSE envelopes take without being told: of RSA keys it is the older padding.
_ALGORITHMS: tuple[SigningAlgorithmSpecType, ...] = ("ECDSA_SHA_256", "RSASSA_PKCS1_V1_5_SHA_256")


class KmsSigner:
    """The port `Signer` over KMS Sign and Verify; the digest is sent, for messages may be 4 KiB at most."""

    def __init__(self, clients: Clients, key: str) -> None:
        self._clients = clients
        self._key = key

    @translated("kms")
    def ready(self) -> str:
        """Answer the ARN of the key, if it is one that can sign; errors as for `sign`."""
        return self._described()[0]

    @translated("kms")
    def sign(self, message: bytes) -> Signature:
        arn, algorithm = self._described()
        answer = self._clients.kms.sign(
            KeyId=arn, Message=_digest(message), MessageType="DIGEST", SigningAlgorithm=algorithm
        )
        return Signature(key=answer["KeyId"], value=answer["Signature"])

    @translated("kms")
    def verify(self, message: bytes, signature: Signature) -> bool | None:
        arn, algorithm = self._described()
        if signature.key != arn:
            return None
        kms = self._clients.kms
        try:
            answer = kms.verify(
                KeyId=arn,
                Message=_digest(message),
                MessageType="DIGEST",
                Signature=signature.value,
                SigningAlgorithm=algorithm,
            )
        except kms.exceptions.KMSInvalidSignatureException:
            return False
        return answer["SignatureValid"]

    def _described(self) -> tuple[str, SigningAlgorithmSpecType]:
        known = self._clients.kms.describe_key(KeyId=self._key)["KeyMetadata"]
        offered = known.get("SigningAlgorithms") or ()
        algorithm = next((one for one in _ALGORITHMS if one in offered), None)
        if algorithm is None:
            raise NotPossible(
                f"The KMS key {self._key} cannot sign evidence.",
                hint="name a key for SIGN_VERIFY of the kind ECC_NIST_P256 or RSA in evidence.kms_key",
            )
        return known["Arn"], algorithm


def _digest(message: bytes) -> bytes:
    return hashlib.sha256(message).digest()
