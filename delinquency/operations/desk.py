"""What staff do with tickets: take, hand over, note, wait, close, open again.

Each locks the account and then the ticket, in that order as everything else does, and leaves a line on the ticket that
says who did what and why. A ticket's version counts these lines, so that nobody overwrites what they have not seen.
"""

from datetime import date, datetime

from django.db import transaction
from django.db.models import Q

from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.bulk import reserve_keys
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row
from billing_project.kernel.moves import check_move
from delinquency.desk_context import context_of
from delinquency.models import Ticket, TicketComment, TicketQueue
from delinquency.rules.desk import day_words
from delinquency.ticketing import answer_due_at, queue_for

# The column of the history tables is this long.
REASON_LENGTH = 100
# No zone is further ahead, so nowhere is it a later day.
FURTHEST_EAST = "Pacific/Kiritimati"
Direction = TicketComment.Direction


def lock_ticket(ticket: Ticket) -> Ticket:
    """Lock a ticket's account and then the ticket, and return it as it is now."""
    lock_row(Account.objects.all(), ticket.account_id)
    return lock_row(Ticket.objects.select_related("queue", "account__company", "customer_contact"), ticket.pk)


def lock_running(ticket: Ticket, *, seen: int | None = None, by: User | None = None) -> Ticket:
    """Lock a ticket that is not closed; raises StaleState if it is, or moved on since the version that was seen."""
    locked = lock_ticket(ticket)
    if locked.is_closed:
        raise StaleState(f"Ticket {locked.number} is closed: {locked.closed_why or 'no reason was kept'}.")
    if seen is not None and changes_since(locked, seen, by):
        raise StaleState(
            f"Ticket {locked.number} has changed since you opened it; read what is new, then send yours again."
        )
    return locked


def changes_since(ticket: Ticket, seen: int, by: User | None) -> list[TicketComment]:
    """Return what others have added to a ticket since the version that a user has seen."""
    rows = ticket.comments.filter(version__gt=seen)
    others = rows.filter(~Q(author=by) | Q(author__isnull=True)) if by is not None else rows
    return list(others.select_related("author", "contact"))


def save_ticket(ticket: Ticket, by: User | None, why: str, *fields: str) -> None:
    """Write the named fields of a locked ticket, as its next version, with who and why in its history."""
    ticket.version += 1
    ticket._change_reason = why[:REASON_LENGTH]  # type: ignore[attr-defined]
    ticket._history_user = by  # type: ignore[attr-defined]
    ticket.save(update_fields=[*fields, "version"])


def add_line(
    ticket: Ticket, text: str, by: User | None, *, direction: str = Direction.EVENT, at: datetime | None = None
) -> TicketComment:
    """Append a line to a locked ticket, of its present version."""
    return TicketComment.objects.create(
        ticket=ticket, author=by, text=text, direction=direction, version=ticket.version, at=at or clock.now(),
        internal=direction in (Direction.NOTE, Direction.EVENT),
    )  # fmt: skip


def name_of(user: User | None) -> str:
    """Return how a member of staff is called in a line."""
    return (user.get_full_name() or user.get_username()) if user is not None else "The program"


def owe_answer(ticket: Ticket, since: datetime | None) -> None:
    """Set since when the customer waits for us, and with it by when we answer; None: we wait for them."""
    ticket.owed_since_at = since
    first = ticket.answered_at is None
    ticket.answer_due_at = answer_due_at(ticket.queue, since, first=first) if since is not None else None


@transaction.atomic
def open_ticket(
    *,
    account: Account,
    subject: str,
    kind: str = Ticket.Kind.QUESTION,
    text: str = "",
    by: User | None = None,
    queue: TicketQueue | None = None,
    priority: int | None = None,
    owner: User | None = None,
    follows: Ticket | None = None,
    at: datetime | None = None,
) -> Ticket:
    """Open a ticket by hand or for a customer who wrote; raises Refused without a subject, or for an unpaid account.

    Tickets about unpaid accounts are opened by policy steps, and closed by payment; nobody opens one by hand.
    """
    if not subject.strip():
        raise Refused("ticket_subject", "The ticket has no subject; say in a few words what it is about.")
    if kind == Ticket.Kind.DELINQUENCY:
        raise Refused("ticket_kind", "A policy step opens the tickets of unpaid accounts; choose another kind.")
    lock_row(Account.objects.all(), account.pk)
    moment = at or clock.now()
    where = queue or queue_for(kind)
    ticket = Ticket(
        account=account, kind=kind, follows=follows, subject=" ".join(subject.split())[:200], queue=where, owner=owner,
        priority=priority or where.default_priority, opened_at=moment, opened_by=by,
        opened_on=clock.local(moment, account.timezone).date(),
        customer_contact=account.contacts.filter(is_billing_contact=True).first(),
    )  # fmt: skip
    owe_answer(ticket, moment)
    reserve_keys([ticket])
    ticket.number = f"T-{ticket.pk:06d}"
    ticket._change_reason = "opened"  # type: ignore[attr-defined]
    ticket._history_user = by  # type: ignore[attr-defined]
    ticket.save(force_insert=True)
    add_line(ticket, f"{name_of(by)} opened it in {where}.", by, at=moment)
    if text.strip():
        add_line(ticket, text.strip(), by, direction=Direction.NOTE, at=moment)
    return ticket


@transaction.atomic
def take_ticket(ticket: Ticket, by: User) -> Ticket:
    """Make a member of staff the owner of an open ticket; raises Refused if it is closed or another's."""
    locked = lock_running(ticket)
    if locked.owner_id == by.pk:
        return locked
    if locked.owner_id is not None:
        raise StaleState(f"{locked.owner} has ticket {locked.number} already; ask them to hand it over.")
    locked.owner = by
    save_ticket(locked, by, "taken", "owner")
    add_line(locked, f"{name_of(by)} took it.", by)
    return locked


@transaction.atomic
def hand_over(
    ticket: Ticket, by: User, *, queue: TicketQueue | None = None, owner: User | None = None, note: str = ""
) -> Ticket:
    """Give a ticket to another queue, or to a colleague, with a note; raises Refused if that would change nothing.

    In another queue it belongs to nobody until somebody there takes it, that queue's promise counts, and how the
    account stands is attached (H12).
    """
    locked = lock_running(ticket)
    moves = queue is not None and queue.pk != locked.queue_id
    if not moves and (owner is None or owner.pk == locked.owner_id):
        raise Refused("hand_over_nothing", f"Ticket {locked.number} is there already; choose a queue or a colleague.")
    words = f"{name_of(by)} handed it to {name_of(owner)}"
    if moves:
        assert queue is not None
        words = f"{name_of(by)} moved it from {locked.queue} to {queue}" + (f", for {name_of(owner)}" if owner else "")
        locked.queue = queue
        owe_answer(locked, locked.owed_since_at)
    locked.owner = owner
    save_ticket(locked, by, note or "handed over", "queue", "owner", "answer_due_at")
    add_line(locked, f"{words}{': ' + note.strip() if note.strip() else '.'}", by)
    if moves:
        last = locked.comments.filter(direction=Direction.IN).order_by("-at", "-pk").first()
        context = context_of(locked.account, last.text if last else "")
        add_line(locked, context, by, direction=Direction.NOTE)
    return locked


@transaction.atomic
def set_priority(ticket: Ticket, priority: int, by: User) -> Ticket:
    """Set how urgent a ticket is; setting it to what it is changes nothing."""
    locked = lock_running(ticket)
    if locked.priority != priority:
        locked.priority = Ticket.Priority(priority)
        save_ticket(locked, by, "priority", "priority")
        add_line(locked, f"{name_of(by)} set the priority to {locked.get_priority_display()}.", by)
    return locked


@transaction.atomic
def watch(ticket: Ticket, by: User, *, on: bool = True) -> None:
    """Let a user hear of a ticket that is another's, or not any more."""
    locked = lock_ticket(ticket)
    if on:
        locked.watchers.add(by)
    else:
        locked.watchers.remove(by)


@transaction.atomic
def wait_for_customer(
    ticket: Ticket, by: User | None, *, until_on: date | None = None, why: str = "", seen: int | None = None
) -> Ticket:
    """Wait for the customer, at the latest until a day; raises Refused for a day that is not ahead."""
    locked = lock_running(ticket, seen=seen, by=by)
    today = clock.today(locked.account.timezone)
    if until_on is not None and until_on <= today:
        raise Refused("wait_not_ahead", f"{until_on} is not after today, {today}; wait until a later day.")
    if locked.state != Ticket.State.WAITING:
        check_move(Ticket.MOVES, Ticket.State(locked.state), Ticket.State.WAITING)
    locked.state, locked.waiting_until = Ticket.State.WAITING, until_on
    owe_answer(locked, None)
    save_ticket(locked, by, why or "waits", "state", "waiting_until", "owed_since_at", "answer_due_at")
    until = f" until {day_words(until_on)}" if until_on else ""
    add_line(locked, f"Waits for the customer{until}{': ' + why.strip() if why.strip() else '.'}", by)
    return locked


@transaction.atomic
def open_again(ticket: Ticket, why: str, by: User | None = None, *, at: datetime | None = None) -> Ticket:
    """Open a waiting or closed ticket again; raises StaleState if it is open, Refused if another one took over."""
    locked = lock_ticket(ticket)
    check_move(Ticket.MOVES, Ticket.State(locked.state), Ticket.State.OPEN)
    if locked.merged_into_id is not None:
        raise Refused("ticket_merged", f"Ticket {locked.number} was merged into {locked.merged_into}; go on there.")
    if locked.is_delinquency and locked.closed_how == Ticket.ClosedHow.PAYMENT:
        raise Refused(
            "ticket_paid",
            f"Everything ticket {locked.number} was about is paid; it opens by itself if the money goes back."
            " For anything else open a new ticket.",
        )
    running = Ticket.objects.filter(account=locked.account_id, kind=locked.kind).exclude(state=Ticket.State.CLOSED)
    other = running.exclude(pk=locked.pk).first() if locked.kind in Ticket.SINGLE else None
    if other is not None:
        raise Refused("ticket_open_once", f"Ticket {other.number} is open about the same; go on there.")
    moment = at or clock.now()
    locked.state, locked.waiting_until = Ticket.State.OPEN, None
    locked.closed_at, locked.closed_why, locked.closed_how = None, "", Ticket.ClosedHow.OPEN
    owe_answer(locked, moment)
    save_ticket(
        locked, by, why, "state", "waiting_until", "closed_at", "closed_why", "closed_how", "owed_since_at",
        "answer_due_at",
    )  # fmt: skip
    add_line(locked, f"{name_of(by)} opened it again: {why.strip()}", by, at=moment)
    return locked


@transaction.atomic
def comment_on_ticket(
    ticket: Ticket, text: str, by: User | None, *, internal: bool = True, seen: int | None = None
) -> TicketComment:
    """Append a note to a ticket; raises Refused if it is empty. One that is not internal the customer may read."""
    if not text.strip():
        raise Refused("empty_comment", f"The note on ticket {ticket.number} is empty; write what was said or done.")
    locked = lock_ticket(ticket)
    if seen is not None and changes_since(locked, seen, by):
        raise StaleState(f"Ticket {locked.number} has changed since you opened it; read what is new first.")
    save_ticket(locked, by, "note")
    line = add_line(locked, text.strip(), by, direction=Direction.NOTE)
    if not internal:
        line.internal = False
        line.save(update_fields=["internal"])
    return line


@transaction.atomic
def close_ticket_by_hand(
    ticket: Ticket,
    why: str,
    by: User | None,
    *,
    how: str = Ticket.ClosedHow.HAND,
    seen: int | None = None,
) -> Ticket:
    """Close a ticket with a note; raises Refused if it is closed already."""
    locked = lock_running(ticket, seen=seen, by=by)
    check_move(Ticket.MOVES, Ticket.State(locked.state), Ticket.State.CLOSED)
    locked.state, locked.closed_at, locked.closed_why = Ticket.State.CLOSED, clock.now(), why.strip()[:300]
    locked.closed_how, locked.waiting_until = how, None
    owe_answer(locked, None)
    save_ticket(
        locked, by, why, "state", "closed_at", "closed_why", "closed_how", "waiting_until", "owed_since_at",
        "answer_due_at",
    )  # fmt: skip
    add_line(locked, f"{name_of(by)} closed it: {why.strip()}", by)
    return locked


def wake_waiting(at: datetime) -> int:
    """Open the tickets again whose day has come, each in its account's zone; return how many."""
    furthest = clock.local(at, FURTHEST_EAST).date()
    rows = Ticket.objects.filter(state=Ticket.State.WAITING, waiting_until__lte=furthest).select_related("account")
    due = [
        row for row in rows if row.waiting_until and row.waiting_until <= clock.local(at, row.account.timezone).date()
    ]
    for ticket in due:
        open_again(ticket, "the day until which it was to wait has come.", at=at)
    return len(due)
