"""Make the demo operator in an empty database, and say who can log in to it."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum, auto

from django.conf import settings
from django.db import transaction

from accounts.access import link_to
from accounts.models import Account, Company, User
from accounts.outreach.dispatch import dispatch_notices
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.kernel.locks import try_advisory_lock
from billing_project.kernel.nudge import recorded
from billing_project.kernel.progress import Progress
from delinquency.models import Event, InvoiceStanding, Standing
from delinquency.rules.calendar import months_later
from delinquency.sweep import sweep
from invoicing.models import Invoice, Payment
from netenforce.models import Hold
from netenforce.models.hold import Level

from .calls import Calls
from .days import Days
from .desk import Desk, staff_the_queues
from .letters import better_words, first_words
from .network import Network
from .people import people
from .post import bring_post
from .staff import hire, logins
from .till import Till
from .town import COMPANY, DEVICE_NAMES, found_town

ZONE = "America/New_York"
WEEK = timedelta(days=7)


class State(Enum):
    """What is in the database."""

    EMPTY = auto()
    DEMO = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Size:
    """How large the town is, how long it is played, and from which seed."""

    accounts: int = 200
    months: int = 6
    seed: int = 7


USUAL = Size()


def state() -> State:
    """Tell whether the database is empty, holds the demo, or something else that is left alone."""
    if not Account.objects.exists() and not User.objects.exists():
        return State.EMPTY
    is_demo = Company.objects.filter(name=COMPANY, accounts__service_lines__placements__device__name=DEVICE_NAMES[0])
    return State.DEMO if is_demo.exists() else State.OTHER


@transaction.atomic
def seed(size: Size) -> None:
    """Make the demo in one transaction: killed in the middle, it leaves nothing.

    Raises Refused if another process is making it.
    """
    if not try_advisory_lock("seed_demo"):
        raise Refused("seeding", "The demo is being made by another process at this moment; wait for it.")
    now = clock.now()
    today = clock.local(now, ZONE).date()
    first_on = months_later(today, -size.months)
    subscribers = people(size.accounts, size.seed, today)
    # Nobody is to be woken for each of the past days' letters: they are sent here, at their hours.
    with recorded(), Progress((today - first_on).days + 2, "Making the demo operator") as progress:
        with clock.at(clock.instant(datetime.combine(first_on, time.min), ZONE) - timedelta(hours=3)):
            clerk = hire()
            staff_the_queues(ZONE)
            first_words(clerk)
            accounts = found_town(subscribers, first_on)
        progress.advance(note=f"{len(accounts)} subscribers")

        def each_day(day: date) -> None:
            progress.advance(note=f"{day}")

        Days(subscribers, accounts, seed=size.seed, today=today, by=clerk).play(first_on, now, each_day)
        Desk(now).play()
        Calls(now).play()
        bring_post(now)
        Till(now).play()
        Network(now, seed=size.seed).play()
        with clock.at(now):  # no worker is there yet to look again at whose money moved
            sweep(now, guarded=False)
            dispatch_notices(now)
        with clock.at(now - WEEK):
            better_words(clerk)


def summary() -> list[str]:
    """Return how many subscribers stand where."""
    standings = Standing.objects.all()
    switched = standings.filter(switched_on__isnull=False)
    holds = Hold.objects.filter(lifted_at__isnull=True, cause=Hold.Cause.NON_PAYMENT)
    past_due = InvoiceStanding.objects.filter(
        past_due_on__isnull=False,
        invoice__state=Invoice.State.OPEN,
        account__standing__delinquent_since__isnull=True,
    )
    late = set(past_due.values_list("account_id", flat=True))
    delinquent = set(standings.filter(delinquent_since__isnull=False).values_list("account_id", flat=True))
    today = clock.today(ZONE)
    counts = {
        "paid up": Account.objects.count() - len(late | delinquent),
        "past due": len(late),
        "delinquent": len(delinquent),
        "slowed": _accounts(holds.filter(level=Level.THROTTLE)),
        "suspended": _accounts(holds.filter(level=Level.SUSPEND)),
        "switched to Delinquent": switched.count(),
        "restored this week": _accounts(Event.objects.filter(kind="released", on__gt=today - WEEK)),
        "given more time": standings.filter(grace_until__gt=today).count(),
        "flagged": standings.filter(flagged_on__isnull=False).count(),
    }
    head = (
        f"{COMPANY}: {Account.objects.count()} subscribers, {Invoice.objects.count()} invoices,"
        f" {Payment.objects.count()} payments."
    )
    return [head, *(f"{number:5d} {name}" for name, number in counts.items())]


def welcome() -> list[str]:
    """Return where to log in, and as whom."""
    lines = [f"Admin: {settings.PUBLIC_BASE_URL.rstrip('/')}/admin/", *(f"  {line}" for line in logins())]
    slowed = Account.objects.filter(standing__delinquent_since__isnull=False, parked_at__isnull=True)
    customer = slowed.order_by("-standing__delinquent_since", "number").first()
    if customer is not None:
        lines += [f"Portal, as {customer.name}, who is late:", f"  {link_to(customer)}"]
    return lines


def _accounts(rows: object) -> int:
    return rows.values("account_id").distinct().count()  # type: ignore[attr-defined,no-any-return]
