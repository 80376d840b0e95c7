"""Where sessions are kept: in a table that knows whose they are, so that all of somebody's can be ended at once."""

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore


class SessionStore(DatabaseStore):
    """Keep sessions in :class:`accounts.models.BrowserSession`."""

    @classmethod
    def get_model_class(cls) -> Any:
        """Return the model of a session; it is asked for late, since models load after settings."""
        from accounts.models import BrowserSession

        return BrowserSession

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        """Return the row of a session, with the member of staff it belongs to."""
        row = super().create_model_instance(data)
        user_id = str(data.get(SESSION_KEY) or "")
        row.user_id = int(user_id) if user_id.isdigit() else None  # type: ignore[attr-defined]
        return row
