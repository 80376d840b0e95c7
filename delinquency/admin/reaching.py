"""Reaching a customer from the account page or a ticket: a link to pay, and calls made or received (H3, H8)."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import action

from accounts import access
from accounts.admin.base import number_of, staff_user
from accounts.admin.confirm import confirm_one
from accounts.admin.field_help import DeskForm
from accounts.models import Account, Contact, Notice
from accounts.outreach.calls import attempts_within_week, may_call
from accounts.outreach.gathering import rules_of
from accounts.outreach.suppressions import normal, suppressed
from accounts.queries import billing_contacts
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.calling import ticket_of
from delinquency.models import Ticket
from delinquency.operations import calls
from delinquency.operations.desk_replies import Way, ways_to

from .call import BUTTONS

BY_PHONE_FIRST = ("sms", "email")


def link_ways(account: Account) -> list[Way]:
    """Return the channels by which the billing contact gets a link, text first, and why not by the others."""
    contact = billing_contacts([account.pk]).get(account.pk)
    ways = sorted(ways_to(contact), key=lambda way: BY_PHONE_FIRST.index(way.channel))
    listed = suppressed((way.channel, way.address) for way in ways)
    return [
        Way(
            way.channel, way.address, way.refused_why or listed.get((way.channel, normal(way.channel, way.address)), "")
        )
        for way in ways
    ]


class LinkForm(DeskForm):
    """By which channel a link to pay goes."""

    channel = forms.ChoiceField(widget=forms.RadioSelect, label="Goes by")

    def __init__(self, data: Any = None, *, account: Account) -> None:
        ways = link_ways(account)
        open_ways = [way for way in ways if not way.refused_why]
        super().__init__(data, initial={"channel": open_ways[0].channel if open_ways else ""})
        field: Any = self.fields["channel"]
        field.choices = [(way.channel, way.words) for way in open_ways]
        closed = " ".join(way.words for way in ways if way.refused_why)
        field.help_text = closed if ways else "The account has no billing contact; add one with an address first."
        field.error_messages["required"] = "Nobody can be sent a link: write an address on the contact's page first."


class CallForm(DeskForm):
    """A call with somebody of the account: who, who called, and how it went."""

    contact = forms.ModelChoiceField(Contact.objects.none(), empty_label=None, label="With")
    outcome = forms.ChoiceField(
        widget=forms.RadioSelect, choices=[(value, words) for value, words, _key in BUTTONS], label="How it went"
    )
    inbound = forms.BooleanField(
        required=False, label="They called us", help_text="Counts as a talk, and not as a call of ours."
    )
    note = forms.CharField(max_length=300, required=False, help_text="Such as “Pays on Friday”.")

    def __init__(self, data: Any = None, *, account: Account) -> None:
        super().__init__(data)
        choices: Any = self.fields["contact"]
        choices.queryset = Contact.objects.filter(account=account).order_by("-is_billing_contact", "name")
        choices.label_from_instance = lambda person: f"{person.name}, {person.phone or 'no number'}"


class ReachActions:
    """The buttons of an account's page that reach its people; a ticket's page links to the same pages."""

    def has_help_caller_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may help a caller: more time, a link to pay (A9)."""
        return bool(request.user.has_perm("delinquency.grant_grace"))

    def has_log_call_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether the user may make calls and note them."""
        return bool(request.user.has_perm("delinquency.log_call"))

    @action(description="Send pay link", icon="link", permissions=["help_caller"])
    def pay_link(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send the billing contact a link to the portal, by text unless another channel is chosen (H3)."""

        def carry_out(account: Account, data: dict[str, Any]) -> str:
            sent = access.send_link(account, channels=(data["channel"],))
            if not sent:
                raise Refused(
                    "too_many_links", "Three links went out to this customer within the hour; wait a little with more."
                )
            kept = [notice for notice in sent if notice.state in (Notice.State.NOT_SENT, Notice.State.PARKED)]
            if kept:
                raise Refused("link_not_sent", f"The link was not sent. {kept[0].why}")
            return f"A link is on its way by {sent[0].get_channel_display()} to {sent[0].to_address}."

        return confirm_one(
            _page(self), request, object_id, title="Send pay link", submit="Send it", form_class=LinkForm,
            form_kwargs=_of_account, carry_out=carry_out, back=lambda account: _back(request, account),
            words="The billing contact gets a link to see and pay, good for 60 days. It goes at once, at any hour.",
        )  # fmt: skip

    @action(description="Log a call", icon="call", permissions=["log_call"])
    def log_call(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Note a call that was made or received (H8)."""
        ticket = Ticket.objects.filter(pk=number_of(request.GET.get("ticket")), account=number_of(object_id)).first()

        def carry_out(account: Account, data: dict[str, Any]) -> str:
            contact = data["contact"]
            contact.account = account
            record = calls.log_call(
                contact, data["outcome"], by=staff_user(request), note=data["note"], inbound=data["inbound"],
                ticket=ticket,
            )  # fmt: skip
            words = f"Noted: {contact.name}, {record.get_outcome_display()}. {_counter(account)}"
            running = ticket or ticket_of(account)
            if record.outcome != "reached" or not request.user.has_perm("delinquency.grant_grace"):
                return words
            page = reverse("admin:accounts_account_promise", args=[account.pk])
            link = f"{page}?ticket={running.pk}" if running else page
            return format_html('{} <a class="desk-link" href="{}">Note a promise to pay</a>', words, link)

        return confirm_one(
            _page(self), request, object_id, title="Log a call", submit="Note it", form_class=CallForm,
            form_kwargs=_of_account, carry_out=carry_out, back=lambda account: _back(request, account),
            words=_counter, facts=_who_may_be_called,
        )  # fmt: skip


def _page(buttons: object) -> Any:
    return buttons


def _of_account(account: Account) -> Mapping[str, Any]:
    return {"account": account}


def _counter(account: Account) -> str:
    """Return the counter of calls: 3 of 7 in 7 days."""
    count = attempts_within_week([account.pk]).get(account.pk, 0)
    return f"Calls to this customer: {count} of {rules_of(account.company).calls_max} in 7 days."


def _who_may_be_called(account: Account) -> list[str]:
    """Say of each contact who must not be called now why, and from when it is allowed."""
    people = list(Contact.objects.filter(account=account).select_related("account__company__outreach_rules"))
    verdicts = may_call([person for person in people if person.phone], clock.now())
    found = [calls.why_refused(person, verdicts.get(person.pk)) for person in people]
    return [words for words in found if words]


def _back(request: HttpRequest, account: Account) -> str:
    """Return where to go afterwards: the ticket that the user came from, or the account."""
    ticket = Ticket.objects.filter(pk=number_of(request.GET.get("ticket")), account=account).first()
    if ticket is not None:
        return reverse("admin:delinquency_ticket_change", args=[ticket.pk])
    return reverse("admin:accounts_account_change", args=[account.pk])
