"""What can be done with one ticket by a click: each verb a small page of its own, and a button on the ticket's."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.http import urlencode
from unfold.decorators import action

from accounts.admin.base import number_of, staff_user
from accounts.admin.confirm import DayField, confirm_one
from accounts.admin.field_help import DeskForm
from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.models import Macro, Ticket, TicketQueue
from delinquency.operations import desk
from delinquency.operations.desk_macros import run_macro, try_macro
from delinquency.operations.desk_merge import merge_ticket, undo_merge
from delinquency.operations.desk_next import take_next
from delinquency.ticketing import most_urgent_first, note_presence, others_on, overview

from .ticket_page import presence_words

WORK, REPLY, MERGE = "delinquency.work_ticket", "delinquency.reply_ticket", "delinquency.merge_ticket"


class NoteForm(DeskForm):
    """A note on a ticket."""

    text = forms.CharField(label="Note", widget=forms.Textarea(attrs={"rows": 4}), help_text="What was said or done.")
    for_customer = forms.BooleanField(required=False, label="The customer may read it")


class HandOverForm(DeskForm):
    """To which queue or colleague, and why."""

    queue = forms.ModelChoiceField(
        TicketQueue.objects.all(), required=False, empty_label="– stays –",
        help_text="In another queue it belongs to nobody until somebody there takes it.",
    )  # fmt: skip
    owner = forms.ModelChoiceField(
        User.objects.filter(is_active=True, is_staff=True), required=False, empty_label="– nobody –", label="Colleague"
    )
    note = forms.CharField(
        max_length=300, required=False, help_text="What they should know. How the account stands is attached by itself."
    )


class PriorityForm(DeskForm):
    """How urgent it is."""

    priority = forms.TypedChoiceField(choices=Ticket.Priority.choices, coerce=int, initial=Ticket.Priority.NORMAL)


class WaitForm(DeskForm):
    """For how long, and for what."""

    until_on = DayField(required=False, label="Until", help_text="Opens again by itself on this day. Blank: open end.")
    why = forms.CharField(max_length=200, required=False, label="For what", help_text="Such as “bank transfer”.")


class MergeForm(DeskForm):
    """Into which ticket."""

    target = forms.CharField(max_length=20, label="Into ticket", help_text="Its number, such as T-000042.")

    def clean_target(self) -> Ticket:
        """Return the ticket of that number."""
        number = self.cleaned_data["target"].strip().upper()
        found = Ticket.objects.select_related("account").filter(number=number).first()
        if found is None:
            raise forms.ValidationError(f"There is no ticket {number}; its number stands at the top of its page.")
        return found


Verb = Callable[[HttpRequest, str], HttpResponse]


class TicketVerbs:
    """The addresses of the verbs; each asks whether the user may."""

    def get_urls(self) -> list[Any]:
        """Add the verbs' pages before the admin's own."""
        site: Any = self.admin_site  # type: ignore[attr-defined]
        verbs: dict[str, tuple[Verb, str]] = {
            "take": (self.take, WORK), "hand_over": (self.hand_over, WORK), "note": (self.note, WORK),
            "priority": (self.priority, WORK), "wait": (self.wait, WORK), "close": (self.close, WORK),
            "reopen": (self.reopen, WORK), "watch": (self.watch, WORK),
            "merge": (self.merge, MERGE), "unmerge": (self.unmerge, MERGE),
            "promise": (self.promise, "delinquency.grant_grace"), "ping": (self.ping, WORK),
        }  # fmt: skip
        found = [
            path(
                f"<path:object_id>/{name.replace('_', '-')}/",
                site.admin_view(_only_with(permission, verb)),
                name=f"delinquency_ticket_{name}",
            )
            for name, (verb, permission) in verbs.items()
        ]
        macro = path(
            "<path:object_id>/macro/<int:macro_id>/", site.admin_view(self.macro), name="delinquency_ticket_macro"
        )
        following = path("next/", site.admin_view(self.take_next), name="delinquency_ticket_next")
        return [following, macro, *found, *super().get_urls()]  # type: ignore[misc]

    def take(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make the user the ticket's owner."""
        return confirm_one(
            _desk(self), request, object_id, title="Take ticket", submit="Take it", form_class=forms.Form,
            words="It becomes yours, and leaves the queue of others.",
            carry_out=lambda ticket, _data: f"{desk.take_ticket(ticket, staff_user(request)).number} is yours.",
        )  # fmt: skip

    def take_next(self, request: HttpRequest) -> HttpResponse:
        """Take the most urgent ticket of the user's queues and open it; a page with the button, if only looked at."""
        if not request.user.has_perm(WORK):
            raise PermissionDenied
        home = reverse("admin:delinquency_ticket_changelist")
        if request.method == "POST":
            try:
                ticket = take_next(staff_user(request))
            except Refused as refusal:
                messages.info(request, refusal.words)
                return HttpResponseRedirect(f"{home}?view=mine", status=303)
            messages.success(request, f"{ticket.number} is yours.")
            return HttpResponseRedirect(reverse("admin:delinquency_ticket_change", args=[ticket.pk]), status=303)
        now = clock.now()
        rows = overview("unowned", Ticket.objects.select_related("account"), staff_user(request), now)
        first = most_urgent_first(rows, now).first()
        site: Any = self.admin_site  # type: ignore[attr-defined]
        context = {
            **site.each_context(request), "opts": Ticket._meta, "title": "Next ticket", "form": forms.Form(),
            "submit": "Take the next ticket", "back": f"{home}?view=mine",
            "words": f"The most urgent that nobody has: {first}, of {first.account}." if first
            else "No ticket in your queues is without an owner.",
        }  # fmt: skip
        return TemplateResponse(request, "admin/confirm.html", context)

    def hand_over(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give it to another queue or a colleague."""

        def carry_out(ticket: Ticket, data: dict[str, Any]) -> str:
            changed = desk.hand_over(
                ticket, staff_user(request), queue=data["queue"], owner=data["owner"], note=data["note"]
            )
            return f"{changed.number} is in {changed.queue} now" + (
                f", with {desk.name_of(changed.owner)}." if changed.owner else ", for whoever takes it there."
            )

        return confirm_one(
            _desk(self), request, object_id, title="Hand over", submit="Hand it over", form_class=HandOverForm,
            words="Choose a queue, a colleague, or both.", carry_out=carry_out,
        )  # fmt: skip

    def note(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Append a note."""

        def carry_out(ticket: Ticket, data: dict[str, Any]) -> str:
            desk.comment_on_ticket(ticket, data["text"], staff_user(request), internal=not data["for_customer"])
            return "Noted."

        return confirm_one(
            _desk(self), request, object_id, title="Add a note", submit="Add it", form_class=NoteForm, words="",
            carry_out=carry_out,
        )  # fmt: skip

    def priority(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Set how urgent it is."""

        def carry_out(ticket: Ticket, data: dict[str, Any]) -> str:
            changed = desk.set_priority(ticket, data["priority"], staff_user(request))
            return f"{changed.number} has {changed.get_priority_display()} priority."

        return confirm_one(
            _desk(self), request, object_id, title="Priority", submit="Set it", form_class=PriorityForm,
            words="Among tickets that are in time, the more urgent come first.", carry_out=carry_out,
        )  # fmt: skip

    def wait(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Wait for the customer."""

        def carry_out(ticket: Ticket, data: dict[str, Any]) -> str:
            desk.wait_for_customer(ticket, staff_user(request), until_on=data["until_on"], why=data["why"])
            return f"{ticket.number} waits for the customer; no answer is due meanwhile."

        return confirm_one(
            _desk(self), request, object_id, title="Wait for the customer", submit="Let it wait", form_class=WaitForm,
            words="It opens again when the customer writes, or on the day you name.", carry_out=carry_out,
        )  # fmt: skip

    def close(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a note, and close the ticket."""
        return confirm_one(
            _desk(self), request, object_id, title="Close ticket", submit="Close it",
            words="Closing a ticket settles nothing: what is owed stays owed, and its policy goes on.",
            carry_out=lambda ticket, data: (
                f"{desk.close_ticket_by_hand(ticket, data['reason'], staff_user(request)).number} is closed."
            ),
        )  # fmt: skip

    def reopen(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Open a waiting or closed ticket again."""
        return confirm_one(
            _desk(self), request, object_id, title="Open again", submit="Open it again",
            words="It goes back to its queue, and an answer is due again.",
            carry_out=lambda ticket, data: (
                f"{desk.open_again(ticket, data['reason'], staff_user(request)).number} is open again."
            ),
        )  # fmt: skip

    def watch(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Watch a ticket, or stop watching it."""

        def carry_out(ticket: Ticket, _data: dict[str, Any]) -> str:
            by = staff_user(request)
            on = not ticket.watchers.filter(pk=by.pk).exists()
            desk.watch(ticket, by, on=on)
            return f"You watch {ticket.number}: what is new in it is marked." if on else "You watch it no longer."

        return confirm_one(
            _desk(self), request, object_id, title="Watch", submit="Watch it, or stop", form_class=forms.Form,
            words="What is new in tickets that you own or watch is marked in the list.", carry_out=carry_out,
        )  # fmt: skip

    def merge(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Put it under another ticket of the same account."""

        def carry_out(ticket: Ticket, data: dict[str, Any]) -> str:
            merge_ticket(ticket, data["target"], staff_user(request))
            return f"{ticket.number} is merged into {data['target'].number}; you can take that back for 10 minutes."

        return confirm_one(
            _desk(self), request, object_id, title="Merge ticket", submit="Merge it", form_class=MergeForm,
            words="What was said here moves under the other ticket of the same account, in order, and this one closes.",
            facts=_others_of_account, carry_out=carry_out,
        )  # fmt: skip

    def unmerge(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take a merge back."""
        return confirm_one(
            _desk(self), request, object_id, title="Take the merge back", submit="Take it back",
            form_class=forms.Form, words="What was said here comes back, and the ticket is open again.",
            carry_out=lambda ticket, _data: f"{undo_merge(ticket, staff_user(request)).number} is a ticket of its own.",
        )  # fmt: skip

    def macro(self, request: HttpRequest, object_id: str, macro_id: int) -> HttpResponse:
        """Say what a macro will do, and do it."""
        if not request.user.has_perm(WORK):
            raise PermissionDenied
        macro = Macro.objects.prefetch_related("actions").filter(pk=macro_id).first()
        if macro is None:
            raise Http404(f"There is no macro {macro_id}.")
        by = staff_user(request)

        def facts(ticket: Ticket) -> list[str]:
            trial = try_macro(macro, ticket, by)
            return (
                [f"This will be refused: {trial.refused}"] if trial.refused else [f"Will {row}" for row in trial.words]
            )

        return confirm_one(
            _desk(self), request, object_id, title=str(macro), submit="Do all of it", form_class=forms.Form,
            words=macro.purpose or "All of this is done together, or none of it.", facts=facts,
            carry_out=lambda ticket, _data: f"Done: {'; '.join(run_macro(macro, ticket, by))}.",
        )  # fmt: skip

    def promise(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the account's page for promises, and come back to the ticket afterwards (D7)."""
        ticket = Ticket.objects.filter(pk=number_of(object_id)).first()
        if ticket is None:
            raise Http404(f"There is no ticket {object_id}.")
        page = reverse("admin:accounts_account_promise", args=[ticket.account_id])
        return HttpResponseRedirect(f"{page}?ticket={ticket.pk}")

    def ping(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Note that the user is still on it, and tell who else is."""
        ticket = Ticket.objects.select_related("account").filter(pk=number_of(object_id)).first()
        if ticket is None:
            raise Http404(f"There is no ticket {object_id}.")
        by = staff_user(request)
        if request.method == "POST":
            note_presence(ticket, by, request.POST.get("draft"))
        others = [presence_words(view, ticket) for view in others_on(ticket, by, clock.now())]
        return JsonResponse({"others": others, "version": ticket.version})


class NewTicketButton:
    """The button on an account's page that opens a ticket about it."""

    def has_open_ticket_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may open tickets."""
        return bool(request.user.has_perm("delinquency.add_ticket"))

    @action(description="New ticket", icon="confirmation_number", permissions=["open_ticket"], attrs={"data-key": "t"})
    def new_ticket(self, _request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the form for a new ticket, with the account filled in."""
        number = Account.objects.filter(pk=number_of(object_id)).values_list("number", flat=True).first() or ""
        return HttpResponseRedirect(f"{reverse('admin:delinquency_ticket_add')}?{urlencode({'account': number})}")


def _only_with(permission: str, verb: Verb) -> Verb:
    """Return a verb that refuses users without a permission."""

    def guarded(request: HttpRequest, object_id: str) -> HttpResponse:
        if not request.user.has_perm(permission):
            raise PermissionDenied
        return verb(request, object_id)

    return guarded


def _desk(verbs: object) -> Any:
    return verbs


def _others_of_account(ticket: Ticket) -> list[str]:
    rows = Ticket.objects.filter(account=ticket.account_id).exclude(pk=ticket.pk).exclude(state=Ticket.State.CLOSED)
    return [f"Open for this account: {row}" for row in rows] or ["No other ticket of this account is open."]
