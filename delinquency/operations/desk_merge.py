"""Merge two tickets of one account, and take that back while nothing has been added since."""

from datetime import timedelta

from django.db import transaction

from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row, lock_rows
from delinquency.models import Ticket, TicketComment

from .desk import add_line, name_of, owe_answer, save_ticket

UNDO_WITHIN = timedelta(minutes=10)
CLOSING_FIELDS = (
    "state", "closed_at", "closed_why", "closed_how", "merged_into", "waiting_until", "owed_since_at", "answer_due_at",
)  # fmt: skip


@transaction.atomic
def merge_ticket(source: Ticket, target: Ticket, by: User) -> Ticket:
    """Put what was said on one ticket under another of the same account, and close it; return the other.

    Raises Refused for tickets of two accounts, for a ticket and itself, for closed ones, and for a policy's ticket as
    the one that goes: its step's ticket stays, and the other is merged into it.
    """
    if source.pk == target.pk:
        raise Refused("merge_itself", f"{source.number} cannot be merged into itself; name another ticket.")
    if source.account_id != target.account_id:
        raise Refused(
            "merge_other_account",
            f"{target.number} is of another account; only tickets of account {source.account.number} can be merged"
            f" with {source.number}.",
        )
    lock_row(Account.objects.all(), source.account_id)
    rows = {row.pk: row for row in lock_rows(Ticket.objects.select_related("queue"), [source.pk, target.pk])}
    going, staying = rows[source.pk], rows[target.pk]
    for row in (going, staying):
        if row.is_closed:
            raise StaleState(f"Ticket {row.number} is closed: {row.closed_why or 'no reason was kept'}.")
    if going.is_delinquency:
        raise Refused(
            "merge_policy_ticket",
            f"{going.number} belongs to the account's policy and closes by payment; merge {staying.number} into it.",
        )
    now = clock.now()
    TicketComment.objects.filter(ticket=going).update(ticket=staying, moved_from=going)
    staying.watchers.add(*going.watchers.all(), *([going.owner] if going.owner else []))
    if going.owed_since_at is not None and staying.state == Ticket.State.OPEN:
        owe_answer(staying, min(filter(None, (going.owed_since_at, staying.owed_since_at))))
    staying.customer_at = max(filter(None, (going.customer_at, staying.customer_at)), default=None)
    save_ticket(staying, by, f"{going.number} was merged into it", "owed_since_at", "answer_due_at", "customer_at")
    _close(going, staying, by, now)
    add_line(staying, f"{name_of(by)} merged {going.number} “{going.subject}” into it.", by, at=now)
    add_line(going, f"{name_of(by)} merged it into {staying.number}.", by, at=now)
    return staying


def _close(going: Ticket, staying: Ticket, by: User, now: object) -> None:
    going.state, going.closed_at, going.closed_how = Ticket.State.CLOSED, now, Ticket.ClosedHow.MERGE  # type: ignore[assignment]
    going.closed_why, going.merged_into, going.waiting_until = f"merged into {staying.number}", staying, None
    owe_answer(going, None)
    save_ticket(going, by, going.closed_why, *CLOSING_FIELDS)


def why_not_unmerged(ticket: Ticket) -> str:
    """Return why a merge cannot be taken back; empty if it can."""
    if ticket.merged_into_id is None or ticket.closed_at is None:
        return f"{ticket.number} was not merged."
    if clock.now() - ticket.closed_at > UNDO_WITHIN:
        return f"{ticket.number} was merged more than 10 minutes ago; write on {ticket.merged_into} instead."
    if TicketComment.objects.filter(ticket=ticket.merged_into_id, at__gt=ticket.closed_at).exists():
        return f"Something was added to {ticket.merged_into} since; write on it instead."
    return ""


@transaction.atomic
def undo_merge(ticket: Ticket, by: User) -> Ticket:
    """Take a merge back within ten minutes, if nothing was added since: its lines return and it is open again."""
    lock_row(Account.objects.all(), ticket.account_id)
    going = lock_row(Ticket.objects.select_related("queue", "merged_into__queue"), ticket.pk)
    why = why_not_unmerged(going)
    if why:
        raise Refused("not_unmerged", why)
    staying = lock_row(Ticket.objects.select_related("queue"), going.merged_into_id or 0)
    TicketComment.objects.filter(moved_from=going).update(ticket=going, moved_from=None)
    going.state, going.closed_at, going.closed_why = Ticket.State.OPEN, None, ""
    going.closed_how, going.merged_into = Ticket.ClosedHow.OPEN, None
    owe_answer(going, going.customer_at or going.opened_at if _waits_for_us(going) else None)
    save_ticket(going, by, "the merge was taken back", *CLOSING_FIELDS)
    save_ticket(staying, by, "the merge was taken back")
    for row in (going, staying):
        add_line(row, f"{name_of(by)} took the merge of {going.number} back.", by)
    return going


def _waits_for_us(ticket: Ticket) -> bool:
    return ticket.answered_at is None or (ticket.customer_at is not None and ticket.customer_at > ticket.answered_at)
