"""Secrets, by reference."""

from __future__ import annotations

from typing import Protocol

from pipeline.model.settings import Secret


class Secrets(Protocol):
    """SSM SecureString parameters and Secrets Manager secrets."""

    def reveal(self, secret: Secret) -> str:
        """Fetch the value. The caller masks it wherever it could be shown.

        Raises:
            NotFound: there is no such secret.
        """
        ...
