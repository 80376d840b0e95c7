"""Thirty days ahead under two policies, beside the thirty days before; and the plain forecast of the coming days."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from accounts.models import Account
from billing_project.kernel import clock
from invoicing.models import BillingParameters
from invoicing.operations.issue import services_of
from invoicing.queries import positions as money_positions
from invoicing.rules.charges import service_lines, total
from invoicing.rules.periods import next_bill_on_after

from ..ahead import Prospect, prospects
from ..models import Event as EventRow
from ..models import Standing, Study
from ..policy_file import policies_of
from ..rules import document
from ..rules.actions import Event, Kind
from .days import COLUMNS, Days, days_from
from .differences import WORDS, what_of
from .work import Found, in_scope

DAYS = 30
ZERO = Decimal("0.00")
# A bill is no step of a policy.
STEPS = frozenset(WORDS) - {Kind.ISSUED}


def zones() -> list[str]:
    """Return the time zones of all accounts."""
    return sorted(set(Account.objects.order_by().values_list("timezone", flat=True)))


def earliest_today() -> date:
    """Return the day it is where it is earliest: from it on, nowhere is anything to come left out."""
    return min((clock.today(zone) for zone in zones()), default=clock.today())


class ThirtyDays:
    """Plays accounts ahead under the studied version and under what is live, and compares."""

    def __init__(self, study: Study) -> None:
        """Take up a study where it was left. Raises Refused for a policy file that can no longer be read."""
        self.study = study
        self.draft_policy = document.parse(study.policy_file)
        self.against = policies_of([study.against_id])[study.against_id] if study.against_id else None
        kept, length = study.partial, (study.to_on - study.from_on).days + 1
        self.live = days_from(kept["live"]) if kept else Days(study.from_on, length)
        self.draft = days_from(kept["draft"]) if kept else Days(study.from_on, length)
        self.changed = int(kept.get("changed", 0))

    def accounts(self) -> QuerySet[Account]:
        """Return the accounts that can have a future: under a policy, not closed, not parked."""
        return in_scope(self.study).filter(standing__isnull=False, closed_on__isnull=True, parked_at__isnull=True)

    def take(self, account_ids: Sequence[int]) -> list[Found]:
        """Play a chunk of accounts ahead under both; a constant number of queries."""
        live = prospects(account_ids, self.study.to_on, instead=self.against)
        draft = prospects(account_ids, self.study.to_on, instead=self.draft_policy)
        found = []
        for account_id, prospect in live.items():
            other = draft.get(account_id)
            if other is None:
                continue
            self.live.take(prospect.events)
            self.draft.take(other.events)
            one, two = next_step(prospect), next_step(other)
            if one != two:
                self.changed += 1
                found.append(Found(account_id, [{"live": one, "draft": two}]))
        return found

    def put_by(self) -> dict[str, Any]:
        """Return the counts so far, as JSON takes them."""
        return {"live": self.live.put_by(), "draft": self.draft.put_by(), "changed": self.changed}

    def document(self) -> dict[str, Any]:
        """Return the days under both, and those that have been."""
        return {
            "live": self.live.put_by(),
            "draft": self.draft.put_by(),
            "past": past_days(self.study).put_by(),
            "changed": self.changed,
            "left_out": max(in_scope(self.study).count() - self.study.total, 0),
        }


def next_step(prospect: Prospect) -> dict[str, Any] | None:
    """Return the next thing a policy does to an account: when, and what all happens then; None if nothing does."""
    first: Event | None = None
    together: list[str] = []
    for event in prospect.events:
        if event.kind not in STEPS:
            continue
        if first is None:
            first = event
        if event.at != first.at:
            break
        words = what_of(event) + (f" of {event.amount}" if event.amount is not None else "")
        if words not in together:
            together.append(words)
    return None if first is None else {"at": first.at.isoformat(timespec="minutes"), "what": together}


def past_days(study: Study) -> Days:
    """Return what really happened to the study's accounts on the days before it, as many as it looks ahead."""
    length = (study.to_on - study.from_on).days + 1
    days = Days(study.from_on - timedelta(days=length), length)
    rows = EventRow.objects.filter(on__gte=days.from_on, on__lt=study.from_on, kind__in=list(COLUMNS))
    if study.scope == Study.Scope.POLICY:
        rows = rows.filter(account__in=in_scope(study))
    for on, kind, count, amount in rows.order_by().values_list("on", "kind").annotate(Count("pk"), Sum("amount")):
        days.add(on, Kind(kind), amount, count)
    return days


def due_by(last_on: date) -> list[int]:
    """Return the accounts at which anything is due up to the end of a day, wherever they are."""
    # The end of the day in the zone where it ends last.
    end = clock.instant(datetime.combine(last_on, time.max), "Etc/GMT+12")
    looks = Standing.objects.filter(next_look_at__lte=end).values_list("account_id", flat=True)
    bills = BillingParameters.objects.filter(daily_billing=True, next_bill_on__lte=last_on)
    ids = {*looks, *bills.values_list("account_id", flat=True)}
    rows = Account.objects.filter(Q(pk__in=ids), closed_on__isnull=True, parked_at__isnull=True)
    return list(rows.order_by("pk").values_list("pk", flat=True))


def foretell(account_ids: Sequence[int], from_on: date, length: int) -> Days:
    """Return what some days will bring to accounts if nobody pays, under their own versions."""
    days = Days(from_on, length)
    last_on = from_on + timedelta(days=length - 1)
    under_policy = prospects(account_ids, last_on)
    for prospect in under_policy.values():
        days.take(prospect.events)
    _bill_the_others(set(account_ids) - under_policy.keys(), last_on, days)
    return days


def _bill_the_others(account_ids: Iterable[int], last_on: date, days: Days) -> None:
    """Count the bills of accounts that are under no policy."""
    ids = set(account_ids)
    terms = BillingParameters.objects.filter(
        account__in=ids, daily_billing=True, next_bill_on__lte=last_on, account__status__activates_billing=True
    )
    rows = list(terms)
    if not rows:
        return
    services, owed = services_of(ids), money_positions(ids)
    for row in rows:
        on, waiting = row.next_bill_on, owed[row.account_id].uninvoiced
        while on is not None and on <= last_on:
            amount = total(service_lines(services.get(row.account_id, ()), on)) + waiting
            if amount > 0:
                days.add(on, Kind.ISSUED, amount)
            waiting = min(amount, ZERO)
            on = next_bill_on_after(on, row.bill_day)
