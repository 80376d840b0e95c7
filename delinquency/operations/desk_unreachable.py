"""Nobody of an account can be reached any more: a ticket says so, and closes by itself when somebody can."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from accounts.models import Account, Contact
from billing_project.kernel.locks import lock_row
from delinquency.models import Ticket

from . import desk
from .desk_network import close_all_obeyed
from .desk_replies import ways_to


@transaction.atomic
def note_unreachable(account_ids: Iterable[int], words: str) -> list[Ticket]:
    """Put it before staff that nobody of some accounts can be reached, and return their tickets.

    It goes onto the open ticket about the unpaid account, which becomes urgent; else onto a ticket of its own, of which
    an account has one at a time. Said again in the same words, nothing is added.
    """
    found = []
    for account_id in sorted(set(account_ids)):
        account = lock_row(Account.objects.all(), account_id)
        running = Ticket.objects.filter(account=account).exclude(state=Ticket.State.CLOSED)
        ticket = (
            running.filter(kind=Ticket.Kind.DELINQUENCY).first() or running.filter(kind=Ticket.Kind.UNREACHABLE).first()
        )
        if ticket is None:
            ticket = desk.open_ticket(
                account=account, kind=Ticket.Kind.UNREACHABLE, subject=f"{account.name} cannot be reached",
                priority=Ticket.Priority.HIGH,
            )  # fmt: skip
        _say(desk.lock_ticket(ticket), words.strip())
        found.append(ticket)
    return found


def _say(ticket: Ticket, words: str) -> None:
    if ticket.comments.filter(text=words).exists():
        return
    raised = max(ticket.priority, Ticket.Priority.HIGH)
    ticket.priority = Ticket.Priority(raised)
    desk.save_ticket(ticket, None, "cannot be reached", "priority")
    desk.add_line(ticket, words, None)


def close_reached() -> int:
    """Close the tickets of accounts whose people can be reached again, and return how many.

    Looked at with every delinquency tick: a contact of the account has an address that its channel may use.
    """
    closed = 0
    rows = Ticket.objects.filter(kind=Ticket.Kind.UNREACHABLE).exclude(state=Ticket.State.CLOSED)
    for ticket in rows:
        way = _way_of(ticket)
        if way:
            desk.close_ticket_by_hand(ticket, f"{way}.", None, how=Ticket.ClosedHow.REACHED)
            closed += 1
    return closed


def _way_of(ticket: Ticket) -> str:
    """Return by which way somebody of the account can be reached again, or an empty text."""
    contacts = Contact.objects.filter(account=ticket.account_id, is_billing_contact=True)
    for contact in contacts:
        for way in ways_to(contact):
            if not way.refused_why:
                return f"{contact.name} can be reached again by {way.words}"
    return ""


def tend_desk(at: datetime) -> int:
    """Do what the desk does by itself: open what has waited long enough, close what has come true; return how many."""
    return desk.wake_waiting(at) + close_reached() + close_all_obeyed()
