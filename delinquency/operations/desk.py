"""What staff do with tickets: take, answer, close."""

from django.db import transaction

from accounts.models import User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from billing_project.kernel.locks import lock_row
from delinquency.models import Ticket, TicketComment

# The column of the history tables is this long.
REASON_LENGTH = 100


@transaction.atomic
def take_ticket(ticket: Ticket, by: User) -> Ticket:
    """Make a member of staff the owner of an open ticket; raises Refused if it is closed or another's."""
    locked = _open(ticket)
    if locked.owner_id == by.pk:
        return locked
    if locked.owner_id is not None:
        raise StaleState(f"{locked.owner} has ticket {locked.number} already; ask them to hand it over.")
    locked.owner = by
    locked._change_reason = "taken"  # type: ignore[attr-defined]
    locked._history_user = by  # type: ignore[attr-defined]
    locked.save(update_fields=["owner"])
    return locked


@transaction.atomic
def comment_on_ticket(ticket: Ticket, text: str, by: User | None, *, internal: bool = True) -> TicketComment:
    """Append a note to a ticket; raises Refused if it is empty."""
    if not text.strip():
        raise Refused("empty_comment", f"The note on ticket {ticket.number} is empty; write what was said or done.")
    return TicketComment.objects.create(ticket=ticket, author=by, text=text.strip(), internal=internal, at=clock.now())


@transaction.atomic
def close_ticket_by_hand(ticket: Ticket, why: str, by: User) -> Ticket:
    """Close a ticket with a note; raises Refused if it is closed already."""
    locked = _open(ticket)
    locked.state, locked.closed_at, locked.closed_why = Ticket.State.CLOSED, clock.now(), why[:300]
    locked._change_reason = why[:REASON_LENGTH]  # type: ignore[attr-defined]
    locked._history_user = by  # type: ignore[attr-defined]
    locked.save(update_fields=["state", "closed_at", "closed_why"])
    comment_on_ticket(locked, why, by)
    return locked


def _open(ticket: Ticket) -> Ticket:
    locked = lock_row(Ticket.objects.select_related("owner"), ticket.pk)
    if locked.state == Ticket.State.CLOSED:
        raise StaleState(f"Ticket {locked.number} is closed: {locked.closed_why or 'no reason was kept'}.")
    return locked
