"""What the desk is set up with: queues and their hours, canned replies, macros."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from accounts.admin.base import EditableTabular, HistoryAdmin, ReadOnlyAdmin
from accounts.admin.moments import local_column
from billing_project.kernel.errors import Refused
from delinquency.models import CannedReply, Macro, MacroAction, QueueHours, Ticket, TicketQueue, TicketRoute, TicketView
from delinquency.operations.desk_texts import VARIABLES, check_text


class HoursInline(EditableTabular):
    """When a queue works."""

    model = QueueHours
    fields = ("weekday", "opens", "closes")
    tab = False
    verbose_name_plural = "business hours; it is closed on the operator's exclusions"


class QueueForm(forms.ModelForm[TicketQueue]):
    """A queue, with the kinds of ticket that come to it."""

    kinds = forms.MultipleChoiceField(
        choices=Ticket.Kind.choices, required=False, widget=forms.CheckboxSelectMultiple, label="New tickets about",
        help_text="These kinds come here by themselves; each kind has one queue, so ticking one takes it from another.",
    )  # fmt: skip

    class Meta:
        model = TicketQueue
        fields = (
            "name", "purpose", "position", "timezone", "first_response_minutes", "next_response_minutes",
            "default_priority", "groups", "members",
        )  # fmt: skip
        widgets = {"groups": forms.CheckboxSelectMultiple, "members": forms.CheckboxSelectMultiple}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["kinds"] = list(self.instance.routes.values_list("kind", flat=True))


@admin.register(TicketQueue)
class TicketQueueAdmin(HistoryAdmin):
    """Queues: who sees to what, at which hours, and how soon an answer is promised."""

    form = QueueForm
    list_display = ("name", "purpose", "waiting", "first_response_minutes", "next_response_minutes", "timezone")
    search_fields = ("name", "purpose")
    inlines = (HoursInline,)
    fields = (
        "name", "purpose", "position", "kinds", "timezone", "first_response_minutes", "next_response_minutes",
        "default_priority", "groups", "members",
    )  # fmt: skip
    empty_words = "No queue. Add one, or tickets have nowhere to go."

    def get_queryset(self, request: HttpRequest) -> QuerySet[TicketQueue]:
        """Count what is open in each."""
        rows: QuerySet[TicketQueue] = super().get_queryset(request)
        return rows.annotate(open_count=Count("tickets", filter=~Q(tickets__state=Ticket.State.CLOSED), distinct=True))

    @admin.display(description="open tickets", ordering="open_count")
    def waiting(self, queue: Any) -> int:
        """Return how many tickets are open in it."""
        return int(queue.open_count)

    def save_model(self, request: HttpRequest, obj: TicketQueue, form: Any, change: bool) -> None:
        """Save a queue, and lead the kinds that were ticked to it; what was unticked stays until another takes it."""
        super().save_model(request, obj, form, change)
        for kind in form.cleaned_data["kinds"]:
            TicketRoute.objects.update_or_create(kind=kind, defaults={"queue": obj})


class CannedForm(forms.ModelForm[CannedReply]):
    """A canned reply whose variables are all known."""

    class Meta:
        model = CannedReply
        fields = ("title", "shortcut", "text_en", "text_es", "queues")
        widgets = {"queues": forms.CheckboxSelectMultiple}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "text_en" in self.fields:
            known = "; ".join(f"{{{{ {name} }}}} {words}" for name, words in VARIABLES.items())
            self.fields["text_en"].help_text = f"These are filled in for the account: {known}."

    def clean_text_en(self) -> str:
        """Pass a text that can be filled in."""
        return self._checked("text_en")

    def clean_text_es(self) -> str:
        """Pass a text that can be filled in."""
        return self._checked("text_es")

    def _checked(self, name: str) -> str:
        text = str(self.cleaned_data[name])
        try:
            check_text(text)
        except Refused as refusal:
            raise ValidationError(refusal.words)
        return text


@admin.register(CannedReply)
class CannedReplyAdmin(HistoryAdmin):
    """Texts that answer many customers."""

    form = CannedForm
    may_delete = True
    list_display = ("title", "shortcut", "only_in", "spanish", "used_count")
    search_fields = ("title", "shortcut", "text_en", "text_es")
    empty_words = "No canned reply yet. Add what you write again and again; names and amounts fill themselves in."

    def get_queryset(self, request: HttpRequest) -> QuerySet[CannedReply]:
        """Read the queues with them."""
        rows: QuerySet[CannedReply] = super().get_queryset(request)
        return rows.prefetch_related("queues")

    @admin.display(description="offered in")
    def only_in(self, canned: CannedReply) -> str:
        """Return in which queues it is offered."""
        return ", ".join(queue.name for queue in canned.queues.all()) or "all queues"

    @admin.display(description="Spanish", boolean=True)
    def spanish(self, canned: CannedReply) -> bool:
        """Tell whether it has a Spanish text."""
        return bool(canned.text_es)


class ActionsInline(EditableTabular):
    """What a macro does, in order."""

    model = MacroAction
    fields = ("position", "does", "canned", "text", "priority", "queue", "days", "weekday")
    tab = False


class MacroForm(forms.ModelForm[Macro]):
    """A macro."""

    class Meta:
        model = Macro
        fields = ("name", "purpose", "position", "queues")
        widgets = {"queues": forms.CheckboxSelectMultiple}


@admin.register(Macro)
class MacroAdmin(HistoryAdmin):
    """Several things done to a ticket by one click, all or none."""

    form = MacroForm
    may_delete = True
    list_display = ("name", "purpose", "does", "only_in", "used_count")
    search_fields = ("name", "purpose")
    inlines = (ActionsInline,)
    empty_words = "No macro yet. Add what you do together again and again, such as: answer, note a promise, wait."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Macro]:
        """Read actions and queues with them."""
        rows: QuerySet[Macro] = super().get_queryset(request)
        return rows.prefetch_related("queues", "actions")

    @admin.display(description="does")
    def does(self, macro: Macro) -> str:
        """Return what it does, in order."""
        return ", ".join(str(step) for step in macro.actions.all()) or "nothing yet"

    @admin.display(description="offered in")
    def only_in(self, macro: Macro) -> str:
        """Return in which queues it is offered."""
        return ", ".join(queue.name for queue in macro.queues.all()) or "all queues"


@admin.register(TicketRoute)
class TicketRouteAdmin(ReadOnlyAdmin):
    """Which queue new tickets of each kind go to; changed on the queue's own page."""

    list_display = ("kind", "queue")
    list_select_related = ("queue",)
    search_fields = ("kind", "queue__name")
    empty_words = "No kind has a queue of its own: all new tickets go to the first one."
    empty_link = ("Ticket queues", "admin:delinquency_ticketqueue_changelist")


@admin.register(TicketView)
class TicketViewAdmin(ReadOnlyAdmin):
    """Who had which ticket open, and when: what "somebody else is on it" and "new message" are read from."""

    list_display = ("ticket", "user", "since", "seen", "draft")
    list_select_related = ("ticket__account", "user")
    search_fields = ("ticket__number", "user__username")
    empty_words = "Nobody has opened a ticket yet."
    since = local_column("since_at", "open since", account="ticket__account")
    seen = local_column("seen_at", "seen", account="ticket__account")
