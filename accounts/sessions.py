"""Where sessions are kept: in a table that knows whose they are, so that all of somebody's can be ended at once."""

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db.models import Exists, OuterRef

from billing_project.kernel import clock


class SessionStore(DatabaseStore):
    """Keep sessions in :class:`accounts.models.BrowserSession`."""

    # Whether the member of staff it belongs to has codes from a phone by now, as of when the session was read.
    has_codes = False

    @classmethod
    def get_model_class(cls) -> Any:
        """Return the model of a session; it is asked for late, since models load after settings."""
        from accounts.models import BrowserSession

        return BrowserSession

    def _get_session_from_db(self) -> Any:
        """Return the row of a session, and note in the same query whether its user has a second factor by now."""
        from allauth.mfa.models import Authenticator

        codes = Authenticator.objects.filter(user=OuterRef("user"), type=Authenticator.Type.TOTP)
        rows = self.model.objects.annotate(has_codes=Exists(codes))
        row = rows.filter(session_key=self.session_key, expire_date__gt=clock.real_now()).first()
        if row is None:
            self._session_key = None
        else:
            self.has_codes = row.has_codes
        return row

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        """Return the row of a session, with the member of staff it belongs to."""
        row = super().create_model_instance(data)
        user_id = str(data.get(SESSION_KEY) or "")
        row.user_id = int(user_id) if user_id.isdigit() else None  # type: ignore[attr-defined]
        return row
