"""Sessions of browsers, with whose they are."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models

# As phones count (RFC 6238).
STEP_SECONDS = 30


class BrowserSession(AbstractBaseSession):
    """A browser that is remembered: of a member of staff, or of nobody (the portal)."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="sessions"
    )
    saved_at = models.DateTimeField(auto_now=True, help_text="When it was last written: at most a minute behind.")

    class Meta(AbstractBaseSession.Meta):
        verbose_name = "session"
        verbose_name_plural = "sessions"

    def __str__(self) -> str:
        return f"until {self.expire_date:%Y-%m-%d %H:%M} UTC"

    @classmethod
    def get_session_store_class(cls) -> Any:
        """Return what reads and writes these rows."""
        from accounts.sessions import SessionStore

        return SessionStore


class LastCode(models.Model):
    """The half minute of the last code that a member of staff has given: no code counts twice, nor an older one."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="last_code"
    )
    step = models.PositiveBigIntegerField(help_text="Half minutes since 1970.")

    def __str__(self) -> str:
        return f"{self.given_at:%Y-%m-%d %H:%M:%S} UTC"

    @property
    def given_at(self) -> datetime:
        """Return when that half minute began."""
        return datetime.fromtimestamp(self.step * STEP_SECONDS, tz=UTC)
