"""Take the next ticket: the most urgent one of my queues becomes mine, whoever else asks at the same time (H6)."""

from django.db import transaction

from accounts.models import User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.models import Ticket
from delinquency.ticketing import most_urgent_first, queues_of

from .desk import add_line, name_of, save_ticket


@transaction.atomic
def take_next(by: User) -> Ticket:
    """Make a user the owner of the most urgent ticket that nobody of their queues owns.

    Late answers come first, then priority, then deadline. A ticket that somebody else is taking at this moment is
    left to them. Raises Refused if there is none.
    """
    now = clock.now()
    rows = Ticket.objects.filter(
        state=Ticket.State.OPEN, owner__isnull=True, queue__in=queues_of(by).values("pk")
    ).select_related("queue")
    # Without the account's lock, so that it can skip what is taken; it writes nothing that the account guards.
    ticket = most_urgent_first(rows, now).select_for_update(skip_locked=True, of=("self",)).first()
    if ticket is None:
        raise Refused("no_next_ticket", "No ticket in your queues is without an owner. Look at your own.")
    ticket.owner = by
    save_ticket(ticket, by, "taken as the next", "owner")
    add_line(ticket, f"{name_of(by)} took it as the next.", by)
    return ticket
