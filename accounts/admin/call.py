"""Calls made and received."""

from django.contrib import admin
from django.utils.safestring import SafeString

from accounts.models import CallRecord

from .base import BAD, GOOD, NOTE, ReadOnlyAdmin, admin_link, local_time, state_badge

OUTCOME_TONES = {
    "calling": NOTE, "reached": GOOD, "refused": BAD, "voicemail": NOTE, "busy": NOTE, "no_answer": NOTE,
    "failed": BAD, "wrong_number": BAD,
}  # fmt: skip


@admin.register(CallRecord)
class CallRecordAdmin(ReadOnlyAdmin):
    """Every attempt to call somebody, by staff or by a voice notice (SEC-17)."""

    list_display = ("when", "account_shown", "contact", "number", "outcome_shown", "by", "note")
    list_select_related = ("account", "contact", "by")
    list_filter = ("outcome", "inbound")
    search_fields = ("number", "account__number", "account__name", "contact__name", "note")
    date_hierarchy = "at"
    empty_words = "Nobody was called yet. Calls are noted on the list of calls to make, and on tickets."
    empty_link = ("Calls to make", "admin:delinquency_calltask_changelist")
    fields = ("account_shown", "contact", "number", "when", "outcome_shown", "inbound", "by", "note", "notice")
    readonly_fields = ("account_shown", "when", "outcome_shown")

    @admin.display(description="when", ordering="at")
    def when(self, call: CallRecord) -> SafeString | str:
        """Return when, in the account's time."""
        return local_time(call.at, call.account.timezone)

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, call: CallRecord) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(call.account)

    @admin.display(description="outcome", ordering="outcome")
    def outcome_shown(self, call: CallRecord) -> SafeString:
        """Return the outcome in words and colour."""
        return state_badge(call, OUTCOME_TONES, "outcome")
