"""A crowd on the morning of a delinquency check: some enter delinquency at it, the others owe and are not late.

All is as the looks of the days before would have left it; those who enter are told, slowed and given a ticket.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connection

from billing_project.kernel import clock
from delinquency.sweep import sweep
from netenforce.models import Device

from .crowd import make_crowd
from .town import DEVICE

CHECK_ON = date(2026, 3, 10)
# After 09:00 of that day in every zone of the crowd, and daytime in all of them.
AT = datetime(2026, 3, 10, 18, tzinfo=UTC)
AMOUNT = "50.00"
by_saves = None

_LINES = """
INSERT INTO accounts_serviceline (account_id, label, ipv4, ipv6, radius_username, mac)
SELECT id, 'Internet', '10.' || (id >> 16) % 256 || '.' || (id >> 8) % 256 || '.' || id % 256, '', '', ''
FROM accounts_account
"""
_PLACEMENTS = (
    "INSERT INTO netenforce_lineplacement (line_id, device_id) SELECT id, %(device)s FROM accounts_serviceline"
)
_BILLS = """
INSERT INTO invoicing_invoice (public_id, account_id, number, source, description, issued_on, due_on, period_start_on,
    period_end_on, amount, remaining, state, frozen, effective_at, issued_at)
SELECT gen_random_uuid(), id, 'OPEN-' || number, 'imported', 'Internet', d.on, d.on + 15, NULL, NULL, %(amount)s,
    %(amount)s, 'open', false, d.on + interval '9 hours', d.on + interval '9 hours'
FROM accounts_account a, LATERAL (
    SELECT CASE WHEN a.id %% %(every)s = 0 THEN %(check_on)s::date - 20 ELSE %(check_on)s::date - 8 END AS on
) d
"""
_LEDGER = """
INSERT INTO invoicing_ledgerentry (account_id, kind, amount, invoice_id, key, effective_at, recorded_at, reason,
    reason_code)
SELECT account_id, 'invoice', amount, id, 'invoice:' || id, effective_at, effective_at, '', ''
FROM invoicing_invoice WHERE number LIKE 'OPEN-%%'
"""
_STANDINGS_OF_BILLS = """
INSERT INTO delinquency_invoicestanding (invoice_id, account_id, due_noted, past_due_on, may_enter, opening,
    not_counted_why)
SELECT id, account_id, due_on < %(check_on)s, CASE WHEN due_on < %(check_on)s THEN due_on + 1 END, true, 0, ''
FROM invoicing_invoice WHERE number LIKE 'OPEN-%%'
"""
_EVENTS = """
INSERT INTO delinquency_event (account_id, sequence, "on", local_at, recorded_at, kind, invoice_id, amount, step, rule,
    why, facts, policy_version_id)
SELECT i.account_id, k.sequence, i.issued_on, i.issued_on || 'T00:05:00', %(seen_at)s, k.kind, i.id, i.amount, '',
    k.rule, 'As the looks of the days before noted it.', '{}', s.policy_version_id
FROM invoicing_invoice i JOIN delinquency_standing s ON s.account_id = i.account_id,
    (VALUES (1, 'issued', 'S13'), (2, 'due', 'S14'), (3, 'past_due', 'A2')) AS k(sequence, kind, rule)
WHERE i.number LIKE 'OPEN-%%' AND (k.sequence = 1 OR i.due_on < %(check_on)s)
"""
# On some day of the last weeks as many were slowed, so that the day is none that the airbag holds.
_USUAL = """
INSERT INTO delinquency_event (account_id, sequence, "on", local_at, recorded_at, kind, step, rule, why, facts,
    policy_version_id)
SELECT account_id, 4, %(check_on)s::date - 10, '2026-02-28T09:00:00', %(seen_at)s, 'restricted', 'slow', 'S16',
    'As it was on another day.', '{}', policy_version_id
FROM delinquency_standing ORDER BY account_id LIMIT %(due)s
"""
_SEEN = """
UPDATE delinquency_standing s SET looked_until_at = %(seen_at)s, looked_until_phase = 5, events_count = 4,
    ledger_seen = (SELECT max(id) FROM invoicing_ledgerentry),
    next_look_at = CASE WHEN s.account_id %% %(every)s = 0 THEN %(check_on)s::date + interval '13 hours'
        ELSE %(check_on)s::date + interval '7 days' END
"""


def prepare(accounts: int, due: int, database: str) -> None:
    """Make a crowd of which some enter delinquency at the check."""
    make_crowd(accounts, due=due, due_on=CHECK_ON + timedelta(days=10), database=database)
    told: dict[str, Any] = {
        "device": Device.objects.create(name=DEVICE).pk, "amount": AMOUNT, "check_on": CHECK_ON, "due": due,
        "every": max(accounts // due, 1), "seen_at": AT - timedelta(days=1),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_LINES)
        for statement in (_PLACEMENTS, _BILLS, _LEDGER, _STANDINGS_OF_BILLS, _EVENTS, _USUAL, _SEEN):
            cursor.execute(statement, told)
        cursor.execute("VACUUM ANALYZE")


def run() -> int:
    """Do the check, and return how many accounts entered delinquency by it."""
    with clock.at(AT):
        return sweep(AT, is_listed=False).counts["account_delinquent"]
