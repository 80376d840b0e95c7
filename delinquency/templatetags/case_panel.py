"""Tags that tell where an account stands, for the portal's pages."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import template
from django.template import Context

from accounts.models import Account
from delinquency import paying
from delinquency.customer_tickets import subject_of, tickets_of
from delinquency.glance import FOR_CUSTOMERS, Glance, Step, glance, upcoming
from delinquency.models import Dispute, Ticket
from delinquency.next_words import sentences
from delinquency.second_source import SecondSource, second_source_of
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
    """Return what a customer is to expect if nothing is paid, soonest first; two cards of one day are one charge."""
    seen: dict[tuple[object, ...], Step] = {}
    for step in _coming(account):
        if step.kind in FOR_CUSTOMERS and (step.kind != "charge" or automatic_payment(account).on):
            seen.setdefault((step.at.date(), step.kind, step.level, step.amount), step)
    return list(seen.values())[:STEPS_SHOWN]


@register.simple_tag
def automatic_payment(account: Account) -> paying.AutomaticPayment:
    """Return whether the stored cards are charged by themselves, and when next."""
    seen = getattr(account, "_automatic", None)
    if seen is None:
        seen = paying.automatic_payment(account, standing_of(account).standing, _coming(account))
        account._automatic = seen  # type: ignore[attr-defined]
    return seen


@register.simple_tag
def effect_of(account: Account, amount: Decimal, named: int | None = None) -> paying.Effect:
    """Return what a payment would do to the service: asked before it is made (P11)."""
    return paying.effect_of(account, amount, named)


@register.simple_tag
def line_news(account: Account, since: datetime | None = None) -> paying.LineNews:
    """Return how the line stands by its device's own word."""
    return paying.line_news(account, standing_of(account), since)


@register.simple_tag
def second_source(account: Account) -> SecondSource | None:
    """Return since when a second card is asked for and until when, while there is none (E7)."""
    asked = second_source_of(account.pk)
    return None if asked is None or asked.fulfilled else asked


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


def _coming(account: Account) -> list[Step]:
    """Return everything that comes if nothing is paid, read once for a page."""
    seen = getattr(account, "_coming", None)
    if seen is None:
        seen = upcoming(account, standing_of(account).standing, most=40)
        account._coming = seen  # type: ignore[attr-defined]
    return seen
