"""Letters of a ticket: what goes to the customer through the outbox, and what comes back from them."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from django.db import transaction

from accounts.models import Contact, InboundMessage, Notice, User
from accounts.models.notice import Channel
from accounts.outreach import rules
from accounts.outreach.fallback import listed_places, open_ways
from accounts.outreach.gathering import reach_of
from accounts.outreach.outbox import NoticeRequest, enqueue
from accounts.outreach.suppressions import normal
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.models import Ticket, TicketComment

from .desk import (
    Direction,
    add_line,
    close_ticket_by_hand,
    lock_running,
    lock_ticket,
    name_of,
    open_again,
    owe_answer,
    save_ticket,
    wait_for_customer,
)
from .desk_texts import contact_of

TEXT_LENGTH_MAX = 5000
# Whoever wrote so short a time ago waits for the answer: it goes at any hour.
ASKED_WITHIN = timedelta(hours=1)
WAYS = (Channel.EMAIL.value, Channel.SMS.value)


class Then(StrEnum):
    """What becomes of a ticket after an answer."""

    STAY = "stay"
    WAIT = "wait"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Way:
    """A channel to a contact: its address, or why it cannot be used."""

    channel: str
    address: str
    refused_why: str

    @property
    def words(self) -> str:
        """Say how it goes: "e-mail to ann@…", or why not."""
        name = {"email": "e-mail", "sms": "SMS"}[self.channel]
        return f"{name}: {self.refused_why}" if self.refused_why else f"{name} to {self.address}"


def ways_to(contact: Contact | None) -> list[Way]:
    """Return the channels by which a contact may be answered, and why not by the others."""
    if contact is None:
        return []
    reach, listed = reach_of(contact), listed_places([contact])
    ways = open_ways(contact, listed)
    found = []
    for name in WAYS:
        address = reach.address(name)
        why = rules.why_unreachable(reach, name) or listed.get((name, normal(name, address)), "")
        if not why and name not in ways:
            why = "The contact rules do not allow this number."
        found.append(Way(name, address, why))
    return found


def usual_way(ticket: Ticket, ways: list[Way]) -> Way | None:
    """Return the channel an answer takes if nobody chooses: as the customer last wrote, else e-mail, else SMS."""
    open_ways = [way for way in ways if not way.refused_why]
    last = (
        ticket.comments.filter(direction=Direction.IN).order_by("-at", "-pk").values_list("channel", flat=True).first()
    )
    return next((way for way in open_ways if way.channel == last), open_ways[0] if open_ways else None)


@transaction.atomic
def reply(
    ticket: Ticket,
    text: str,
    by: User | None,
    *,
    channel: str = "",
    then: str = Then.STAY,
    wait_until_on: date | None = None,
    seen: int | None = None,
) -> TicketComment:
    """Answer the customer by a channel, and let the ticket stay open, wait or close; all or nothing.

    The letter goes through the outbox, which keeps its hours. An unowned ticket becomes the writer's. Raises Refused if
    the text is empty or too long, or the contact cannot be reached that way; StaleState if others have changed it.
    """
    body = text.strip()
    if not body:
        raise Refused("empty_reply", "The answer is empty; write what the customer should read.")
    if len(body) > TEXT_LENGTH_MAX:
        raise Refused(
            "reply_too_long", f"The answer has {len(body)} characters; shorten it to {TEXT_LENGTH_MAX:,} at most."
        )
    locked = lock_running(ticket, seen=seen, by=by)
    contact = contact_of(locked)
    way = _way(locked, contact, channel)
    assert contact is not None
    locked.replies_count += 1
    notice = _write(locked, body, by, contact, way)
    fresh = bool(locked.owner_id is None and by is not None)
    if fresh:
        locked.owner = by
    locked.answered_at = clock.now()
    locked.customer_contact = contact
    owe_answer(locked, None)
    save_ticket(
        locked, by, "answered", "replies_count", "owner", "answered_at", "customer_contact", "owed_since_at",
        "answer_due_at",
    )  # fmt: skip
    line = add_line(locked, body, by, direction=Direction.OUT)
    line.contact, line.channel, line.notice = contact, way.channel, notice
    line.save(update_fields=["contact", "channel", "notice"])
    if then == Then.WAIT:
        wait_for_customer(locked, by, until_on=wait_until_on)
    elif then == Then.CLOSE:
        close_ticket_by_hand(locked, "answered", by)
    return line


def _way(ticket: Ticket, contact: Contact | None, channel: str) -> Way:
    ways = ways_to(contact)
    if contact is None:
        raise Refused(
            "nobody_to_answer",
            f"Account {ticket.account.number} has no billing contact; add one with an address, then answer.",
        )
    way = next((way for way in ways if way.channel == channel), None) if channel else usual_way(ticket, ways)
    if way is None or way.refused_why:
        why = way.refused_why if way else " ".join(way.refused_why for way in ways)
        raise Refused(
            "cannot_be_reached", f"{contact.name} cannot be answered that way. {why} Choose another way, or mend it."
        )
    return way


def _write(ticket: Ticket, body: str, by: User | None, contact: Contact, way: Way) -> Notice:
    """Put the letter into the outbox; raises Refused if it could not be written."""
    asked = ticket.customer_at is not None and clock.now() - ticket.customer_at <= ASKED_WITHIN
    notices = enqueue(
        NoticeRequest(
            account_id=ticket.account_id, anchor_key=f"ticket:{ticket.pk}", step_key="reply",
            occurrence=ticket.replies_count, contact_id=contact.pk, channels=(way.channel,),
            template="ticket_answer" if asked else "ticket_reply",
            why=f"{name_of(by)} answered ticket {ticket.number}.",
            context={"reply_text": body, "ticket_number": ticket.number, "agent_name": name_of(by)},
        )
    )  # fmt: skip
    notice = next(row for row in notices if row.channel == way.channel)
    if notice.state in (Notice.State.NOT_SENT, Notice.State.PARKED):
        raise Refused("reply_not_written", f"The answer cannot be sent: {notice.why}")
    return notice


@transaction.atomic
def customer_wrote(
    ticket: Ticket,
    text: str,
    *,
    contact: Contact | None = None,
    channel: str = "",
    inbound: InboundMessage | None = None,
    at: datetime | None = None,
) -> TicketComment:
    """File what a customer wrote on a ticket; a waiting or closed one opens again, and an answer is owed from now."""
    locked = lock_ticket(ticket)
    moment = at or clock.now()
    if locked.state != Ticket.State.OPEN:
        locked = open_again(locked, "the customer wrote.", at=moment)
    locked.customer_at = moment
    if locked.owed_since_at is None:  # whoever writes twice waits since the first time
        owe_answer(locked, moment)
    if contact is not None:
        locked.customer_contact = contact
    save_ticket(locked, None, "the customer wrote", "customer_at", "owed_since_at", "answer_due_at", "customer_contact")
    line = add_line(locked, text.strip() or "(no text)", None, direction=Direction.IN, at=moment)
    line.contact, line.channel, line.inbound = contact, channel, inbound
    line.save(update_fields=["contact", "channel", "inbound"])
    return line
