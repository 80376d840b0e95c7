"""Which pages are open at whose screen just now."""

from django.contrib import admin
from django.utils.safestring import SafeString

from accounts.models import Presence

from .base import ReadOnlyAdmin, local_time


@admin.register(Presence)
class PresenceAdmin(ReadOnlyAdmin):
    """Who looked at which account within the last minutes; it warns colleagues, and is forgotten by the hour."""

    list_display = ("page", "user", "seen")
    list_select_related = ("user",)
    fields = list_display
    readonly_fields = fields
    empty_words = "Nobody has opened an account within the last hour."
    empty_link = ("Accounts", "admin:accounts_account_changelist")

    @admin.display(description="opened (UTC)", ordering="seen_at")
    def seen(self, row: Presence) -> SafeString | str:
        """Return when it was opened last."""
        return local_time(row.seen_at)
