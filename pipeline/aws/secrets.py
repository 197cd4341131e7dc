"""Secrets, from SSM SecureString parameters and Secrets Manager."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.aws.failures import translated
from pipeline.aws.session import Clients
from pipeline.errors import NotPossible
from pipeline.model.settings import Secret


class AwsSecrets:
    """The port `Secrets`; values pass through. ``learn`` is told each one, to mask it wherever text is kept."""

    def __init__(self, clients: Clients, learn: Callable[[str], None] = lambda _: None) -> None:
        self._clients = clients
        self._learn = learn

    def reveal(self, secret: Secret) -> str:
        """Fetch the value.

        Raises:
            NotFound: there is no such secret.
            NotPossible: it is binary.
        """
        value = self._parameter(secret.name) if secret.service == "ssm" else self._secret(secret.name)
        self._learn(value)
        return value

    @translated("ssm")
    def _parameter(self, name: str) -> str:
        return self._clients.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"].get("Value", "")

    @translated("secretsmanager")
    def _secret(self, name: str) -> str:
        value: str | None = self._clients.secretsmanager.get_secret_value(SecretId=name).get("SecretString")
        if value is None:
            raise NotPossible(f"The secret {name} is binary.", hint="keep it as text")
        return value
