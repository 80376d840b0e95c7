"""Tickets with their comments, and calls to make."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action

from accounts.admin.base import (
    BAD,
    GOOD,
    NOTE,
    QUIET,
    WARN,
    HistoryAdmin,
    ReadOnlyAdmin,
    admin_link,
    badge,
    staff_user,
    state_badge,
)
from accounts.admin.confirm import ReasonForm, confirm_one
from delinquency.models import CallTask, TicketComment
from delinquency.operations import desk

CALL_TONES = {"waiting": WARN, "reached": GOOD, "voicemail": NOTE, "no_answer": NOTE, "not_needed": QUIET}


class CallForm(ReasonForm):
    """Ask how a call went."""

    field_order = ("outcome", "reason")
    outcome = forms.ChoiceField(choices=[c for c in CallTask.Outcome.choices if c[0] != CallTask.Outcome.WAITING])
    reason = forms.CharField(label="Note", max_length=300, help_text="Such as “Promised to pay on Friday”.")


@admin.register(CallTask)
class CallTaskAdmin(HistoryAdmin):
    """Calls that policies ask staff to make (E3)."""

    may_add = False
    may_change = False
    list_display = ("due_on", "account_shown", "contact", "phone", "outcome_shown", "why", "note")
    list_select_related = ("account", "contact")
    list_filter = ("outcome",)
    search_fields = ("account__number", "account__name", "contact__name", "contact__phone")
    date_hierarchy = "due_on"
    actions_detail = ("log",)
    empty_words = "Nobody has to be called. Policies with a call step fill this list."
    fields = ("account_shown", "contact", "phone", "due_on", "why", "outcome_shown", "outcome_by", "note")
    readonly_fields = ("account_shown", "phone", "outcome_shown")

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, task: CallTask) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(task.account)

    @admin.display(description="phone")
    def phone(self, task: CallTask) -> SafeString | str:
        """Return the number, or why it must not be called."""
        if task.contact is None or not task.contact.phone:
            return "no number"
        return task.contact.phone if task.contact.voice_allowed else badge("does not want calls", BAD)

    @admin.display(description="outcome", ordering="outcome")
    def outcome_shown(self, task: CallTask) -> SafeString:
        """Return the outcome in words and colour."""
        return state_badge(task, CALL_TONES, "outcome")

    @action(description="Note how it went", icon="call", permissions=["operate"])
    def log(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask how the call went, and note it."""

        def carry_out(task: CallTask, data: dict[str, Any]) -> str:
            noted = desk.log_call(task, data["outcome"], data["reason"], staff_user(request))
            return f"Noted: {noted.get_outcome_display()}."

        return confirm_one(
            self, request, object_id, title="Call", submit="Note it", form_class=CallForm, carry_out=carry_out,
            words=lambda task: f"{task.why} Call between 08:00 and 21:00 of the contact's own time.",
        )  # fmt: skip


@admin.register(TicketComment)
class TicketCommentAdmin(ReadOnlyAdmin):
    """Notes on tickets; read and written on the ticket's page."""

    list_display = ("at", "ticket", "author", "text", "internal")
    list_select_related = ("ticket", "author")
    list_filter = ("internal",)
    search_fields = ("text", "ticket__number")
    date_hierarchy = "at"
    empty_words = "Nobody has written a note yet."
