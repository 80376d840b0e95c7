"""How it stands with the second way to pay that a flagged account was asked for (E7, A29). Reads only."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Exists, Min, OuterRef, QuerySet

from accounts.models import FundingSource
from billing_project.kernel import clock
from invoicing.models import BillingParameters, Invoice
from invoicing.rules.expiring import next_payment_on

from .models import Standing

SECONDARY = 2


@dataclass(frozen=True, slots=True)
class SecondSource:
    """When an account was asked for a second source, until when, and which one it gave."""

    asked_on: date
    deadline_on: date | None  # None: nothing more is billed, so nothing fails without one
    source: FundingSource | None = None
    given_on: date | None = None

    @property
    def fulfilled(self) -> bool:
        """Tell whether one is on file that may be charged."""
        return self.source is not None

    @property
    def words(self) -> str:
        """Say it to staff in one line."""
        asked = f"Asked for on {self.asked_on:%a %d %b %Y}"
        if self.source is not None:
            return f"{asked}; {self.source} is on file since {self.given_on:%a %d %b %Y}."
        until = f" It is wanted by {self.deadline_on:%a %d %b %Y}." if self.deadline_on else ""
        return f"{asked}; none was given yet.{until}"


def second_sources(account_ids: Iterable[int]) -> dict[int, SecondSource]:
    """Return how it stands, by account, with those that were asked and are flagged; a constant number of queries."""
    rows = Standing.objects.filter(
        account__in=list(account_ids), second_source_asked_on__isnull=False, flagged_on__isnull=False
    )
    asked = {row.account_id: row.second_source_asked_on for row in rows if row.second_source_asked_on is not None}
    if not asked:
        return {}
    zones = dict(rows.values_list("account_id", "account__timezone"))
    given = _given(asked)
    since = _since(given.values())
    deadlines = deadlines_of(asked)
    return {
        account_id: SecondSource(
            asked_on, deadlines.get(account_id), given.get(account_id),
            clock.local(since[given[account_id].pk], zones[account_id]).date() if account_id in given else None,
        )
        for account_id, asked_on in asked.items()
    }  # fmt: skip


def second_source_of(account_id: int) -> SecondSource | None:
    """Return how it stands with one account; None if it was not asked."""
    return second_sources([account_id]).get(account_id)


def on_file() -> QuerySet[FundingSource]:
    """Return the second sources that may be charged."""
    return FundingSource.objects.filter(rank__gte=SECONDARY, barred_at__isnull=True)


def with_one() -> Exists:
    """Return the condition on standings whose account has a second source that may be charged."""
    return Exists(on_file().filter(account=OuterRef("account")))


def deadlines_of(asked: Mapping[int, date]) -> dict[int, date]:
    """Return by when a second source is wanted: when the first payment after the asking is due (A29).

    From that invoice on a cut may come early (E8).
    """
    found: dict[int, date] = {}
    issued: dict[int, date] = {}
    for asked_on in set(asked.values()):
        members = [account_id for account_id, on in asked.items() if on == asked_on]
        rows = Invoice.objects.filter(account__in=members, due_on__gt=asked_on).exclude(state=Invoice.State.VOID)
        issued |= dict(rows.order_by().values_list("account_id").annotate(on=Min("due_on")))
    terms = {row.account_id: row for row in BillingParameters.objects.filter(account__in=asked)}
    for account_id, asked_on in asked.items():
        row = terms.get(account_id)
        wanted = issued.get(account_id) or next_payment_on(
            asked_on, open_due_on=None, next_bill_on=row.next_bill_on if row else None,
            bill_day=row.bill_day if row else 1, due_days=row.due_days if row else 0,
        )  # fmt: skip
        if wanted is not None:
            found[account_id] = wanted
    return found


def _given(account_ids: Iterable[int]) -> dict[int, FundingSource]:
    return {row.account_id: row for row in on_file().filter(account__in=list(account_ids)).order_by("-rank")}


def _since(sources: Iterable[FundingSource]) -> dict[int, datetime]:
    """Return since when each source has been the card that it is: its history tells."""
    rows = {row.pk: row for row in sources}
    found: dict[int, datetime] = {}
    for past in FundingSource.history.filter(id__in=rows).order_by("history_date"):
        if past.source_token == rows[past.id].source_token:
            found.setdefault(past.id, past.history_date)
    return found
