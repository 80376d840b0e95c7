"""Questions about tickets: whose queues, by when an answer is due, which overview holds what, who else is on it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, Value, When

from accounts.models import User
from billing_project.kernel import clock

from .models import Exclusion, QueueHours, Ticket, TicketQueue, TicketRoute, TicketView
from .rules.business_hours import BusinessHours, add_minutes
from .rules.calendar import Calendar, ExcludedDate

# Somebody who had the page open this short a time ago is taken to be on it still.
PRESENCE = timedelta(minutes=2)
# A closed ticket takes an answer up again for so long; after that it is a new matter.
REOPENS_FOR = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Overview:
    """One of the lists that the desk works from."""

    key: str
    words: str
    empty: str


OVERVIEWS = (
    Overview("mine", "Mine", "Nothing is waiting for you. Press “Take the next ticket”."),
    Overview("unowned", "Unowned in my queues", "Nobody waits in your queues. Well done."),
    Overview("late", "Late", "No answer is late."),
    Overview("waiting", "Waiting", "Nothing waits for a customer."),
    Overview("open", "All open", "No ticket is open. Policies open them for unpaid accounts; customers by writing."),
    Overview("closed", "Closed", "No ticket has been closed yet."),
)


def queues_of(user: User) -> QuerySet[TicketQueue]:
    """Return the queues that a member of staff works in; administrators work in all (A26)."""
    if user.is_superuser:
        return TicketQueue.objects.all()
    everybody = Q(groups__isnull=True, members__isnull=True)
    mine = Q(groups__in=user.groups.all()) | Q(members=user)
    return TicketQueue.objects.filter(pk__in=TicketQueue.objects.filter(everybody | mine).values("pk"))


def queue_for(kind: str) -> TicketQueue:
    """Return the queue that new tickets of a kind go to: its route's, or else the first."""
    route = TicketRoute.objects.select_related("queue").filter(kind=kind).first()
    queue = route.queue if route else TicketQueue.objects.first()
    assert queue is not None  # they ship with the program, and one that has tickets cannot be deleted
    return queue


def hours_of(queues: Iterable[TicketQueue]) -> dict[int, BusinessHours]:
    """Return the business hours of queues by key, closed on the exclusions that hold for everybody."""
    rows = list(queues)
    spans: dict[int, dict[int, list[tuple[time, time]]]] = {queue.pk: {} for queue in rows}
    for row in QueueHours.objects.filter(queue__in=spans):
        spans[row.queue_id].setdefault(row.weekday, []).append((row.opens, row.closes))
    closed = Calendar(
        exclusions=tuple(
            ExcludedDate(row.name, row.month, row.day, row.year)
            for row in Exclusion.objects.filter(policy__isnull=True)
        )
    )
    return {
        queue.pk: BusinessHours(queue.timezone, {day: tuple(found) for day, found in spans[queue.pk].items()}, closed)
        for queue in rows
    }


def answer_due_at(
    queue: TicketQueue, since: datetime, *, first: bool, hours: Mapping[int, BusinessHours] | None = None
) -> datetime | None:
    """Return by when a queue has promised an answer that is owed since an instant; None if it promises nothing."""
    minutes = queue.first_response_minutes if first else queue.next_response_minutes
    if minutes is None:
        return None
    return add_minutes((hours or hours_of([queue]))[queue.pk], since, minutes)


def overview(key: str, rows: QuerySet[Ticket], user: User, now: datetime) -> QuerySet[Ticket]:
    """Narrow tickets to those of an overview; an unknown key narrows nothing."""
    return rows.filter(condition) if (condition := _condition(key, user, now)) is not None else rows


def _condition(key: str, user: User, now: datetime) -> Q | None:
    running = ~Q(state=Ticket.State.CLOSED)
    return {
        "mine": running & Q(owner=user),
        "unowned": Q(state=Ticket.State.OPEN, owner__isnull=True, queue__in=queues_of(user).values("pk")),
        "late": Q(answer_due_at__lt=now),
        "waiting": Q(state=Ticket.State.WAITING),
        "open": running,
        "closed": Q(state=Ticket.State.CLOSED),
    }.get(key)


def counts(user: User, now: datetime) -> dict[str, int]:
    """Return how many tickets each overview holds, in one query."""
    return Ticket.objects.aggregate(
        **{view.key: Count("pk", filter=_condition(view.key, user, now)) for view in OVERVIEWS}
    )


def most_urgent_first(rows: QuerySet[Ticket], now: datetime) -> QuerySet[Ticket]:
    """Order tickets as they should be taken: late answers first, then priority, then deadline, then age."""
    late = Case(When(answer_due_at__lt=now, then=Value(0)), default=Value(1))
    return rows.order_by(late, "-priority", F("answer_due_at").asc(nulls_last=True), "opened_at", "pk")


def unread_by(user: User) -> Q:
    """Return a condition for tickets whose customer has written since the user last had them open."""
    seen = TicketView.objects.filter(ticket=OuterRef("pk"), user=user, seen_at__gte=OuterRef("customer_at"))
    return Q(~Exists(seen))


def is_followed_by(user: User) -> Q:
    """Return the condition for tickets that a user owns or watches."""
    return Q(owner=user) | Q(watchers=user)


def others_on(ticket: Ticket, user: User, now: datetime) -> list[TicketView]:
    """Return who else has a ticket open at an instant, longest first."""
    rows = TicketView.objects.filter(ticket=ticket, seen_at__gt=now - PRESENCE).exclude(user=user)
    return list(rows.select_related("user").order_by("since_at"))


def note_presence(ticket: Ticket, user: User, draft: str | None = None) -> None:
    """Note that a user has a ticket open, and how the answer begins that they are writing."""
    now = clock.now()
    view, made = TicketView.objects.get_or_create(
        ticket=ticket, user=user, defaults={"since_at": now, "seen_at": now, "draft": (draft or "")[:200]}
    )
    if made:
        return
    if view.seen_at <= now - PRESENCE:
        view.since_at, view.draft = now, ""
    view.seen_at = now
    if draft is not None:
        view.draft = " ".join(draft.split())[:200]
    view.save(update_fields=["since_at", "seen_at", "draft"])
