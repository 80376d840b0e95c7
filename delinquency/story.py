"""The whole story of one account, newest first: every effect, whoever or whatever caused it. Reads only.

It is told from the rows that the effects left behind: the journal of events, letters, calls, charges, money put right
by hand, orders to devices, holds, more time, promises, disputes, tickets, moves to another policy, and edits. One
statement reads them all; a page is continued from the last row that was shown, so that nothing shifts meanwhile.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, DateTimeField, F, Func, OuterRef, Q, Subquery, Value

from accounts.models import Account, CallRecord, Contact, FundingSource, InboundMessage, Notice, ServiceLine
from billing_project.kernel.together import Reading, side_by_side
from invoicing.models import LedgerEntry, PaymentAttempt, RefundAttempt
from netenforce.models import EnforcementAttempt, EnforcementTask, Hold, PaymentWindow

from .models import Dispute, Event, GraceGrant, PolicyMove, Promise, Ticket

PAGE = 25
GROUPS = {
    "money": "Money", "fees": "Fees", "letters": "Letters and calls", "late": "Late and delinquent",
    "line": "Line and status", "time": "More time", "tickets": "Tickets and disputes", "edits": "Edits and policy",
}  # fmt: skip
# Which group an event of the journal belongs to; what is not named here is about being late.
_OF_KIND = {
    "issued": "money", "payment": "money", "reversal": "money", "charge": "money", "cured": "money",
    "late_fee": "fees", "reconnection_fee": "fees",
    "notice": "letters", "call_task": "letters", "secondary_source_requested": "letters",
    "restricted": "line", "released": "line", "status_switch": "line", "status_restored": "line", "held": "line",
    "ticket_opened": "tickets", "ticket_closed": "tickets",
}  # fmt: skip
_BY_HAND = ("waiver", "credit_note", "adjustment", "void", "write_off", "refund")
# Fees that a policy charges stand in the journal.
_OWN_FEES = ("late_fee", "reconnection_fee")


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of row that tells of effects: which rows of an account, when each happened, and its group."""

    name: str
    group: str
    rows: Callable[[Account], Any]
    at: str


@dataclass(frozen=True, slots=True)
class Told:
    """One row of the story: where it comes from, and the row itself."""

    at: datetime
    rank: int
    source: str
    group: str
    row: Any

    @property
    def key(self) -> str:
        """Return what the next page is asked for with."""
        return f"{self.at.isoformat()}~{self.rank}~{self.row.pk}"

    @property
    def order(self) -> tuple[datetime, int, int]:
        """Return its place in the story."""
        return self.at, self.rank, self.row.pk


@dataclass(frozen=True, slots=True)
class Story:
    """A page of the story."""

    rows: tuple[Told, ...]
    counts: dict[str, int]  # of each group, whichever is shown
    older: str  # what the next page is asked for with; blank on the last one

    @property
    def total(self) -> int:
        """Return how many rows the whole story has."""
        return sum(self.counts.values())


def _events(account: Account) -> Any:
    instant = Func(
        F("local_at"), Value(account.timezone), template="(%(expressions)s)", arg_joiner="::timestamp AT TIME ZONE ",
        output_field=DateTimeField(),
    )  # fmt: skip
    rows = Event.objects.filter(account=account).select_related("invoice", "policy_version__policy")
    return rows.annotate(happened_at=instant)


def _orders(account: Account) -> Any:
    read_back = EnforcementAttempt.objects.filter(task=OuterRef("pk")).order_by("-pk").values("read_back")[:1]
    rows = EnforcementTask.objects.filter(line__account=account).select_related("line", "device")
    return rows.annotate(read_back=Subquery(read_back))


def _money_by_hand(account: Account) -> Any:
    charged = Q(kind="charge") & ~Q(charge__kind__in=_OWN_FEES)
    rows = LedgerEntry.objects.filter(Q(kind__in=_BY_HAND) | charged, account=account)
    return rows.select_related("actor", "invoice", "charge")


def _edits(model: Any, **which: str) -> Callable[[Account], Any]:
    def rows(account: Account) -> Any:
        found = model.history.filter(**{name: getattr(account, value) for name, value in which.items()})
        return found.select_related("history_user")

    return rows


SOURCES = (
    Source("event", "", _events, "happened_at"),
    Source("attempt", "money", lambda a: PaymentAttempt.objects.filter(account=a).select_related(
        "funding_source", "invoice"), "created_at"),
    Source("refund", "money", lambda a: RefundAttempt.objects.filter(payment__account=a).select_related(
        "asked_by", "payment"), "created_at"),
    Source("ledger", "fees", _money_by_hand, "recorded_at"),
    Source("notice", "letters", lambda a: Notice.objects.filter(account=a).select_related("resent_by").defer(
        "body", "context"), "created_at"),
    Source("call", "letters", lambda a: CallRecord.objects.filter(account=a).select_related("by", "contact"), "at"),
    Source("inbound", "letters", lambda a: InboundMessage.objects.filter(account=a).defer("whole_text"),
           "received_at"),
    Source("order", "line", _orders, "created_at"),
    Source("hold", "line", lambda a: Hold.objects.filter(account=a).select_related("placed_by"), "placed_at"),
    Source("lifted", "line", lambda a: Hold.objects.filter(account=a, lifted_at__isnull=False).select_related(
        "lifted_by"), "lifted_at"),
    Source("window", "line", lambda a: PaymentWindow.objects.filter(account=a).select_related("opened_by"),
           "opened_at"),
    Source("grace", "time", lambda a: GraceGrant.objects.filter(account=a, promise__isnull=True).select_related(
        "granted_by"), "granted_at"),
    Source("promise", "time", lambda a: Promise.objects.filter(account=a).select_related("made_by"), "made_at"),
    Source("ticket", "tickets", lambda a: Ticket.objects.filter(account=a).exclude(kind="delinquency").select_related(
        "opened_by"), "opened_at"),
    Source("shut", "tickets", lambda a: Ticket.objects.filter(account=a, closed_how="hand", closed_at__isnull=False),
           "closed_at"),
    Source("dispute", "tickets", lambda a: Dispute.objects.filter(account=a).select_related(
        "opened_by", "invoice"), "opened_at"),
    Source("decided", "tickets", lambda a: Dispute.objects.filter(account=a, decided_at__isnull=False).select_related(
        "decided_by", "invoice"), "decided_at"),
    Source("move", "edits", lambda a: PolicyMove.objects.filter(account=a).select_related(
        "from_version__policy", "to_version__policy", "moved_by"), "moved_at"),
    Source("account", "edits", _edits(Account, id="pk"), "history_date"),
    Source("contact", "edits", _edits(Contact, account_id="pk"), "history_date"),
    Source("line", "edits", _edits(ServiceLine, account_id="pk"), "history_date"),
    Source("card", "edits", _edits(FundingSource, account_id="pk"), "history_date"),
)  # fmt: skip


def story_reading(account: Account, *, group: str = "", before: str = "", rows: int = PAGE) -> Reading[Story]:
    """Read a page of an account's story: of one group, if one is named, and from a row on; one round."""
    asked = [(rank, source) for rank, source in enumerate(SOURCES) if _tells(source, group)]
    pages, counts = yield from side_by_side(
        _these([_page(account, rank, source, group, before, rows + 1) for rank, source in asked]),
        _these([_count(account, source) for source in SOURCES]),
    )
    told = [
        Told(getattr(row, source.at), rank, source.name, source.group or _OF_KIND.get(row.kind, "late"), row)
        for (rank, source), page in zip(asked, pages, strict=True)
        for row in page
    ]
    told.sort(key=lambda one: one.order, reverse=True)
    totals: Counter[str] = Counter()
    for source, found in zip(SOURCES, counts, strict=True):
        for kind, count in found:
            totals[source.group or _OF_KIND.get(kind, "late")] += count
    shown = tuple(told[:rows])
    return Story(shown, dict(totals), shown[-1].key if len(told) > rows else "")


def _tells(source: Source, group: str) -> bool:
    return not group or source.group in ("", group)


def _page(account: Account, rank: int, source: Source, group: str, before: str, most: int) -> Any:
    found = source.rows(account).order_by(f"-{source.at}", "-pk")
    if group and not source.group:
        named = [kind for kind, own in _OF_KIND.items() if own == group]
        found = found.exclude(kind__in=list(_OF_KIND)) if group == "late" else found.filter(kind__in=named)
    place = _place(before)
    if place is not None:
        at, its_rank, pk = place
        older = Q(**{f"{source.at}__lt": at})
        if rank <= its_rank:
            same = Q(**{source.at: at})
            older |= same if rank < its_rank else same & Q(pk__lt=pk)
        found = found.filter(older)
    return found[:most]


def _place(before: str) -> tuple[datetime, int, int] | None:
    """Return the row that a page follows; None for anything that names none."""
    try:
        at, rank, pk = before.split("~")
        moment, place, key = datetime.fromisoformat(at), int(rank), int(pk)
    except ValueError:
        return None
    return (moment, place, key) if moment.tzinfo is not None and 0 < key < 2**62 else None


def _count(account: Account, source: Source) -> Any:
    rows = source.rows(account).select_related(None).order_by()
    if source.group:
        return rows.annotate(one=Value("")).values_list("one").annotate(count=Count("pk"))
    return rows.values_list("kind").annotate(count=Count("pk"))


def _these(asked: Iterable[Any]) -> Reading[tuple[list[Any], ...]]:
    return (yield tuple(asked))
