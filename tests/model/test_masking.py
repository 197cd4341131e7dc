"""Secrets do not come through, however they are written."""

from __future__ import annotations

import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.masking import Masker, credentials

SECRETS = st.text(min_size=4).filter(lambda text: text.strip("*"))


@given(st.text(), st.text(min_size=1), st.text())
def test_masking_leaves_no_secret(before: str, secret: str, after: str) -> None:
    """Whatever surrounds it, a secret does not come through (the mask itself is no secret)."""
    masked = Masker([secret]).mask(before + secret + after)
    assert secret not in masked.replace("***", "") or secret in "***"


def test_masking_knows_how_secrets_are_written() -> None:
    """A secret in JSON, over several lines, or with what looks like an escaped newline is found too."""
    masker = Masker(["line one\nline two", 'qu"ote', "back\\nslash", ""])
    shown = masker.mask('["line one", "line two"] "qu\\"ote" ' + "back\nslash")
    assert shown == '["***", "***"] "***" ***'


@given(SECRETS)
def test_masking_knows_json_xml_and_urls(secret: str) -> None:
    """Whatever the secret is made of, what was written of it is replaced as a whole."""
    masker = Masker([secret])
    for written in (json.dumps(secret), json.dumps(secret, ensure_ascii=False)):
        assert masker.mask(written) == '"***"'
    assert masker.mask(html.escape(secret)) == masker.mask(quote(secret, safe="")) == "***"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("AKIAIOSFODNN7EXAMPLE is unknown", "*** is unknown"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "aws_secret_access_key = ***"),
        ('{"SecretAccessKey": "wJalrXUtn+FEMI"}', '{"SecretAccessKey": "***"}'),
        ('{"data": "{\\"SessionToken\\": \\"FwoGZXIvYXdzEBYaD\\"}"}', '{"data": "{\\"SessionToken\\": \\"***\\"}"}'),
        ("?X-Amz-Security-Token=FwoGZXIvYXdzEBYaD&a=b", "?X-Amz-Security-Token=***&a=b"),
        ("postgres://web:s3cret@db/web", "postgres://***@db/web"),
        ("https://web.example.com:8080/health", "https://web.example.com:8080/health"),
        ("The security token included is invalid", "The security token included is invalid"),
    ],
)
def test_masking_knows_secrets_by_their_looks(text: str, shown: str) -> None:
    """AWS's keys and tokens, and passwords in URLs, though nobody has named them; and nothing else."""
    assert Masker().mask(text) == shown


def test_credentials_are_told_by_their_names() -> None:
    """Of variables: passwords, tokens and keys that are long enough, and passwords in URLs; not places."""
    named = {
        "DEPLOY_TOKEN": "long-enough",
        "db_password": "long-enough-2",
        "API_KEY": "short",
        "SSH_AUTH_SOCK": "/run/agent.sock",
        "DATABASE_URL": "postgres://web:in-the-url@db/web",
        "app_version": "2.4.1-rc.1",
        "retries": 12345678,
    }
    assert credentials(named) == ("long-enough", "long-enough-2", "in-the-url")
