"""Sessions of browsers, with whose they are."""

from typing import Any

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models


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
