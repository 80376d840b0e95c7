"""What customers write comes onto a ticket: the one it answers, the account's open one, or a new one (point 6)."""

from django.db import transaction

from accounts.models import Account, InboundMessage
from billing_project.kernel import clock
from billing_project.kernel.locks import lock_row
from delinquency.models import Ticket, TicketComment
from delinquency.ticketing import REOPENS_FOR

from . import desk
from .desk_replies import customer_wrote

SUBJECT_LENGTH = 80
PREFIX = "ticket:"


@transaction.atomic
def file_message(inbound_id: int) -> TicketComment | None:
    """File a message from outside as a line of a ticket, once however often it is asked; None if it is nobody's."""
    message = InboundMessage.objects.select_related("notice", "contact").get(pk=inbound_id)
    if message.account_id is None:
        return None
    account = lock_row(Account.objects.all(), message.account_id)
    before = TicketComment.objects.filter(inbound=message).first()
    if before is not None:
        return before
    ticket = _ticket_of(message, account)
    if ticket is None or _is_paid(ticket):
        # A ticket that payment closed stays closed, or the next look would close it again without an answer.
        ticket = desk.open_ticket(
            account=account, kind=Ticket.Kind.QUESTION, subject=_subject(message), at=message.received_at,
            follows=ticket,
        )  # fmt: skip
    return customer_wrote(
        ticket, message.text, contact=message.contact, channel=message.channel, inbound=message,
        at=min(message.received_at, clock.now()),
    )  # fmt: skip


def _ticket_of(message: InboundMessage, account: Account) -> Ticket | None:
    """Return the ticket a message belongs to: the one it answers if that is no old matter, or else an open one."""
    answered = _answered(message, account)
    if answered is not None:
        return answered
    running = Ticket.objects.filter(account=account).exclude(state=Ticket.State.CLOSED)
    # The one in which the customer was last written to; one that is only said among staff comes last.
    newest = running.order_by("-answered_at", "-opened_at", "-pk")
    talked = newest.filter(answered_at__isnull=False).first()
    return talked or newest.exclude(kind__in=Ticket.AMONG_STAFF).first() or newest.first()


def _answered(message: InboundMessage, account: Account) -> Ticket | None:
    anchor = message.notice.anchor_key if message.notice is not None else ""
    key = anchor.removeprefix(PREFIX)
    if not anchor.startswith(PREFIX) or not key.isdigit():
        return None
    ticket = Ticket.objects.filter(pk=int(key), account=account).first()
    while ticket is not None and ticket.merged_into is not None:
        ticket = ticket.merged_into
    if ticket is None or ticket.closed_at is None:
        return ticket
    if message.received_at - ticket.closed_at > REOPENS_FOR:
        return None
    others = Ticket.objects.filter(account=account, kind=ticket.kind).exclude(state=Ticket.State.CLOSED)
    return (others.first() if ticket.kind in Ticket.SINGLE else None) or ticket


def _is_paid(ticket: Ticket) -> bool:
    return ticket.is_delinquency and ticket.closed_how == Ticket.ClosedHow.PAYMENT


def _subject(message: InboundMessage) -> str:
    words = " ".join((message.subject or message.text).split()) or "A message without words"
    return words if len(words) <= SUBJECT_LENGTH else f"{words[:SUBJECT_LENGTH]}…"
