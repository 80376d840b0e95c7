"""Secrets at rest: encrypted with a key from the environment, never shown again."""

from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models

from .errors import Refused


def _box() -> MultiFernet:
    """Return the cipher; the first of the comma-separated keys writes, all of them read (rotation)."""
    return MultiFernet([Fernet(key.strip()) for key in settings.FIELD_ENCRYPTION_KEY.split(",") if key.strip()])


def seal(plain: str) -> str:
    """Encrypt a text."""
    return _box().encrypt(plain.encode()).decode()


def unseal(sealed: str) -> str:
    """Decrypt a text; raises Refused if no key of FIELD_ENCRYPTION_KEY fits."""
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise Refused(
            "secret_unreadable",
            "A stored secret cannot be read with FIELD_ENCRYPTION_KEY; add the key it was written with,"
            " or enter the secret anew.",
        ) from error


class EncryptedTextField(models.TextField[str, str]):
    """A text that is encrypted in the database and plain in Python."""

    def get_prep_value(self, value: Any) -> Any:
        """Encrypt on the way in; an empty text stays empty."""
        value = super().get_prep_value(value)
        return seal(value) if value else value

    def from_db_value(self, value: str | None, _expression: object, _connection: object) -> str | None:
        """Decrypt on the way out."""
        return unseal(value) if value else value
