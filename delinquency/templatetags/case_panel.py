"""Tags that tell where an account stands, for the portal's pages."""

from typing import Any

from django import template
from django.template import Context

from accounts.models import Account
from delinquency.customer_tickets import subject_of, tickets_of
from delinquency.glance import FOR_CUSTOMERS, Glance, Step, glance, upcoming
from delinquency.models import Dispute, Ticket
from delinquency.next_words import sentences
from invoicing.models import Invoice

register = template.Library()
STEPS_SHOWN = 5
TICKETS_SHOWN = 5


@register.simple_tag
def standing_of(account: Account) -> Glance:
    """Return an account at a glance, read once for a page."""
    seen = getattr(account, "_glance", None)
    if seen is None:
        seen = glance(account)
        account._glance = seen  # type: ignore[attr-defined]
    return seen


@register.inclusion_tag("portal/status_box.html")
def status_box(account: Account) -> dict[str, Any]:
    """Show whether service is limited, why, and exactly how much brings it back."""
    return {"at": standing_of(account), "account": account}


@register.simple_tag
def next_steps(account: Account) -> list[Step]:
    """Return what a customer is to expect if nothing is paid, soonest first."""
    steps = upcoming(account, standing_of(account).standing, most=40)
    return [step for step in steps if step.kind in FOR_CUSTOMERS][:STEPS_SHOWN]


@register.simple_tag
def next_sentences(account: Account) -> list[str]:
    """Return what comes next if nothing is paid, each step as a whole sentence with its date, soonest first."""
    return sentences(next_steps(account), standing_of(account))


@register.simple_tag(takes_context=True)
def dispute_of(context: Context, invoice: Invoice) -> Dispute | None:
    """Return the newest dispute of an invoice, or None; read once for all invoices of the page's account."""
    account: Account = context["account"]
    seen = getattr(account, "_disputes", None)
    if seen is None:
        rows = Dispute.objects.filter(account=account).select_related("invoice").order_by("opened_at", "pk")
        seen = {row.invoice_id: row for row in rows}
        account._disputes = seen  # type: ignore[attr-defined]
    found: Dispute | None = seen.get(invoice.pk)
    return found


@register.simple_tag
def open_tickets(account: Account) -> list[tuple[Ticket, str]]:
    """Return the tickets of a customer that are not closed, with what each is about."""
    rows = tickets_of(account).exclude(state=Ticket.State.CLOSED)[:TICKETS_SHOWN]
    return [(row, subject_of(row)) for row in rows]
