"""A draft policy over stored history: what it would have decided (contract section 5). Nothing is written."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.cores import share_out
from invoicing.models import Invoice, Payment
from invoicing.rules.allocation import Issued, Received, Returned

from .models import GraceGrant
from .rules import document
from .rules.facts import Grant
from .rules.policy import Policy
from .rules.tally import Tally, countable
from .rules.timeline import Scenario, countable_timeline

CHUNK = 500


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the accounts: their first and last key, and how many there are."""

    keys: tuple[int, int]
    accounts: int


def backtest(
    policy: Policy, from_on: date, to_on: date, *, progress: Callable[[int], None] | None = None
) -> dict[str, Any]:
    """Replay all accounts' invoices, payments and grants under a policy, and count what falls between two dates."""
    tally = Tally(from_on, to_on)
    for part, counted in share_out(partial(_count, countable(policy), from_on, to_on), _parts()):
        tally.add(counted)
        if progress is not None:
            progress(part.accounts)
    return {
        "policy": document.dump(policy),
        "from": from_on.isoformat(),
        "to": to_on.isoformat(),
        **tally.document(),
    }


def _parts() -> list[Part]:
    keys = list(Account.objects.order_by("pk").values_list("pk", flat=True))
    chunks = (keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK))
    return [Part((chunk[0], chunk[-1]), len(chunk)) for chunk in chunks]


def _count(policy: Policy, from_on: date, to_on: date, part: Part) -> tuple[Part, Tally]:
    """Replay some of the accounts."""
    tally = Tally(from_on, to_on)
    accounts = list(Account.objects.filter(pk__range=part.keys).only("pk", "number", "timezone"))
    scenarios = scenarios_of(accounts, part.keys)
    for account in accounts:
        tally.take(account.number, *countable_timeline(scenarios[account.pk], policy, to_on))
    return part, tally


def scenarios_of(accounts: list[Account], keys: tuple[int, int] | None = None) -> dict[int, Scenario]:
    """Return the facts of accounts, in three queries.

    Where they are all that there are from one key to another, `keys` says so and spares the database a long list.
    """
    chosen = {"account__in": accounts} if keys is None else {"account__pk__range": keys}
    zones = {account.pk: clock.zone(account.timezone) for account in accounts}
    invoices: dict[int, list[Issued]] = defaultdict(list)
    payments: dict[int, list[Received]] = defaultdict(list)
    reversals: dict[int, list[Returned]] = defaultdict(list)
    grants: dict[int, list[Grant]] = defaultdict(list)
    rows = Invoice.objects.filter(**chosen).exclude(state=Invoice.State.VOID).order_by("pk")
    for pk, number, issued_on, due_on, amount, frozen in rows.values_list(
        "account_id", "number", "issued_on", "due_on", "amount", "frozen"
    ):
        invoices[pk].append(Issued(number, number, issued_on, due_on, amount, frozen))
    money = Payment.objects.filter(**chosen).order_by("pk")
    for pk, reference, received_at, amount, named, reversed_at in money.values_list(
        "account_id", "reference", "received_at", "amount", "invoice__number", "reversed_at"
    ):
        payments[pk].append(Received(reference, clock.local(received_at, zones[pk]), amount, named))
        if reversed_at is not None:
            reversals[pk].append(Returned(reference, clock.local(reversed_at, zones[pk])))
    for grant in GraceGrant.objects.filter(**chosen).order_by("pk"):
        at = clock.local(grant.granted_at, zones[grant.account_id])
        grants[grant.account_id].append(Grant(at, grant.until_on, grant.lift_now, grant.reason))
    return {
        pk: Scenario(tuple(invoices[pk]), tuple(payments[pk]), tuple(reversals[pk]), tuple(grants[pk])) for pk in zones
    }
