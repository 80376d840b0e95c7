"""Tickets with their comments, and calls to make."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
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
    ReadOnlyTabular,
    admin_link,
    badge,
    local_time,
    staff_user,
    state_badge,
)
from accounts.admin.confirm import ReasonForm, confirm_many, confirm_one
from billing_project.kernel import clock
from delinquency.models import CallTask, Ticket, TicketComment
from delinquency.operations import desk

from .panel import account_panel

TICKET_TONES = {"open": WARN, "waiting": NOTE, "closed": QUIET}
CALL_TONES = {"waiting": WARN, "reached": GOOD, "voicemail": NOTE, "no_answer": NOTE, "not_needed": QUIET}


class CommentInline(ReadOnlyTabular):
    """The notes on a ticket, in order; they are appended, never changed."""

    model = TicketComment
    fields = ("when", "who", "text", "seen_by")
    readonly_fields = fields
    tab = False
    per_page = 50
    verbose_name_plural = "notes"

    def get_queryset(self, request: HttpRequest) -> QuerySet[TicketComment]:
        """Read what the rows show in the same query."""
        return super().get_queryset(request).select_related("author", "ticket__account")  # type: ignore[no-any-return]

    @admin.display(description="when")
    def when(self, comment: TicketComment) -> SafeString | str:
        """Return when, in the account's time."""
        return local_time(comment.at, comment.ticket.account.timezone)

    @admin.display(description="who")
    def who(self, comment: TicketComment) -> str:
        """Return who wrote it."""
        return str(comment.author) if comment.author_id else "the program"

    @admin.display(description="seen by")
    def seen_by(self, comment: TicketComment) -> str:
        """Tell whether the customer sees it."""
        return "staff" if comment.internal else "staff and customer"


class NoteForm(forms.Form):
    """A note on a ticket."""

    text = forms.CharField(label="Note", widget=forms.Textarea(attrs={"rows": 4}), help_text="What was said or done.")
    for_customer = forms.BooleanField(required=False, label="The customer may read it")


class MineFilter(admin.SimpleListFilter):
    """Tickets by whose they are."""

    title = "owner"
    parameter_name = "whose"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [("mine", "mine"), ("nobody", "nobody's")]

    def queryset(self, request: HttpRequest, rows: QuerySet[Ticket]) -> QuerySet[Ticket]:
        """Narrow the list."""
        match self.value():
            case "mine":
                return rows.filter(owner_id=request.user.pk)
            case "nobody":
                return rows.filter(owner__isnull=True)
        return rows


@admin.register(Ticket)
class TicketAdmin(HistoryAdmin):
    """Unpaid accounts and the people who talk about them (E2, A26)."""

    may_add = False
    may_change = False
    list_display = (
        "number",
        "subject",
        "account_shown",
        "queue",
        "state_shown",
        "owner",
        "customer_contact",
        "opened",
        "age",
    )
    list_select_related = ("account", "owner", "customer_contact")
    list_filter = ("queue", "state", MineFilter, "is_delinquency")
    search_fields = ("number", "subject", "account__number", "account__name", "customer_contact__name")
    date_hierarchy = "opened_on"
    inlines = (CommentInline,)
    actions = ("take_chosen",)
    actions_detail = ("take", "note", "promise", "close")
    empty_words = "No ticket yet. Policies open them for unpaid accounts; payment closes them."
    fields = (
        "number", "subject", "account_shown", "state_shown", "queue", "owner", "customer_contact", "opened",
        "closed", "closed_why",
    )  # fmt: skip
    readonly_fields = ("account_shown", "state_shown", "opened", "closed")
    change_form_outer_before_template = "admin/account_panel.html"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Add the account: what it owes, what happened, what comes next."""
        ticket = self.get_object(request, object_id)
        found: dict[str, Any] = {}
        if ticket:
            found["panel"] = account_panel(ticket.account, story_rows=8, user=request.user, back=request.path)
        return super().change_view(request, object_id, form_url, {**found, **(extra_context or {})})

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, ticket: Ticket) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(ticket.account)

    @admin.display(description="state", ordering="state")
    def state_shown(self, ticket: Ticket) -> SafeString:
        """Return the state in words and colour."""
        return state_badge(ticket, TICKET_TONES)

    @admin.display(description="opened", ordering="opened_at")
    def opened(self, ticket: Ticket) -> SafeString | str:
        """Return when, in the account's time."""
        return local_time(ticket.opened_at, ticket.account.timezone)

    @admin.display(description="closed")
    def closed(self, ticket: Ticket) -> SafeString | str:
        """Return when, in the account's time."""
        return local_time(ticket.closed_at, ticket.account.timezone)

    @admin.display(description="days", ordering="opened_at")
    def age(self, ticket: Ticket) -> int:
        """Return how long it has been open."""
        end = clock.local(ticket.closed_at or clock.now(), ticket.account.timezone).date()
        return max((end - ticket.opened_on).days, 0)

    @action(description="Take", icon="pan_tool", permissions=["operate"])
    def take(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make the user the ticket's owner."""
        return confirm_one(
            self, request, object_id, title="Take ticket", submit="Take it", form_class=forms.Form,
            words="It becomes yours, and leaves the queue of others.",
            carry_out=lambda ticket, _data: f"{desk.take_ticket(ticket, staff_user(request)).number} is yours.",
        )  # fmt: skip

    @action(description="Add a note", icon="add_comment", permissions=["operate"])
    def note(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Append a note."""

        def carry_out(ticket: Ticket, data: dict[str, Any]) -> str:
            desk.comment_on_ticket(ticket, data["text"], staff_user(request), internal=not data["for_customer"])
            return "Noted."

        return confirm_one(
            self,
            request,
            object_id,
            title="Add a note",
            submit="Add it",
            form_class=NoteForm,
            words="",
            carry_out=carry_out,
        )

    def has_grant_grace_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may give more time, and so note promises (A9)."""
        return bool(request.user.has_perm("delinquency.add_gracegrant"))

    @action(description="Promise to pay", icon="handshake", permissions=["grant_grace"])
    def promise(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the account's page for promises, and come back to the ticket afterwards (D7)."""
        ticket = self.get_object(request, object_id)
        if ticket is None:
            raise Http404(f"There is no ticket {object_id}.")
        page = reverse("admin:accounts_account_promise", args=[ticket.account_id])
        return HttpResponseRedirect(f"{page}?ticket={ticket.pk}")

    @action(description="Close", icon="check", permissions=["operate"])
    def close(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a note, and close the ticket."""

        def carry_out(ticket: Ticket, data: dict[str, Any]) -> str:
            return f"{desk.close_ticket_by_hand(ticket, data['reason'], staff_user(request)).number} is closed."

        return confirm_one(
            self, request, object_id, title="Close ticket", submit="Close it", carry_out=carry_out,
            words="Closing a ticket settles nothing: what is owed stays owed, and its policy goes on.",
        )  # fmt: skip

    @admin.action(description="Take the chosen tickets", permissions=["operate"])
    def take_chosen(self, request: HttpRequest, rows: QuerySet[Ticket]) -> HttpResponse | None:
        """Make the user the owner of the chosen tickets."""
        return confirm_many(
            self, request, rows, action="take_chosen", title="Take tickets", submit="Take them", form_class=forms.Form,
            words="They become yours.", carry_out=lambda ticket, _data: desk.take_ticket(ticket, staff_user(request)),
        )  # fmt: skip


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
