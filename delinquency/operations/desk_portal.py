"""What a customer does with tickets in the portal: ask, answer, say that it is solved. Pressing twice does it once."""

import uuid
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Account, Contact
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import lock_row
from billing_project.kernel.texts import mask_cards, one_line, storable
from delinquency.models import Ticket, TicketComment
from delinquency.ticketing import REOPENS_FOR

from . import desk
from .desk_replies import TEXT_LENGTH_MAX, customer_wrote

CHANNEL = "portal"
SUBJECT_LENGTH = 120
PER_DAY = 10
A_DAY = timedelta(days=1)


@transaction.atomic
def ask(account: Account, subject: str, text: str, *, once: uuid.UUID, at: datetime | None = None) -> Ticket:
    """Open a ticket with a customer's question; raises Refused without words, with a card number, or for too many."""
    moment = at or clock.now()
    lock_row(Account.objects.all(), account.pk)
    before = _written_before(account, once)
    if before is not None:
        return before
    about = one_line(subject, SUBJECT_LENGTH)
    if not about:
        raise Refused("no_subject", _("Please say in a few words what it is about."))
    body = _checked(account, text, moment)
    if mask_cards(about) != about:
        raise Refused("card_number", _card_words())
    ticket = desk.open_ticket(account=account, subject=about, kind=Ticket.Kind.QUESTION, at=moment)
    _write(ticket, body, once, moment)
    return ticket


@transaction.atomic
def answer(ticket: Ticket, text: str, *, once: uuid.UUID, at: datetime | None = None) -> Ticket:
    """Add what a customer writes to their ticket, and return the ticket it went to; staff see it at once.

    A waiting ticket, or one closed lately, opens again. Raises Refused as `ask` does, and for an old matter.
    """
    moment = at or clock.now()
    account = lock_row(Account.objects.all(), ticket.account_id)
    before = _written_before(account, once)
    if before is not None:
        return before
    now = Ticket.objects.get(pk=ticket.pk)
    if not takes_answers(now, moment):
        raise Refused("ticket_over", _("This is closed. Please ask us anew, and we look into it."))
    _write(now, _checked(account, text, moment), once, moment)
    return now


@transaction.atomic
def say_solved(ticket: Ticket) -> Ticket:
    """Close a ticket at its customer's word; one that is closed already stays as it is."""
    lock_row(Account.objects.all(), ticket.account_id)
    now = Ticket.objects.get(pk=ticket.pk)
    if now.is_closed:
        return now
    if not may_be_solved(now):
        raise Refused("closed_by_payment", _("This closes by itself when what is unpaid has been paid."))
    return desk.close_ticket_by_hand(now, "the customer says that it is solved.", None)


def takes_answers(ticket: Ticket, now: datetime) -> bool:
    """Tell whether a customer may write on a ticket: it is open, or was closed lately and not by payment (A32)."""
    if ticket.merged_into_id is not None:
        return False
    if ticket.closed_at is None:
        return True
    by_payment = ticket.closed_how == Ticket.ClosedHow.PAYMENT
    return not by_payment and ticket.kind not in Ticket.SINGLE and now - ticket.closed_at <= REOPENS_FOR


def may_be_solved(ticket: Ticket) -> bool:
    """Tell whether a customer may close a ticket; what is unpaid is solved by paying."""
    return not ticket.is_closed and ticket.kind not in Ticket.SINGLE


def _checked(account: Account, text: str, moment: datetime) -> str:
    """Return a text that may be kept; raises Refused with what is wrong and how to mend it."""
    body = storable(text).strip()
    if not body:
        raise Refused("empty", _("Please write what you would like to tell us."))
    if len(body) > TEXT_LENGTH_MAX:
        raise Refused(
            "too_long",
            _("That is %(length)s characters. Please shorten it to %(most)s.")
            % {"length": len(body), "most": TEXT_LENGTH_MAX},
        )
    if mask_cards(body) != body:
        raise Refused("card_number", _card_words())
    written = TicketComment.objects.filter(
        ticket__account=account, direction=TicketComment.Direction.IN, channel=CHANNEL, at__gt=moment - A_DAY
    )
    if written.count() >= PER_DAY:
        raise Refused(
            "too_many",
            _("You have written %(count)s times today, and we read all of it. Please call us if it is urgent.")
            % {"count": PER_DAY},
        )
    return body


def _card_words() -> str:
    return _("There is a card number in your text. Please leave it out: nobody here needs it to help you.")


def _written_before(account: Account, once: uuid.UUID) -> Ticket | None:
    """Return the ticket that this very form was sent for; None if it was not sent yet, or is another account's."""
    line = TicketComment.objects.filter(once=once).select_related("ticket").first()
    if line is None:
        return None
    if line.ticket.account_id != account.pk:
        raise Refused("stale_form", _("The form was incomplete. Please choose again."))
    return line.ticket


def _write(ticket: Ticket, body: str, once: uuid.UUID, moment: datetime) -> None:
    contact = Contact.objects.filter(account=ticket.account_id, is_billing_contact=True).first()
    line = customer_wrote(ticket, body, contact=contact, channel=CHANNEL, at=moment)
    line.once = once
    line.save(update_fields=["once"])
