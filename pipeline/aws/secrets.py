"""Secrets, from SSM SecureString parameters and Secrets Manager."""

from __future__ import annotations

from pipeline.aws.failures import translated
from pipeline.aws.session import Clients
from pipeline.errors import NotPossible
from pipeline.model.settings import Secret


class AwsSecrets:
    """The port `Secrets`; values pass through and are never kept."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def reveal(self, secret: Secret) -> str:
        """Fetch the value.

        Raises:
            NotFound: there is no such secret.
            NotPossible: it is binary.
        """
        return self._parameter(secret.name) if secret.service == "ssm" else self._secret(secret.name)

    @translated("ssm")
    def _parameter(self, name: str) -> str:
        return self._clients.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"].get("Value", "")

    @translated("secretsmanager")
    def _secret(self, name: str) -> str:
        value: str | None = self._clients.secretsmanager.get_secret_value(SecretId=name).get("SecretString")
        if value is None:
            raise NotPossible(f"The secret {name} is binary.", hint="keep it as text")
        return value
