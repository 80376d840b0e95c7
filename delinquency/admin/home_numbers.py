"""The numbers of the home page: each is the length of the list that it leads to, all of them in one query."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import F, QuerySet
from django.urls import reverse

from accounts.models import Account, Attention, Notice, User
from billing_project.kernel import clock
from delinquency.models import CallTask, Promise, Ticket
from delinquency.operations import asked_time
from delinquency.promised import broken_lately, due_today
from delinquency.ticketing import overview
from invoicing.lateness import open_around_today, past_due
from invoicing.models import BankFile, Invoice, Payment, PaymentAttempt
from invoicing.operations import approvals
from netenforce.models import Device, Hold, LineState
from netenforce.operations import asked_releases
from netenforce.queries import ending_holds

GOOD, WARN, BAD = "good", "warn", "bad"
WAITING = "queued,claimed,sending"
MONEY, LATE, PEOPLE, DESK = "Money", "Late payers", "Needs a person", "Tickets and calls"


@dataclass(frozen=True, slots=True)
class Number:
    """A number of the day, and where its rows are."""

    words: str
    count: int
    url: str
    tone: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A number before it is counted: its list, where that is shown, and what it says if it is not 0."""

    group: str
    words: str
    rows: Callable[[User], QuerySet[Any]]
    page: str
    query: str
    tone: str = ""
    none: str = ""  # its tone if it is 0
    note: str = ""
    right: str = ""  # who may act on it; others do not see it

    @property
    def url(self) -> str:
        """Return where its rows are."""
        return reverse(f"admin:{self.page}") + (f"?{self.query}" if self.query else "")


def restricted(_user: User) -> QuerySet[Account]:
    """Return the accounts of which a line should be restricted."""
    return Account.objects.filter(pk__in=LineState.objects.exclude(desired_level="open").values("line__account"))


def still_blocked(_user: User) -> QuerySet[Account]:
    """Return the accounts of which a line should be open and was last seen restricted."""
    lines = LineState.objects.filter(desired_level="open").exclude(observed_level="open")
    return Account.objects.filter(pk__in=lines.values("line__account"))


def _back(_user: User) -> QuerySet[Payment]:
    rows = Payment.objects.filter(reversed_at__gte=clock.now() - timedelta(days=7))
    return rows.exclude(reversed_as=Payment.Reversal.MISTAKE)


def _notices(*states: str) -> Callable[[User], QuerySet[Notice]]:
    return lambda _user: Notice.objects.filter(state__in=states)


def _attempts(state: str) -> Callable[[User], QuerySet[PaymentAttempt]]:
    return lambda _user: PaymentAttempt.objects.filter(state=state)


def _tickets(view: str) -> Callable[[User], QuerySet[Ticket]]:
    return lambda user: overview(view, Ticket.objects.all(), user, clock.now())


INVOICES, ACCOUNTS, NOTICES = (
    "invoicing_invoice_changelist",
    "accounts_account_changelist",
    "accounts_notice_changelist",
)
ATTEMPTS, TICKETS, PROMISES = (
    "invoicing_paymentattempt_changelist", "delinquency_ticket_changelist", "delinquency_promise_changelist",
)  # fmt: skip
RECORDS = "invoicing.record_payment"
NUMBERS: tuple[Asked, ...] = (
    Asked(MONEY, "invoices due today", lambda _: open_around_today(Invoice.objects.all()), INVOICES, "late=today"),
    Asked(MONEY, "invoices past due", lambda _: past_due(Invoice.objects.all()), INVOICES, "late=yes", WARN),
    Asked(MONEY, "charges of unknown outcome", _attempts("unknown"), ATTEMPTS, "state__exact=unknown", BAD),
    Asked(MONEY, "charges parked", _attempts("parked"), ATTEMPTS, "state__exact=parked", BAD),
    Asked(
        MONEY, "requests wait for a second person", approvals.waiting_for, "invoicing_approval_changelist", "waits=me",
        WARN, right=approvals.RIGHT_TO_DECIDE,
    ),
    Asked(
        LATE, "requests for more time wait", asked_time.waiting_for, "delinquency_gracerequest_changelist", "waits=me",
        WARN, right=asked_time.RIGHT_TO_DECIDE,
    ),
    Asked(
        LATE, "requests for releases wait", asked_releases.waiting_for, "netenforce_releaserequest_changelist",
        "waits=me", WARN, right=asked_releases.RIGHT_TO_DECIDE,
    ),
    Asked(
        MONEY, "bank files to record", lambda _: BankFile.objects.filter(state=BankFile.State.DRAFT),
        "invoicing_bankfile_changelist", "state__exact=draft", WARN, right=RECORDS,
    ),
    Asked(
        MONEY, "payments came back in 7 days", _back, "invoicing_payment_changelist", "back=week", BAD, right=RECORDS
    ),
    Asked(
        LATE, "accounts delinquent", lambda _: Account.objects.filter(standing__delinquent_since__isnull=False),
        ACCOUNTS, "standing=delinquent", BAD,
    ),
    Asked(LATE, "accounts restricted", restricted, ACCOUNTS, "standing=restricted", WARN),
    Asked(
        LATE, "free to go, still blocked", still_blocked, "delinquency_taskrun_blocked", "", BAD, GOOD, "must be 0"
    ),
    Asked(LATE, "promises due today", lambda _: due_today(Promise.objects.all()), PROMISES, "due=today"),
    Asked(LATE, "promises broken in 7 days", lambda _: broken_lately(Promise.objects.all()), PROMISES, "due=broken",
          WARN),
    Asked(
        LATE, "holds end within 7 days", lambda _: ending_holds(Hold.objects.all()), "netenforce_hold_changelist",
        "ending=week",
    ),
    Asked(
        LATE, "accounts flagged", lambda _: Account.objects.filter(standing__flagged_on__isnull=False), ACCOUNTS,
        "standing=flagged",
    ),
    Asked(
        LATE, "lines not confirmed", lambda _: LineState.objects.exclude(desired_level=F("observed_level")),
        "netenforce_linestate_changelist", "agreement=no", WARN,
    ),
    Asked(
        PEOPLE, "exceptions", lambda _: Attention.objects.filter(resolved_at__isnull=True),
        "accounts_attention_changelist", "state=open", BAD, GOOD,
    ),
    Asked(
        PEOPLE, "accounts parked", lambda _: Account.objects.filter(parked_at__isnull=False), ACCOUNTS,
        "standing=parked", BAD,
    ),
    Asked(
        PEOPLE, "devices failing", lambda _: Device.objects.filter(failing_since_at__isnull=False),
        "netenforce_device_changelist", "failing_since_at__isnull=False", BAD,
    ),
    Asked(PEOPLE, "notices waiting", _notices(*WAITING.split(",")), NOTICES, f"state__in={WAITING}"),
    Asked(PEOPLE, "notices parked", _notices("parked"), NOTICES, "state__exact=parked", BAD),
    Asked(PEOPLE, "notices ambiguous", _notices("ambiguous"), NOTICES, "state__exact=ambiguous", WARN),
    Asked(DESK, "my tickets", _tickets("mine"), TICKETS, "view=mine", right="delinquency.work_ticket"),
    Asked(DESK, "unowned tickets in my queues", _tickets("unowned"), TICKETS, "view=unowned", WARN,
          right="delinquency.work_ticket"),
    Asked(DESK, "answers are late", _tickets("late"), TICKETS, "view=late", BAD),
    Asked(DESK, "open tickets", _tickets("open"), TICKETS, "view=open"),
    Asked(
        DESK, "calls to make", lambda _: CallTask.objects.filter(outcome="waiting"), "delinquency_calltask_changelist",
        "outcome__exact=waiting", WARN,
    ),
)  # fmt: skip


def asked_by(user: User) -> dict[str, Asked]:
    """Return the numbers that concern somebody, by their words."""
    return {one.words: one for one in NUMBERS if not one.right or user.has_perm(one.right)}


def grouped(numbers: dict[str, Asked], counts: dict[str, int]) -> dict[str, list[Number]]:
    """Return the numbers with their counts, by group."""
    found: dict[str, list[Number]] = {}
    for words, one in numbers.items():
        count = counts[words]
        number = Number(words, count, one.url, one.tone if count else one.none, one.note)
        found.setdefault(one.group, []).append(number)
    return found
