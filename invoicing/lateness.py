"""How late open invoices are, said once for lists and for the home page, so that their counts agree."""

from datetime import timedelta
from typing import Any

from django.db.models import DateField, DateTimeField, F, Func, IntegerField, Q, QuerySet, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast

from billing_project.kernel import clock
from invoicing.models import Invoice

# Days late, from and to; the last bucket is open.
BUCKETS: tuple[tuple[str, str, int | None, int | None], ...] = (
    ("current", "current", None, 0),
    ("1-30", "1–30", 1, 30),
    ("31-60", "31–60", 31, 60),
    ("61-90", "61–90", 61, 90),
    ("90+", "90+", 91, None),
)


def local_today(zone_path: str = "account__timezone") -> Combinable:
    """Return, for SQL, today's date in the zone that a column names (A33)."""
    now = Value(clock.now(), output_field=DateTimeField())
    return Cast(Func(F(zone_path), now, function="timezone", output_field=DateTimeField()), DateField())


def with_days_late(invoices: QuerySet[Invoice]) -> QuerySet[Any]:
    """Add ``days_late`` to each invoice: today minus its due date, in the account's zone."""
    # Written out, since PostgreSQL's date minus date is a number of days, and Django would make an interval of it.
    late = Func(
        local_today(),
        F("due_on"),
        template="(%(expressions)s)",
        arg_joiner=" - ",
        output_field=IntegerField(),
    )
    return invoices.annotate(days_late=late)


def bucket(low: int | None, high: int | None) -> Q:
    """Return the condition for a number of days late from ``low`` to ``high``."""
    found = Q()
    if low is not None:
        found &= Q(days_late__gte=low)
    if high is not None:
        found &= Q(days_late__lte=high)
    return found


def open_around_today(invoices: QuerySet[Invoice]) -> QuerySet[Any]:
    """Return the open invoices that are due today in their account's zone."""
    today = clock.today("UTC")
    # No zone is more than a day away from UTC: this lets the index on the due date do the work.
    near = invoices.filter(state="open", due_on__range=(today - timedelta(days=1), today + timedelta(days=1)))
    return near.filter(due_on=local_today())


def past_due(invoices: QuerySet[Invoice]) -> QuerySet[Any]:
    """Return the open invoices whose due date has passed in their account's zone (A2)."""
    today = clock.today("UTC")
    near = invoices.filter(state="open", due_on__lte=today + timedelta(days=1))
    # What was due the day before yesterday is late in every zone: the local day is worked out for the few others only.
    return near.filter(Q(due_on__lt=today - timedelta(days=1)) | Q(due_on__lt=local_today()))
