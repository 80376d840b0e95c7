"""Disputes: opened, confirmed, decided, withdrawn. Each locks the account, and tells the customer on a ticket (X9, I9).

While a dispute is looked into its invoice is frozen: no payment goes on it by itself and nothing follows from it. An
invoice that holds service back already is only asked about: nobody gets a line back by pressing a button, but a member
of staff who confirms the dispute opens the line, knowingly.
"""

import uuid
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.models import Account, Contact, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row
from billing_project.kernel.moves import check_move
from billing_project.kernel.texts import mask_cards, storable
from invoicing.models import Invoice, PaymentAttempt, ReasonCode
from invoicing.operations.adjust import credit_note, freeze_invoice

from ..disputed import hold_of, lift_until, taken_off
from ..models import Dispute, GraceGrant, InvoiceStanding, Ticket, TicketComment
from ..models.dispute import TEXT_LENGTH_MAX
from ..plain_words import long_day, sum_of
from . import desk
from .desk_replies import Then, customer_wrote, reply
from .flag import do_not_count
from .reassess import reassess

State = Dispute.State
TEXT_LENGTH_MIN = 10
REASON_LENGTH = 500
UNDER_WAY = (PaymentAttempt.State.CLAIMED, *PaymentAttempt.ASKED)


@transaction.atomic
def dispute_in_portal(invoice: Invoice, text: str, *, once: uuid.UUID, at: datetime | None = None) -> Dispute:
    """Open a customer's dispute of an invoice, once for each invoice; pressing twice is once.

    Raises Refused, in the customer's language: without a text of 10 to 2000 characters, with a card number in it, for
    an invoice that is not unpaid or was disputed before, and while a payment of it is under way.
    """
    moment = at or clock.now()
    account = lock_row(Account.objects.all(), invoice.account_id)
    before = Dispute.objects.filter(once=once).first()
    if before is not None:
        if before.account_id != account.pk:
            raise Refused("stale_form", _("The form was incomplete. Please choose again."))
        return before
    body = _checked(text)
    reassess(account.pk, at=moment)
    locked = lock_row(Invoice.objects.all(), invoice.pk)
    facts = {"number": locked.number}
    if Dispute.objects.filter(invoice=locked, state__in=Dispute.RUNNING).exists():
        raise Refused("dispute_runs", _("Invoice %(number)s is disputed already, and we look into it.") % facts)
    if Dispute.objects.filter(invoice=locked, by_customer=True).exists():
        raise Refused(
            "dispute_once",
            _("You have disputed invoice %(number)s before, and we have answered. Please ask us if it is still wrong.")
            % facts,
        )
    if locked.state != Invoice.State.OPEN:
        raise Refused(
            "not_unpaid",
            _("Nothing of invoice %(number)s is unpaid. Please ask us if it is wrong all the same.") % facts,
        )
    if PaymentAttempt.objects.filter(invoice=locked, state__in=UNDER_WAY).exists():
        raise Refused("charge_under_way", _("A payment of this invoice is under way. Please wait for its outcome."))
    holds = hold_of(locked).holds
    ticket = _ticket(account, locked, None, moment)
    contact = Contact.objects.filter(account=account, is_billing_contact=True).first()
    customer_wrote(ticket, body, contact=contact, channel="portal", at=moment)
    dispute = Dispute(
        account=account, invoice=locked, ticket=ticket, text=body, once=once, by_customer=True,
        state=State.ASKED if holds else State.OPEN, confirmed_at=None if holds else moment,
        opened_at=moment, opened_on=clock.local(moment, account.timezone).date(),
    )  # fmt: skip
    _insert(dispute, None)
    if not holds:
        _freeze(dispute)
    return dispute


@transaction.atomic
def open_dispute(invoice: Invoice, text: str, by: User, *, at: datetime | None = None) -> Dispute:
    """Open a dispute for a customer who called or wrote, and freeze the invoice, also where it holds service back.

    Raises Refused without words, for an invoice that is not unpaid, or one that is disputed already.
    """
    moment = at or clock.now()
    body = mask_cards(storable(text).strip())[:TEXT_LENGTH_MAX]
    if not body:
        raise Refused("empty", "Write what the customer says is wrong, such as “charged for a router sent back”.")
    account = lock_row(Account.objects.all(), invoice.account_id)
    reassess(account.pk, at=moment)
    locked = lock_row(Invoice.objects.all(), invoice.pk)
    running = Dispute.objects.filter(invoice=locked, state__in=Dispute.RUNNING).first()
    if running is not None:
        raise Refused("dispute_runs", f"Invoice {locked.number} is disputed already, since {running.opened_on}.")
    if locked.state != Invoice.State.OPEN:
        raise Refused(
            "not_unpaid",
            f"Invoice {locked.number} is {locked.get_state_display()}: nothing follows from it. Open a ticket instead.",
        )
    ticket = _ticket(account, locked, by, moment, text=body)
    dispute = Dispute(
        account=account, invoice=locked, ticket=ticket, text=body, opened_by=by, state=State.OPEN, confirmed_at=moment,
        confirmed_by=by, opened_at=moment, opened_on=clock.local(moment, account.timezone).date(),
    )  # fmt: skip
    _insert(dispute, by)
    _hold_off(dispute, by, moment)
    return dispute


@transaction.atomic
def confirm_dispute(dispute: Dispute, by: User, *, at: datetime | None = None) -> tuple[Dispute, bool]:
    """Look into a dispute that was only asked: freeze its invoice, and open the line if nothing else holds it.

    Returns the dispute, and whether the customer could be written to. Raises StaleState if it is not asked any more.
    """
    moment = at or clock.now()
    locked = _locked(dispute, moment)
    _move(locked, State.OPEN)
    locked.confirmed_at, locked.confirmed_by = moment, by
    _save(locked, "confirmed", by, "state", "confirmed_at", "confirmed_by")
    _hold_off(locked, by, moment)
    with _language_of(locked):
        words = _(
            "We are looking into your dispute of invoice %(number)s. Until we have answered, nothing follows from it."
        )
        told = words % {"number": locked.invoice.number}
        if locked.lifted_id is not None:
            told += " " + _("What was held back because of it is being given back.")
    return locked, _tell(locked, told, by)


@transaction.atomic
def accept_dispute(
    dispute: Dispute, why: str, by: User, *, amount: Decimal | None = None, at: datetime | None = None
) -> tuple[Dispute, bool]:
    """Agree with the customer: take an amount (default: all that is unpaid) off the invoice, and go on with the rest.

    The invoice does not count as seriously late (A27). Returns the dispute, and whether the customer could be written
    to. Raises Refused without a reason, for an amount that is not above 0 or is above what is unpaid, and for one above
    the limit of whoever decides (SEC-21); StaleState if it is decided.
    """
    moment = at or clock.now()
    reason = _reason(why)
    locked = _locked(dispute, moment)
    _move(locked, State.UPHELD)
    invoice = locked.invoice
    left = invoice.remaining
    off = left if amount is None else amount
    if off <= 0:
        raise Refused(
            "bad_amount",
            f"{off:,.2f} takes nothing off invoice {invoice.number}. If what was wrong has been taken off already,"
            " press “Close, taken off already”; if the invoice is right, press “Reject”.",
        )
    if off > left:
        raise Refused(
            "bad_amount", f"{off:,.2f} cannot be taken off: {left:,.2f} of invoice {invoice.number} is unpaid."
        )
    invoice = credit_note(invoice=invoice, amount=off, reason=reason, by=by, code=ReasonCode.DISPUTE_UPHELD)
    return locked, _agree(locked, invoice, off, reason, by, moment)


@transaction.atomic
def close_settled_dispute(dispute: Dispute, why: str, by: User, *, at: datetime | None = None) -> tuple[Dispute, bool]:
    """Agree with the customer where credit notes since the dispute have taken off already what was wrong.

    Such as one above the limit of whoever decides, which a second person has approved (SEC-21). Nothing more is taken
    off; the invoice does not count as seriously late (A27). Returns the dispute, and whether the customer could be
    written to. Raises Refused without a reason, and while no credit note has been given since it was opened; StaleState
    if it is decided.
    """
    moment = at or clock.now()
    reason = _reason(why)
    locked = _locked(dispute, moment)
    _move(locked, State.UPHELD)
    off = taken_off(locked)
    if off <= 0:
        raise Refused(
            "nothing_taken_off",
            f"No credit note has been given on invoice {locked.invoice.number} since {locked.opened_on}. Press “Accept”"
            " to give one, or “Reject” if the invoice is right.",
        )
    return locked, _agree(locked, locked.invoice, off, reason, by, moment)


@transaction.atomic
def reject_dispute(dispute: Dispute, why: str, by: User, *, at: datetime | None = None) -> tuple[Dispute, bool]:
    """Disagree: the invoice goes on with its own due date; what fell due meanwhile follows at the next check.

    Returns the dispute, and whether the customer could be written to. Raises Refused without a reason; StaleState if
    it is decided already.
    """
    moment = at or clock.now()
    reason = _reason(why)
    locked = _locked(dispute, moment)
    _move(locked, State.REJECTED)
    _decide(locked, reason, by, moment)
    invoice = locked.invoice
    with _language_of(locked):
        facts = {
            "number": invoice.number, "sum": sum_of(invoice.remaining, locked.account.company.currency),
            "day": long_day(invoice.due_on, clock.local(moment, locked.account.timezone).date()),
        }  # fmt: skip
        told = _("We have looked into your dispute of invoice %(number)s: the invoice is right.") % facts
        if invoice.remaining:
            told += " " + _("%(sum)s of it are to be paid; its due date is %(day)s.") % facts
    return locked, _tell(locked, f"{told}\n\n{reason}", by, over=True)


@transaction.atomic
def withdraw_dispute(dispute: Dispute, by: User | None = None, why: str = "", *, at: datetime | None = None) -> Dispute:
    """End a dispute that its customer does not keep up; done twice is done once. Raises StaleState if it is decided."""
    moment = at or clock.now()
    locked = _locked(dispute, moment)
    if locked.state == State.WITHDRAWN:
        return locked
    _move(locked, State.WITHDRAWN)
    _decide(locked, why.strip()[:REASON_LENGTH], by, moment)
    ticket = _ticket_now(locked)
    if not ticket.is_closed:
        who = desk.name_of(by) if by else "The customer"
        words = f"{who} withdrew the dispute of {locked.invoice.number}{': ' + why.strip() if why.strip() else '.'}"
        desk.close_ticket_by_hand(ticket, words, by)
    return locked


# --- What they share ---


def _checked(text: str) -> str:
    body = storable(text).strip()
    if len(body) < TEXT_LENGTH_MIN:
        raise Refused(
            "too_short", _("What is wrong? Please write at least %(least)s characters.") % {"least": TEXT_LENGTH_MIN}
        )
    if len(body) > TEXT_LENGTH_MAX:
        raise Refused(
            "too_long",
            _("What is wrong? That is %(length)s characters. Please shorten it to %(most)s.")
            % {"length": len(body), "most": TEXT_LENGTH_MAX},
        )
    if mask_cards(body) != body:
        raise Refused(
            "card_number",
            _("There is a card number in your text. Please leave it out: nobody here needs it to help you."),
        )
    return body


def _reason(why: str) -> str:
    reason = mask_cards(storable(why).strip())
    if not reason:
        raise Refused("reason_missing", "Say why; the customer reads it.")
    if len(reason) > REASON_LENGTH:
        raise Refused("reason_too_long", f"The reason has {len(reason)} characters; shorten it to {REASON_LENGTH}.")
    return reason


def _ticket(account: Account, invoice: Invoice, by: User | None, moment: datetime, text: str = "") -> Ticket:
    ticket = desk.open_ticket(
        account=account, subject=f"Dispute of invoice {invoice.number}", kind=Ticket.Kind.DISPUTE, text=text, by=by,
        at=moment,
    )  # fmt: skip
    ticket.invoices = [invoice.pk]
    ticket.save(update_fields=["invoices"])
    return ticket


def _insert(dispute: Dispute, by: User | None) -> None:
    dispute._change_reason = "opened"  # type: ignore[attr-defined]
    dispute._history_user = by  # type: ignore[attr-defined]
    dispute.save(force_insert=True)


def _locked(dispute: Dispute, moment: datetime) -> Dispute:
    """Lock the account, then the dispute, and return it as it is now.

    The account is looked at first, so that what lies behind is decided as it stood: an invoice that is frozen no more
    would otherwise be made late on days on which it was disputed (A36).
    """
    lock_row(Account.objects.all(), dispute.account_id)
    reassess(dispute.account_id, at=moment)
    rows = Dispute.objects.select_related("account__company", "invoice", "ticket")
    return lock_row(rows, dispute.pk)


def _move(dispute: Dispute, to: Dispute.State) -> None:
    if dispute.state not in Dispute.RUNNING:
        raise StaleState(f"This dispute is {dispute.get_state_display()} already: {dispute.decided_why or 'no reason'}")
    check_move(Dispute.MOVES, State(dispute.state), to)
    dispute.state = to


def _save(dispute: Dispute, why: str, by: User | None, *fields: str) -> None:
    dispute._change_reason = why[:100]  # type: ignore[attr-defined]
    dispute._history_user = by  # type: ignore[attr-defined]
    dispute.save(update_fields=list(fields))


def _freeze(dispute: Dispute) -> None:
    freeze_invoice(invoice=dispute.invoice, frozen=True)


def _hold_off(dispute: Dispute, by: User, moment: datetime) -> None:
    """Freeze the invoice, and end what it holds back, if it alone does (I9)."""
    hold = hold_of(dispute.invoice)
    _freeze(dispute)
    if not hold.lifts:
        return
    account = dispute.account
    dispute.lifted = GraceGrant.objects.create(
        account=account, until_on=lift_until(account, clock.local(moment, account.timezone).date()), lift_now=True,
        reason=f"Invoice {dispute.invoice.number} is disputed.", granted_at=moment, granted_by=by,
    )  # fmt: skip
    _save(dispute, "opened the line", by, "lifted")
    reassess(account.pk, at=moment)


def _decide(dispute: Dispute, why: str, by: User | None, moment: datetime, *more: str) -> None:
    dispute.decided_at, dispute.decided_by, dispute.decided_why = moment, by, why
    _save(dispute, why or dispute.get_state_display(), by, "state", "decided_at", "decided_by", "decided_why", *more)
    freeze_invoice(invoice=dispute.invoice, frozen=False)


def _agree(dispute: Dispute, invoice: Invoice, off: Decimal, reason: str, by: User, moment: datetime) -> bool:
    """Decide for the customer, and tell what is taken off and what is left; tell whether a letter goes out."""
    dispute.credited = off
    standing = InvoiceStanding.objects.filter(invoice=invoice, not_counted_why="").first()
    if standing is not None:
        do_not_count(standing, f"the dispute was accepted: {reason}", by, at=moment)
    _decide(dispute, reason, by, moment, "credited")
    reassess(dispute.account_id, at=moment)
    currency = dispute.account.company.currency
    with _language_of(dispute):
        facts = {
            "number": invoice.number, "sum": sum_of(off, currency), "left": sum_of(invoice.remaining, currency),
        }  # fmt: skip
        told = _("You are right about invoice %(number)s.") % facts
        told += " " + _("%(sum)s are taken off it.") % facts
        if invoice.remaining:
            told += " " + _("%(left)s of it are still to be paid.") % facts
    return _tell(dispute, f"{told}\n\n{reason}", by, over=True)


def _language_of(dispute: Dispute) -> translation.override:
    contact = Contact.objects.filter(account=dispute.account_id, is_billing_contact=True).first()
    return translation.override(contact.language if contact else "en")


def _ticket_now(dispute: Dispute) -> Ticket:
    """Return the ticket where a dispute is talked about, or the one it was merged into."""
    ticket = Ticket.objects.select_related("merged_into").get(pk=dispute.ticket_id)
    while ticket.merged_into is not None:
        ticket = ticket.merged_into
    return ticket


def _tell(dispute: Dispute, text: str, by: User, *, over: bool = False) -> bool:
    """Answer on the ticket; whom no letter reaches reads it in the portal. Tell whether a letter goes out."""
    ticket = _ticket_now(dispute)
    if not ticket.is_closed:
        try:
            line: TicketComment = reply(ticket, text, by, then=Then.CLOSE if over else Then.STAY)
        except Refused:
            line = desk.comment_on_ticket(ticket, text, by, internal=False)
            if over:
                desk.close_ticket_by_hand(ticket, "decided", by)
        return line.notice_id is not None
    desk.comment_on_ticket(ticket, text, by, internal=False)
    return False
