"""Secrets, taken out of text before it is shown or kept."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

_MASK = "***"
_SHORTEST_LINE = 4
_SHORTEST_CREDENTIAL = 8
"""What is shorter cannot be told from ordinary words: masked everywhere, it would only spoil what is kept."""
_NAMED = re.compile(
    r"secret|token|passw|passphrase|credential|cookie|_(pass|pwd|pat)$|(^|_)auth($|_)|(^|_)key$|(api|access)_?key",
    re.IGNORECASE,
)
_PLACE = re.compile(r"_(file|path|dir|sock|expiration)$", re.IGNORECASE)
_IN_URL = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")
_SHAPES = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"  # a key id is no secret, but leads to one
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
    r"|(?i:(?P<name>(?:secret_?access_?key|(?:session|security)[_-]?token)[\\\"']*\s*[:=]\s*[\\\"']*)[\w/+=%.-]{8,})"
)
"""What is told by its looks: AWS's keys and tokens, and passwords in URLs, whoever has printed them."""


class Masker:
    """Replaces secrets in text, also where one spans lines, or was written as JSON, XML, or in a URL."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: list[str] = []
        self.learn(*secrets)

    def learn(self, *secrets: str) -> None:
        """Mask these, too, from now on."""
        forms = set(self._forms)
        for secret in secrets:
            in_json = (json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
            in_xml = (html.escape(secret), html.escape(secret, quote=False))
            for form in (secret, *in_json, *in_xml, quote(secret, safe="")):
                # Packer escapes newlines but not backslashes: what was a backslash and an n is read back as a newline.
                for text in (form, form.replace("%!(PACKER_COMMA)", ",").replace("\\n", "\n").replace("\\r", "\r")):
                    forms |= {text, *(line for line in text.splitlines() if len(line) >= _SHORTEST_LINE)}
        self._forms = sorted(forms - {""}, key=len, reverse=True)

    def mask(self, text: str) -> str:
        """Answer the text without secrets."""
        for form in self._forms:
            text = text.replace(form, _MASK)
        return _SHAPES.sub(lambda found: f"{found['name'] or ''}{_MASK}", text)

    def within(self, value: Any) -> Any:
        """Answer a value that is to be JSON without secrets: in JSON their quotes and newlines would look otherwise."""
        if isinstance(value, Mapping):
            return {self.mask(str(key)): self.within(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.within(item) for item in value]
        return value if isinstance(value, int | float | None) else self.mask(str(value))


def credentials(*named: Mapping[str, object]) -> tuple[str, ...]:
    """Pick the values that look like credentials, by their names (of variables) or as passwords in URLs."""
    texts = [(name, value) for one in named for name, value in one.items() if isinstance(value, str)]
    found = [value for name, value in texts if _NAMED.search(name) and not _PLACE.search(name)]
    found += [password for _, value in texts for password in _IN_URL.findall(value)]
    return tuple(value for value in found if len(value) >= _SHORTEST_CREDENTIAL)
