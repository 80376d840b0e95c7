"""Accounts played ahead of time from their rows: the forecast, and every "what if". Nothing is written.

The same rules as the sweeps (D2), plus the bills that the accounts' terms promise. A chunk is read in a constant
number of queries.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.models import Account, AccountStatus
from billing_project.kernel import clock
from billing_project.kernel.together import Reading, in_turn, side_by_side
from invoicing.models import BillingParameters, Payment
from invoicing.operations.issue import services_reading
from invoicing.operations.payments import parts_of
from invoicing.queries import Position as MoneyPosition
from invoicing.queries import positions_reading as money_reading
from invoicing.rules.charges import Service

from .reading import Position, add_invoices, positions_reading
from .rules.actions import Event
from .rules.ahead import Ahead, Billing, Return, Supposed
from .rules.policy import Policy
from .rules.when import LOOK

CHUNK = 500
ZERO = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Prospect:
    """What is to come for one account: events after now, in order, bills among them."""

    account: Account
    policy: Policy
    now: datetime
    events: tuple[Event, ...]
    owed: Decimal  # its balance at the end: open invoices and waiting charges, less credit


def prospects(
    account_ids: Iterable[int],
    until: date,
    *,
    supposed: Mapping[int, Supposed] | None = None,
    instead: Policy | None = None,
) -> dict[int, Prospect]:
    """Play accounts ahead to a date as if nobody paid but those who are supposed to.

    With `instead` they are played under that policy from now on, with what has been done kept. Accounts under no
    policy and closed ones are left out.
    """
    found: dict[int, Prospect] = {}
    ids = sorted(set(account_ids))
    for start in range(0, len(ids), CHUNK):
        # One transaction, so that money, standings and bills are of one moment.
        with transaction.atomic():
            found |= _chunk(ids[start : start + CHUNK], until, supposed or {}, instead)
    return found


def prospect(
    account: Account, until: date, *, supposed: Supposed | None = None, instead: Policy | None = None
) -> Prospect | None:
    """Play one account ahead to a date; None if it is under no policy or closed."""
    wanted = {account.pk: supposed} if supposed is not None else None
    return prospects([account.pk], until, supposed=wanted, instead=instead).get(account.pk)


def supposed_return(payment: Payment, at: datetime) -> Return:
    """Return what a payment's coming back at a local time would take away (A23)."""
    parts = parts_of(payment.pk)
    owed_again = tuple((key, part) for key, part in parts.items() if key is not None)
    return Return(payment.reference, at, payment.amount, owed_again, parts.get(None, ZERO))


def _chunk(
    ids: list[int], until: date, supposed: Mapping[int, Supposed], instead: Policy | None
) -> dict[int, Prospect]:
    rows = Account.objects.filter(pk__in=ids, closed_on__isnull=True).select_related("status", "company")
    return in_turn(prospects_reading(list(rows), until, supposed=supposed, instead=instead))


def prospects_reading(
    accounts: Sequence[Account],
    until: date,
    *,
    supposed: Mapping[int, Supposed] | None = None,
    instead: Policy | None = None,
) -> Reading[dict[int, Prospect]]:
    """Read accounts that are not closed, with their status and company, and play them ahead; three rounds."""
    found: dict[int, Prospect] = {}
    supposed = supposed or {}
    ids = [account.pk for account in accounts]
    places, money, terms = yield from side_by_side(
        positions_reading(accounts, instead=instead), money_reading(ids), _terms_reading(ids)
    )
    billings = _billings(places, money, terms)
    for position in places:
        account = position.account
        now = clock.local(clock.now(), account.timezone)
        wish = supposed.get(account.pk)
        if wish is not None:
            add_invoices(position, {key for back in wish.returns for key, _ in back.parts if isinstance(key, int)})
        ahead = Ahead(
            position.state,
            position.policy,
            # Under another policy nothing that lies behind is decided again (A36): the account moves to it now.
            position.after if instead is None else max(position.after, (now, LOOK)),
            billing=billings.get(account.pk),
            facts=position.facts,
            supposed=wish,
        )
        events = tuple(event for event in ahead.play(until) if event.at > now)
        owed = ahead.owed
        if ahead.billing is None:  # it bills no more, so that what waits was not given to it
            owed += money[account.pk].uninvoiced - money[account.pk].credit
        found[account.pk] = Prospect(account, position.policy, now, events, owed)
    return found


@dataclass(frozen=True, slots=True)
class _Terms:
    """What decides how accounts are billed."""

    rows: list[BillingParameters]
    statuses: list[AccountStatus]
    services: dict[int, list[Service]]


def _terms_reading(ids: list[int]) -> Reading[_Terms]:
    rows = _asked(
        BillingParameters.objects.filter(account__in=ids, daily_billing=True, next_bill_on__isnull=False),
        AccountStatus.objects.all(),
    )
    (terms, statuses), services = yield from side_by_side(rows, services_reading(ids))
    return _Terms(terms, statuses, services)


def _asked(*querysets: Any) -> Reading[tuple[list[Any], ...]]:
    return (yield querysets)


def _billings(places: Iterable[Position], money: Mapping[int, MoneyPosition], terms: _Terms) -> dict[int, Billing]:
    """Return how accounts will be billed."""
    by_id = {position.account.pk: position for position in places}
    activating = {status.name: status.activates_billing for status in terms.statuses}
    before = {status.pk: status.activates_billing for status in terms.statuses}
    billings = {}
    for row in terms.rows:
        if row.account_id not in by_id:
            continue
        position = by_id[row.account_id]
        policy, standing = position.policy, position.standing
        runs = position.account.status.activates_billing
        if position.state.switched:
            runs = activating.get(policy.removal_status, before.get(standing.status_before_switch_id or 0, False))
        billings[row.account_id] = Billing(
            next_on=row.next_bill_on,
            bill_day=row.bill_day,
            due_days=row.due_days,
            services=tuple(terms.services.get(row.account_id, ())),
            waiting=money[row.account_id].uninvoiced,
            credit=money[row.account_id].credit,
            runs=runs,
            switch_stops=not activating.get(policy.delinquency_status, False),
        )
    return billings
