"""Which tickets a customer sees, and what each is about in their language."""

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import Account

from .models import Ticket, TicketComment

Direction = TicketComment.Direction


def tickets_of(account: Account) -> QuerySet[Ticket]:
    """Return the tickets a customer may see: not those that are only said among staff."""
    said = Count("comments", filter=Q(comments__direction__in=(Direction.IN, Direction.OUT)))
    rows = Ticket.objects.filter(account=account, merged_into__isnull=True).annotate(said=said)
    rows = rows.filter(~Q(kind__in=Ticket.AMONG_STAFF) | Q(said__gt=0)).select_related("dispute__invoice")
    return rows.order_by("-opened_at", "-pk")


def subject_of(ticket: Ticket) -> str:
    """Return what a ticket is about, in the customer's words and language."""
    if ticket.kind == Ticket.Kind.DELINQUENCY:
        return _("Unpaid invoices")
    if ticket.kind == Ticket.Kind.UNREACHABLE:
        return _("How to reach you")
    if ticket.kind == Ticket.Kind.NETWORK:
        return _("Your line")
    dispute = getattr(ticket, "dispute", None) if ticket.kind == Ticket.Kind.DISPUTE else None
    if dispute is not None:
        return _("Your dispute of invoice %(number)s") % {"number": dispute.invoice.number}
    return ticket.subject
