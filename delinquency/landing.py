"""Where unpaid invoices land: the days on which accounts become delinquent, and switch status, if nothing is paid.

The dates are the rules' own. The database only counts: open invoices are grouped by what decides their date, so that
fifty thousand of them come as a few hundred groups in one query.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection

from billing_project.kernel import clock

from .policy_file import policies_of
from .rules.calendar import ONE_DAY
from .rules.facts import AccountState, InvoiceState
from .rules.policy import CHECK_TIME, Do, Policy, Step
from .rules.when import entry_natural_on

# Each open invoice that may still become delinquent, with its due date as reading.due_on has it; the oldest of an
# account that is not delinquent yet is `first`: on its day the account becomes delinquent.
_OWED = """
    SELECT s.policy_version_id AS version_id, i.account_id, s.grace_until, a.timezone, c.currency,
        coalesce(s.next_look_at <= %(now)s, false) AS waits, i.issued_on, d.due_on, i.remaining,
        a.closed_on IS NULL AND t.activates_billing AND s.switched_on IS NULL AS switches,
        s.delinquent_since IS NULL AND row_number() OVER (
            PARTITION BY i.account_id ORDER BY d.due_on, i.issued_on, i.number
        ) = 1 AS first
    FROM delinquency_standing s
    JOIN delinquency_policyversion v ON v.id = s.policy_version_id
    JOIN accounts_account a ON a.id = s.account_id AND a.parked_at IS NULL
    JOIN accounts_accountstatus t ON t.id = a.status_id
    JOIN accounts_company c ON c.id = a.company_id
    JOIN invoicing_invoice i ON i.account_id = s.account_id AND i.state = 'open' AND NOT i.frozen
        AND i.remaining >= greatest(v.minimum_amount_due, 0.01)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN i.source = 'imported' AND v.due_days IS NOT NULL
            THEN i.issued_on + v.due_days ELSE i.due_on END AS due_on
    ) d
    LEFT JOIN delinquency_invoicestanding n ON n.invoice_id = i.id
    WHERE s.policy_version_id = ANY(%(versions)s) AND n.delinquent_on IS NULL AND coalesce(n.may_enter, true)
"""
_KEY = "version_id, due_on, issued_on, grace_until, timezone, waits"
# Put together from our own words alone; what varies is a parameter.
_GROUPS = f"""
    SELECT {_KEY}, currency, count(*), count(*) FILTER (WHERE first), count(*) FILTER (WHERE first AND switches),
        sum(remaining)
    FROM ({_OWED}) owed GROUP BY {_KEY}, currency ORDER BY {_KEY}, currency
"""  # noqa: S608
_FIRSTS = f"SELECT account_id, {_KEY} FROM ({_OWED}) owed WHERE first"  # noqa: S608
# Delinquent accounts whose status was not switched yet, by when their episode and its oldest invoice began.
_DELINQUENT = """
    SELECT s.policy_version_id, s.delinquent_since, o.due_on, o.issued_on, a.timezone,
        coalesce(s.next_look_at <= %(now)s, false), count(*)
    FROM delinquency_standing s
    JOIN accounts_account a ON a.id = s.account_id AND a.parked_at IS NULL AND a.closed_on IS NULL
    JOIN accounts_accountstatus t ON t.id = a.status_id AND t.activates_billing
    JOIN LATERAL (
        SELECT i.id, i.due_on, i.issued_on FROM delinquency_invoicestanding n
        JOIN invoicing_invoice i ON i.id = n.invoice_id AND i.state = 'open' AND NOT i.frozen
        WHERE n.account_id = s.account_id AND n.delinquent_on IS NOT NULL ORDER BY i.due_on, i.id LIMIT 1
    ) o ON true
    WHERE s.policy_version_id = ANY(%(versions)s) AND s.delinquent_since IS NOT NULL AND s.switched_on IS NULL
        AND NOT EXISTS (
            SELECT FROM delinquency_steprun r
            JOIN delinquency_case k ON k.account_id = s.account_id AND k.stage <> 'closed'
            WHERE r.account_id = s.account_id AND r.action = 'status_switch' AND r.outcome = 'done'
                AND r.anchor_key IN ('case:' || k.number, 'invoice:' || o.id)
        )
    GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
"""


class Key(NamedTuple):
    """What decides the day on which an invoice lands."""

    version_id: int
    due_on: date
    issued_on: date
    grace_until: date | None
    timezone: str
    waits: bool  # a look is due: today's check is still to be done


@dataclass(frozen=True, slots=True)
class Group:
    """Open invoices that land on the same day."""

    key: Key
    currency: str
    invoices: int
    accounts: int  # those that become delinquent with one of these invoices
    switching: int  # those of them whose status can be switched
    amount: Decimal


@dataclass(slots=True)
class Landing:
    """What becomes delinquent on one day."""

    on: date
    accounts: int = 0
    invoices: int = 0
    switches: int = 0
    amounts: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    put_off: dict[date, int] = field(default_factory=lambda: defaultdict(int))  # invoices by their natural date
    graced: int = 0  # invoices that Grace Until put off


@dataclass(frozen=True, slots=True)
class Move:
    """Accounts that become delinquent on another day than before."""

    before_on: date
    after_on: date
    accounts: int


def landings(version_id: int) -> dict[date, Landing]:
    """Return what lands on which day under a version if nothing is paid, in three queries whatever the number."""
    policy = policies_of([version_id])[version_id]
    found: dict[date, Landing] = {}

    def day(on: date) -> Landing:
        return found.setdefault(on, Landing(on))

    for group in _groups([version_id]):
        on, natural = entry_on(policy, group.key), _natural_on(policy, group.key)
        landing = day(on)
        landing.accounts += group.accounts
        landing.invoices += group.invoices
        landing.amounts[group.currency] += group.amount
        if on > natural and not policy.calendar.is_open(natural):
            landing.put_off[natural] += group.invoices
        if natural > policy.natural_entry_on(group.key.due_on):
            landing.graced += group.invoices
        if group.switching:
            _add_switches(policy, group.key, on, group.switching, day)
    if _switch_steps(policy):
        for since, key, accounts in _delinquent([version_id]):
            _add_switches(policy, key, since, accounts, day)
    return dict(sorted(found.items()))


def entry_on(policy: Policy, key: Key) -> date:
    """Return the day on which an invoice becomes delinquent if nothing is paid (A3, A5, A7)."""
    return policy.calendar.next_open(max(_natural_on(policy, key), _check_on(key)))


def moves(before: Mapping[int, Policy], after: Mapping[int, Policy]) -> list[Move]:
    """Return the accounts that change their day between two readings of the same versions, earliest first."""
    counts: dict[tuple[date, date], int] = defaultdict(int)
    for group in _groups(before):
        old = entry_on(before[group.key.version_id], group.key)
        new = entry_on(after[group.key.version_id], group.key)
        if old != new and group.accounts:
            counts[old, new] += group.accounts
    return [Move(old, new, accounts) for (old, new), accounts in sorted(counts.items())]


def account_ids_landing(version_id: int, on: date) -> list[int]:
    """Return the accounts that become delinquent on a day if nothing is paid."""
    policy = policies_of([version_id])[version_id]
    keys = {group.key for group in _groups([version_id]) if group.accounts and entry_on(policy, group.key) == on}
    return [row[0] for row in _rows(_FIRSTS, [version_id]) if Key(*row[1:]) in keys]


def _natural_on(policy: Policy, key: Key) -> date:
    invoice = InvoiceState(
        key=0, number="", issued_on=key.issued_on, due_on=key.due_on, amount=Decimal(0), remaining=Decimal(0)
    )
    return entry_natural_on(policy, AccountState(grace_until=key.grace_until), invoice)


def _check_on(key: Key) -> date:
    """Return the day of the next check: today's, unless it has passed and nothing of it is left to do (A4)."""
    now = clock.local(clock.now(), key.timezone)
    return now.date() if key.waits or now < datetime.combine(now.date(), CHECK_TIME) else now.date() + ONE_DAY


def _switch_steps(policy: Policy) -> list[Step]:
    return [step for step in policy.ladder if step.action is Do.STATUS_SWITCH and not step.only_flagged]


def _add_switches(policy: Policy, key: Key, delinquent_on: date, accounts: int, day: Callable[[date], Landing]) -> None:
    """Count a status switch on its day: that of the earliest step, never before the entry (S12, A12)."""
    dates = []
    for step in _switch_steps(policy):
        own = step.date_for(issued_on=key.issued_on, due_on=key.due_on, delinquent_on=delinquent_on)
        if own is not None:
            on = max(own, delinquent_on, clock.today(key.timezone))
            dates.append(policy.calendar.next_open(on) if step.honours_exclusions else on)
    if dates:
        day(min(dates)).switches += accounts


def _groups(version_ids: Iterable[int]) -> list[Group]:
    return [Group(Key(*row[:6]), *row[6:]) for row in _rows(_GROUPS, version_ids)]


def _delinquent(version_ids: Iterable[int]) -> list[tuple[date, Key, int]]:
    return [
        (row[1], Key(row[0], row[2], row[3], None, row[4], row[5]), row[6]) for row in _rows(_DELINQUENT, version_ids)
    ]


def _rows(sql: str, version_ids: Iterable[int]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"now": clock.now(), "versions": list(version_ids)})
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
