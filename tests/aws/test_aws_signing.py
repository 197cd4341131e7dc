"""Signatures by keys of the sandbox's KMS, and files in its buckets."""

from __future__ import annotations

import pytest
from aws.account import Account
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from pipeline.errors import AccessDenied, NotPossible, RebakeError
from pipeline.model.evidence import Signature


@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "RSA_2048"])
def test_a_key_knows_its_own_signatures(account: Account, spec: str) -> None:
    """Of both kinds: true, false, and another key's."""
    signer, other = account.signer(spec), account.signer()
    signature = signer.sign(b"words" * 1000)  # KMS takes no message as long as that, only its digest
    assert signer.verify(b"words" * 1000, signature) is True
    assert signer.verify(b"other words", signature) is False
    assert other.verify(b"words" * 1000, signature) is None


def test_who_has_the_public_key_needs_no_kms(account: Account) -> None:
    """A signature is the usual one of the message, so that any verifier can check it."""
    signature = account.signer().sign(b"words")
    public = load_der_public_key(account.clients.kms.get_public_key(KeyId=signature.key)["PublicKey"])
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(signature.value, b"words", ec.ECDSA(hashes.SHA256()))


def test_a_key_that_cannot_sign_is_told(account: Account) -> None:
    """One for encryption, or none that is there, or one that may not be used."""
    with pytest.raises(NotPossible, match="cannot sign evidence"):
        account.signer("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").sign(b"words")
    signer = account.signer()
    account.cloud.deny("kms:Verify")
    with pytest.raises(AccessDenied, match="kms:Verify"):
        signer.verify(b"words", signer.sign(b"words"))
    account.cloud.allow_all()
    key = signer.sign(b"words").key
    account.clients.kms.disable_key(KeyId=key.rpartition("/")[2])
    with pytest.raises(NotPossible, match="DisabledException"):
        signer.verify(b"words", Signature(key=key, value=b""))


def test_files_come_back_as_they_were_put(account: Account) -> None:
    """The last one counts; one that is not there is none, and a bucket that is not there is told."""
    with pytest.raises(RebakeError, match="NoSuchBucket"):
        account.objects.get("ami-1/packages.json")
    account.bucket()
    assert account.objects.get("ami-1/packages.json") is None
    account.objects.put("ami-1/packages.json", b"old")
    account.objects.put("ami-1/packages.json", b"new")
    assert account.objects.get("ami-1/packages.json") == b"new"
