"""The ticket desk: overviews with counts, the list, actions on many, and the page of one ticket."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.base import NOTE, HistoryAdmin, admin_link, badge, local_time, number_of, staff_user
from accounts.admin.confirm import ReasonForm, confirm_many
from accounts.admin.field_help import DeskForm
from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency import ticketing
from delinquency.models import Macro, Ticket, TicketQueue
from delinquency.operations import desk
from delinquency.operations.desk_macros import may_run, run_macro, try_macro
from delinquency.operations.desk_replies import Then

from .ticket_page import (
    PRIORITY_TONES,
    ComposeForm,
    changed_words,
    due_badge,
    page_context,
)
from .ticket_verbs import PriorityForm, TicketVerbs

TRIED_MAX = 20


class ViewFilter(admin.SimpleListFilter):
    """The overviews; the tabs above the list link to them."""

    title = "overview"
    parameter_name = "view"

    def lookups(self, _request: HttpRequest, _desk: Any) -> list[tuple[str, str]]:
        """Name the choices."""
        return [(view.key, view.words) for view in ticketing.OVERVIEWS]

    def queryset(self, request: HttpRequest, rows: QuerySet[Ticket]) -> QuerySet[Ticket]:
        """Narrow the list."""
        return ticketing.overview(self.value() or "", rows, staff_user(request), clock.now())


class NewTicketForm(DeskForm):
    """What a ticket opened by hand needs."""

    account = forms.CharField(max_length=64, label="Account number", help_text="Such as 1001.")
    kind = forms.ChoiceField(
        choices=[choice for choice in Ticket.Kind.choices if choice[0] != Ticket.Kind.DELINQUENCY],
        initial=Ticket.Kind.QUESTION,
        help_text="Tickets of unpaid accounts are opened by their policy, and closed by payment.",
    )
    subject = forms.CharField(max_length=200, help_text="In a few words, such as “Wants the invoice by post”.")
    text = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 5}), required=False, label="First note", help_text="For staff only."
    )
    queue = forms.ModelChoiceField(
        TicketQueue.objects.all(), required=False, empty_label="– the usual one for its kind –"
    )
    priority = forms.TypedChoiceField(choices=Ticket.Priority.choices, coerce=int, initial=Ticket.Priority.NORMAL)
    mine = forms.BooleanField(required=False, initial=True, label="I work on it")

    def clean_account(self) -> Account:
        """Return the account of that number."""
        number = self.cleaned_data["account"].strip()
        found = Account.objects.filter(number=number).first()
        if found is None:
            raise forms.ValidationError(f"There is no account {number}; look its number up among the accounts.")
        return found


@admin.register(Ticket)
class TicketAdmin(TicketVerbs, HistoryAdmin):
    """Matters of accounts and the people who see to them (E2, A26)."""

    may_change = False
    list_display = (
        "number_shown", "subject_shown", "account_shown", "due_shown", "priority_shown", "queue", "owner_shown",
        "opened",
    )  # fmt: skip
    list_display_links = None
    list_select_related = ("account", "owner", "queue")
    list_filter = (ViewFilter, "queue", "kind", "priority", "state")
    search_fields = (
        "number", "subject", "account__number", "account__name", "customer_contact__name", "comments__text",
    )  # fmt: skip
    date_hierarchy = "opened_on"
    actions = ("take_chosen", "priority_chosen", "close_chosen")
    list_before_template = "admin/ticket_tabs.html"
    empty_words = "No ticket yet. Policies open them for unpaid accounts, customers by writing; payment closes them."

    def has_operate_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may work on tickets."""
        return bool(request.user.has_perm("delinquency.work_ticket"))

    def get_ordering(self, _request: HttpRequest) -> Any:
        """Put what should be taken next first, and what is closed last."""
        late = Case(When(answer_due_at__lt=clock.now(), then=Value(0)), default=Value(1)).asc()
        shut = Case(When(state=Ticket.State.CLOSED, then=Value(1)), default=Value(0)).asc()
        return [shut, late, "-priority", F("answer_due_at").asc(nulls_last=True), "-closed_at", "-opened_at", "-pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Ticket]:
        """Tell at once which tickets hold something their owner or watcher has not read."""
        user = staff_user(request)
        followed = Q(owner=user) | Q(pk__in=user.watched_tickets.values("pk"))
        news = followed & Q(customer_at__isnull=False) & Q(ticketing.unread_by(user))
        rows: QuerySet[Ticket] = super().get_queryset(request)
        return rows.annotate(is_news=Case(When(news, then=Value(True)), default=Value(False)))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Add the overviews with their counts, and the button for the next ticket."""
        user, now = staff_user(request), clock.now()
        counts = ticketing.counts(user, now)
        chosen = request.GET.get("view", "")
        found = {
            "tabs": [
                {"words": view.words, "count": counts[view.key], "url": f"?view={view.key}", "on": view.key == chosen}
                for view in ticketing.OVERVIEWS
            ],
            "tab_empty": next(
                (view.empty for view in ticketing.OVERVIEWS if view.key == chosen and not counts[view.key]), ""
            ),
            "next_url": reverse("admin:delinquency_ticket_next") if self.has_operate_permission(request) else "",
            "next_count": counts["unowned"],
        }
        return super().changelist_view(request, {**found, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show one ticket: the conversation, the box to answer in, and the account beside it."""
        ticket = (
            Ticket.objects.select_related(
                "account__company", "account__status", "owner", "queue", "customer_contact", "merged_into", "follows",
                "case", "opened_by",
            )
            .filter(pk=number_of(object_id))
            .first()
        )  # fmt: skip
        if ticket is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, ticket):
            raise PermissionDenied
        user = staff_user(request)
        changed: list[str] = []
        form = ComposeForm(request.POST if request.method == "POST" else None, ticket=ticket, user=user)
        if request.method == "POST":
            if not self.has_operate_permission(request):
                raise PermissionDenied
            form, changed, done = self._compose(request, ticket, form)
            if done:
                messages.success(request, done)
                where = reverse("admin:delinquency_ticket_change", args=[ticket.pk])
                return HttpResponseRedirect(f"{where}#newest", status=303)
        if self.has_operate_permission(request):
            ticketing.note_presence(ticket, user)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": str(ticket), "original": ticket,
            **page_context(request, ticket, form), "changed": changed, **(extra_context or {}),
        }  # fmt: skip
        return TemplateResponse(request, "admin/ticket_page.html", context)

    def _compose(self, request: HttpRequest, ticket: Ticket, form: ComposeForm) -> tuple[ComposeForm, list[str], str]:
        """Do what the box asks for; return the form to show again, what has changed meanwhile, and what was done."""
        wanted = request.POST.get("do", "")
        if wanted == "insert":
            try:
                return form.inserted(), [], ""
            except Refused as refusal:
                form.is_valid()
                form.add_error("canned", refusal.words)
                return form, [], ""
        if not form.is_valid():
            return form, [], ""
        try:
            return form, [], form.carry_out(Then(wanted) if wanted in set(Then) else Then.STAY)
        except Refused as refusal:
            ticket.refresh_from_db()
            changed = changed_words(ticket, form.cleaned_data["version"], staff_user(request))
            again = form.refreshed()
            again.add_error(None, refusal.words)
            return again, changed, ""

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask what a new ticket is about, and open it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        initial = {"account": request.GET.get("account", "")}
        form = NewTicketForm(request.POST if request.method == "POST" else None, initial=initial)
        if request.method == "POST" and form.is_valid():
            data, by = form.cleaned_data, staff_user(request)
            try:
                ticket = desk.open_ticket(
                    account=data["account"], kind=data["kind"], subject=data["subject"], text=data["text"], by=by,
                    queue=data["queue"], priority=data["priority"], owner=by if data["mine"] else None,
                )  # fmt: skip
            except Refused as refusal:
                form.add_error(None, refusal.words)
            else:
                messages.success(request, f"{ticket.number} is open.")
                where = reverse("admin:delinquency_ticket_change", args=[ticket.pk])
                return HttpResponseRedirect(where, status=303)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "title": "New ticket", "form": form,
            "words": "For what a customer asked, by phone or at the desk.", "submit": "Open it",
            "back": reverse("admin:delinquency_ticket_changelist"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/confirm.html", context)

    # --- columns ----------------------------------------------------------------------------------------------

    @admin.display(description="ticket", ordering="number")
    def number_shown(self, ticket: Any) -> SafeString:
        """Return the number as a link, and whether there is something new in it."""
        link = admin_link(ticket, ticket.number)
        return format_html("{} {}", link, badge("new message", NOTE)) if ticket.is_news else SafeString(link)

    @admin.display(description="account", ordering="account__number")
    def account_shown(self, ticket: Ticket) -> SafeString | str:
        """Return the account as a link."""
        return admin_link(ticket.account)

    @admin.display(description="state", ordering="answer_due_at")
    def due_shown(self, ticket: Ticket) -> SafeString:
        """Return how it stands against its deadline, or what it waits for."""
        return due_badge(ticket)

    @admin.display(description="priority", ordering="priority")
    def priority_shown(self, ticket: Ticket) -> SafeString:
        """Return how urgent it is."""
        return badge(ticket.get_priority_display(), PRIORITY_TONES[ticket.priority])

    @admin.display(description="subject", ordering="subject")
    def subject_shown(self, ticket: Ticket) -> SafeString:
        """Return the subject, with room enough to read it."""
        return format_html('<span class="desk-subject">{}</span>', ticket.subject)

    @admin.display(description="owner", ordering="owner__first_name")
    def owner_shown(self, ticket: Ticket) -> str:
        """Return who works on it."""
        return desk.name_of(ticket.owner) if ticket.owner else "nobody"

    @admin.display(description="opened", ordering="opened_at")
    def opened(self, ticket: Ticket) -> SafeString | str:
        """Return when, in the account's time."""
        return local_time(ticket.opened_at, ticket.account.timezone)

    # --- many at once -----------------------------------------------------------------------------------------

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer each macro that the user may run."""
        found: dict[str, Any] = super().get_actions(request)
        if self.has_operate_permission(request):
            for macro in Macro.objects.prefetch_related("actions"):
                if may_run(macro, staff_user(request)):
                    found[f"macro_{macro.pk}"] = (_macro_action(macro), f"macro_{macro.pk}", f"Macro: {macro}")
        return found

    @admin.action(description="Take", permissions=["operate"])
    def take_chosen(self, request: HttpRequest, rows: QuerySet[Ticket]) -> HttpResponse | None:
        """Make the user the owner of the chosen tickets."""
        return confirm_many(
            self, request, rows, action="take_chosen", title="Take tickets", submit="Take them", form_class=forms.Form,
            words="They become yours.", carry_out=lambda ticket, _data: desk.take_ticket(ticket, staff_user(request)),
        )  # fmt: skip

    @admin.action(description="Set the priority", permissions=["operate"])
    def priority_chosen(self, request: HttpRequest, rows: QuerySet[Ticket]) -> HttpResponse | None:
        """Set how urgent the chosen tickets are."""
        return confirm_many(
            self, request, rows, action="priority_chosen", title="Priority of tickets", submit="Set it",
            form_class=PriorityForm, words="All of them get it.",
            carry_out=lambda ticket, data: desk.set_priority(ticket, data["priority"], staff_user(request)),
        )  # fmt: skip

    @admin.action(description="Close", permissions=["operate"])
    def close_chosen(self, request: HttpRequest, rows: QuerySet[Ticket]) -> HttpResponse | None:
        """Close the chosen tickets."""
        return confirm_many(
            self, request, rows, action="close_chosen", title="Close tickets", submit="Close them",
            form_class=ReasonForm,
            words="Closing a ticket settles nothing: what is owed stays owed, and its policy goes on.",
            carry_out=lambda ticket, data: desk.close_ticket_by_hand(ticket, data["reason"], staff_user(request)),
        )  # fmt: skip


def _macro_action(macro: Macro) -> Any:
    """Return the list action that tries a macro on the chosen tickets, and runs it when confirmed."""

    def run(admin_of: Any, request: HttpRequest, rows: QuerySet[Ticket]) -> HttpResponse | None:
        by = staff_user(request)

        def facts(chosen: Sequence[Ticket]) -> list[str]:
            found = []
            for ticket in chosen[:TRIED_MAX]:
                trial = try_macro(macro, ticket, by)
                found.append(
                    f"{ticket.number}: {'refused: ' + trial.refused if trial.refused else '; '.join(trial.words)}"
                )
            more = len(chosen) - TRIED_MAX
            return [*found, f"… and the same for {more} more."] if more > 0 else found

        return confirm_many(
            admin_of, request, rows, action=f"macro_{macro.pk}", title=str(macro), submit="Do all of it",
            form_class=forms.Form, facts=facts,
            words="For each ticket all of it is done, or none; what is refused is said, and the others go on.",
            carry_out=lambda ticket, _data: run_macro(macro, ticket, by),
        )  # fmt: skip

    return run
