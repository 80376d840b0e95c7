"""The outbox of letters, the attempts to send them, and what the simulated channel got."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.models import InboundMessage, Notice, NoticeAttempt, ProviderEvent, SimulatedMessage
from accounts.outreach.dispatch import dispatch_notices
from billing_project.kernel import clock

from .base import (
    BAD,
    GOOD,
    NOTE,
    NOTHING,
    QUIET,
    WARN,
    ReadOnlyAdmin,
    ReadOnlyTabular,
    admin_link,
    local_time,
    state_badge,
)
from .confirm import confirm_pass
from .moments import local_column
from .notice_actions import NoticeActions

NOTICE_TONES = {
    "queued": NOTE, "claimed": NOTE, "sending": NOTE, "accepted": GOOD, "delivered": GOOD,
    "bounced": BAD, "failed": BAD, "rejected": BAD, "ambiguous": WARN,
    "parked": BAD, "cancelled": QUIET, "not_sent": QUIET,
}  # fmt: skip


class NoticeAttemptInline(ReadOnlyTabular):
    """Each call to a provider for the notice."""

    model = NoticeAttempt
    fields = ("at", "outcome", "provider_id", "detail")
    tab = False
    verbose_name_plural = "attempts"


class ProviderEventInline(ReadOnlyTabular):
    """What the provider reported about the notice, the newest first."""

    model = ProviderEvent
    fields = ("happened_at", "kind", "detail", "outcome")
    tab = False
    verbose_name_plural = "reports of the provider"


class AnswerInline(ReadOnlyTabular):
    """What the customer answered."""

    model = InboundMessage
    fk_name = "notice"
    fields = ("received_at", "from_address", "words", "state")
    readonly_fields = ("words",)
    tab = False
    verbose_name_plural = "answers"

    @admin.display(description="message")
    def words(self, message: InboundMessage) -> SafeString | str:
        """Return how the answer begins, as a link to it."""
        return admin_link(message, message.text[:120] or message.subject or "(no words)")


def files_of(attached: list[dict[str, Any]]) -> SafeString | str:
    """Return names and sizes of attached files."""
    rows = ((file["name"], filesizeformat(file["bytes"])) for file in attached)
    return format_html_join(", ", "{} ({})", rows) or NOTHING


def letter(body: str) -> SafeString:
    """Return a text as it was written, line by line."""
    return format_html('<pre class="desk-letter">{}</pre>', body)


@admin.register(Notice)
class NoticeAdmin(NoticeActions, ReadOnlyAdmin):
    """Letters: written before anything is sent, and never sent twice (D8)."""

    list_display = (
        "subject_or_text",
        "account_shown",
        "channel",
        "to_address",
        "state_shown",
        "due",
        "attempts",
        "why",
    )
    list_select_related = ("account",)
    list_filter = ("state", "channel", "template", "language")
    search_fields = ("to_address", "subject", "account__number", "account__name", "provider_id")
    date_hierarchy = "created_at"
    inlines = (NoticeAttemptInline, ProviderEventInline, AnswerInline)
    actions_list = ("send_now",)
    actions_detail = NoticeActions.notice_actions
    empty_words = "Notices are written by policy steps, such as “notice by email at due”. Run a check to see some."
    empty_link = ("Policies", "admin:delinquency_policy_changelist")
    fieldsets = (
        (None, {"fields": ("account", "contact", "to_address", "channel", "language", "subject", "letter", "files")}),
        ("State", {"fields": ("state_shown", "why", "due", "accepted", "ended", "attempts", "provider_id")}),
        ("What made it", {"fields": ("template", "anchor_key", "step_key", "occurrence", "created_at", "other")}),
    )
    readonly_fields = ("letter", "files", "state_shown", "due", "accepted", "ended", "other")

    @admin.display(description="attached")
    def files(self, notice: Notice) -> SafeString | str:
        """Return names and sizes of the files that went with it."""
        return files_of(notice.attached)

    def get_inlines(self, request: HttpRequest, obj: Notice | None = None) -> list[Any]:
        """Leave out the tables that have nothing to show."""
        found = list(super().get_inlines(request, obj))
        if obj is not None and not obj.provider_events.exists():
            found.remove(ProviderEventInline)
        if obj is not None and not obj.answers.exists():
            found.remove(AnswerInline)
        return found

    @action(description="Send what is due", icon="send", permissions=["operate"])
    def send_now(self, request: HttpRequest) -> HttpResponse:
        """Ask for confirmation, and make one pass over the outbox."""
        return confirm_pass(
            self, request, title="Send what is due", submit="Send now", carry_out=lambda: dispatch_notices(clock.now()),
            words="The worker does this each minute. Quiet hours and last-minute vetoes hold here as well.",
        )  # fmt: skip

    @admin.display(description="notice", ordering="template")
    def subject_or_text(self, notice: Notice) -> str:
        """Return the subject, or how the text begins."""
        return notice.subject or f"{notice.body[:60]}…"

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, notice: Notice) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(notice.account)

    @admin.display(description="state", ordering="state")
    def state_shown(self, notice: Notice) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(notice, NOTICE_TONES)

    @admin.display(description="due", ordering="due_at")
    def due(self, notice: Notice) -> SafeString | str:
        """Return when it may go out, in the account's time."""
        return local_time(notice.due_at, notice.account.timezone)

    @admin.display(description="accepted by the provider")
    def accepted(self, notice: Notice) -> SafeString | str:
        """Return when the provider took it, in the account's time."""
        return local_time(notice.accepted_at, notice.account.timezone)

    @admin.display(description="delivered, bounced or failed")
    def ended(self, notice: Notice) -> SafeString | str:
        """Return when that was, in the account's time."""
        return local_time(notice.ended_at, notice.account.timezone)

    @admin.display(description="the same letter")
    def other(self, notice: Notice) -> SafeString | str:
        """Return the letters written because of this one, and the one it was written for."""
        before = [notice.fallback_of] if notice.fallback_of else []
        same = Notice.objects.filter(
            account=notice.account_id, anchor_key=notice.anchor_key, step_key=notice.step_key
        ).exclude(pk=notice.pk)
        rows = {row.pk: row for row in (*before, *same.order_by("pk")[:20])}
        links = ((admin_link(row, f"{row.get_channel_display()}, {row.get_state_display()}"),) for row in rows.values())
        return format_html_join(" · ", "{}", links) or NOTHING

    @admin.display(description="text")
    def letter(self, notice: Notice) -> SafeString:
        """Return the very text that is sent."""
        return letter(notice.body)


@admin.register(SimulatedMessage)
class SimulatedMessageAdmin(ReadOnlyAdmin):
    """What was “sent”: the simulated channel's own pile."""

    list_display = ("what", "channel", "to_address", "accepted")
    list_filter = ("channel",)
    search_fields = ("to_address", "subject", "body", "key")
    date_hierarchy = "accepted_at"
    empty_words = "Nothing was sent yet. Waiting notices go out each minute while the worker runs."
    empty_link = ("Waiting notices", "admin:accounts_notice_changelist")
    fields = ("key", "channel", "to_address", "subject", "letter", "files", "accepted")
    readonly_fields = ("letter", "files", "accepted")

    @admin.display(description="message", ordering="subject")
    def what(self, message: SimulatedMessage) -> str:
        """Return the subject, or how the text begins."""
        return message.subject or f"{message.body[:70]}…"

    @admin.display(description="taken at (UTC)", ordering="accepted_at")
    def accepted(self, message: SimulatedMessage) -> SafeString | str:
        """Return when that outside world took it."""
        return local_time(message.accepted_at)

    @admin.display(description="text")
    def letter(self, message: SimulatedMessage) -> SafeString:
        """Return the very text that was sent."""
        return letter(message.body)

    @admin.display(description="attached")
    def files(self, message: SimulatedMessage) -> SafeString | str:
        """Return names and sizes of the files that came with it."""
        return files_of(message.attached)


@admin.register(NoticeAttempt)
class NoticeAttemptAdmin(ReadOnlyAdmin):
    """Every call to a provider."""

    list_display = ("called", "notice", "outcome", "provider_id", "detail")
    list_select_related = ("notice__account",)
    list_filter = ("outcome",)
    search_fields = ("provider_id", "detail", "notice__to_address")
    date_hierarchy = "at"
    empty_words = "No provider was called yet."
    called = local_column("at", "called", account="notice__account")

    def get_model_perms(self, _request: Any) -> dict[str, bool]:
        """Keep it out of menus: it is read on the notice's page."""
        return {}
