"""What came in: letters from customers, reports of providers; and the addresses that are left alone."""

from django.contrib import admin
from django.utils.safestring import SafeString

from accounts.models import InboundAttachment, InboundMessage, ProviderEvent, Suppression

from .base import (
    BAD,
    GOOD,
    NOTE,
    QUIET,
    WARN,
    ReadOnlyAdmin,
    ReadOnlyTabular,
    admin_link,
    badge,
    local_time,
    state_badge,
)
from .notice import letter

INBOUND_TONES = {"filed": GOOD, "unknown": WARN, "handled": NOTE, "ignored": QUIET}


@admin.register(Suppression)
class SuppressionAdmin(ReadOnlyAdmin):
    """Addresses that are left alone, and why (R-10)."""

    list_display = ("address", "channel", "reason", "words", "since", "state", "lifted_why")
    list_filter = ("channel", "reason")
    search_fields = ("address", "words")
    date_hierarchy = "since_at"
    empty_words = "No address is left alone. Bounces, complaints and STOP fill this list by themselves."
    fields = ("address", "channel", "reason", "words", "since", "by", "state", "lifted_by", "lifted_why")
    readonly_fields = ("since", "state")

    @admin.display(description="since (UTC)", ordering="since_at")
    def since(self, row: Suppression) -> SafeString | str:
        """Return since when."""
        return local_time(row.since_at)

    @admin.display(description="state", ordering="lifted_at")
    def state(self, row: Suppression) -> SafeString:
        """Tell whether it is still left alone."""
        return badge("may be used again", QUIET) if row.lifted_at else badge("left alone", BAD)


@admin.register(ProviderEvent)
class ProviderEventAdmin(ReadOnlyAdmin):
    """What providers reported about our letters, each once (R-08)."""

    list_display = ("received_at", "provider", "kind", "notice", "outcome", "detail")
    list_select_related = ("notice",)
    list_filter = ("provider", "kind")
    search_fields = ("event_key", "provider_id", "detail", "notice__to_address")
    date_hierarchy = "received_at"
    empty_words = "No provider has reported anything yet. Reports come in once its webhook points here."


class AttachmentInline(ReadOnlyTabular):
    """The files that came with a letter."""

    model = InboundAttachment
    fields = ("name", "content_type", "size", "refused_why")
    tab = False


@admin.register(InboundMessage)
class InboundMessageAdmin(ReadOnlyAdmin):
    """Letters and texts from customers."""

    list_display = ("subject_or_text", "from_address", "channel", "state_shown", "account_shown", "when", "why")
    list_select_related = ("account",)
    list_filter = ("state", "channel", "provider")
    search_fields = ("from_address", "subject", "text", "account__number", "account__name")
    date_hierarchy = "received_at"
    inlines = (AttachmentInline,)
    empty_words = "Nobody has written yet. Answers to notices arrive here and on the customer's ticket."
    fields = (
        "from_address", "to_address", "channel", "when", "subject", "body", "state_shown", "why", "account_shown",
        "contact", "notice",
    )  # fmt: skip
    readonly_fields = ("body", "state_shown", "account_shown", "when")

    @admin.display(description="message", ordering="subject")
    def subject_or_text(self, message: InboundMessage) -> str:
        """Return the subject, or how the text begins."""
        return str(message)

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, message: InboundMessage) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(message.account)

    @admin.display(description="state", ordering="state")
    def state_shown(self, message: InboundMessage) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(message, INBOUND_TONES)

    @admin.display(description="when (UTC)", ordering="received_at")
    def when(self, message: InboundMessage) -> SafeString | str:
        """Return when it came in."""
        return local_time(message.received_at)

    @admin.display(description="text")
    def body(self, message: InboundMessage) -> SafeString:
        """Return the text as it was written."""
        return letter(message.text)
