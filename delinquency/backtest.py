"""A draft policy over stored history: what it would have decided (contract section 5). Nothing is written."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from accounts.models import Account
from billing_project.kernel import clock
from invoicing.models import Invoice, Payment
from invoicing.rules.allocation import Issued, Received, Returned

from .models import GraceGrant
from .rules import document
from .rules.facts import Grant
from .rules.policy import Policy
from .rules.tally import Tally
from .rules.timeline import Scenario, timeline

CHUNK = 1000


def backtest(
    policy: Policy, from_on: date, to_on: date, *, progress: Callable[[int], None] | None = None
) -> dict[str, Any]:
    """Replay all accounts' invoices, payments and grants under a policy, and count what falls between two dates."""
    tally = Tally(from_on, to_on)
    for accounts in _chunks():
        scenarios = scenarios_of(accounts)
        for account in accounts:
            tally.take(account.number, timeline(scenarios[account.pk], policy, to_on))
        if progress is not None:
            progress(len(accounts))
    return {
        "policy": document.dump(policy),
        "from": from_on.isoformat(),
        "to": to_on.isoformat(),
        **tally.document(),
    }


def _chunks() -> Iterator[list[Account]]:
    last = 0
    while True:
        rows = list(Account.objects.filter(pk__gt=last).only("pk", "number", "timezone").order_by("pk")[:CHUNK])
        if not rows:
            return
        yield rows
        last = rows[-1].pk


def scenarios_of(accounts: list[Account]) -> dict[int, Scenario]:
    """Return the facts of accounts, in three queries."""
    zones = {account.pk: clock.zone(account.timezone) for account in accounts}
    invoices: dict[int, list[Issued]] = defaultdict(list)
    payments: dict[int, list[Received]] = defaultdict(list)
    reversals: dict[int, list[Returned]] = defaultdict(list)
    grants: dict[int, list[Grant]] = defaultdict(list)
    rows = Invoice.objects.filter(account__in=accounts).exclude(state=Invoice.State.VOID).order_by("pk")
    for pk, number, issued_on, due_on, amount, frozen in rows.values_list(
        "account_id", "number", "issued_on", "due_on", "amount", "frozen"
    ):
        invoices[pk].append(Issued(number, number, issued_on, due_on, amount, frozen))
    money = Payment.objects.filter(account__in=accounts).order_by("pk")
    for pk, reference, received_at, amount, named, reversed_at in money.values_list(
        "account_id", "reference", "received_at", "amount", "invoice__number", "reversed_at"
    ):
        payments[pk].append(Received(reference, clock.local(received_at, zones[pk]), amount, named))
        if reversed_at is not None:
            reversals[pk].append(Returned(reference, clock.local(reversed_at, zones[pk])))
    for grant in GraceGrant.objects.filter(account__in=accounts).order_by("pk"):
        at = clock.local(grant.granted_at, zones[grant.account_id])
        grants[grant.account_id].append(Grant(at, grant.until_on, grant.lift_now, grant.reason))
    return {
        pk: Scenario(tuple(invoices[pk]), tuple(payments[pk]), tuple(reversals[pk]), tuple(grants[pk])) for pk in zones
    }
