"""A crowd of accounts for a measurement, written by the database itself: a million of them take a minute."""

from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection

from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused

ZONES = ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles")
POLICY = "Sonar example"

_ACCOUNTS = """
INSERT INTO accounts_account (public_id, number, name, company_id, account_type_id, status_id, status_since_at,
    timezone, address, note, opened_on, parked_why)
SELECT gen_random_uuid(), lpad(n::text, 8, '0'), 'Account ' || n, (SELECT min(id) FROM accounts_company),
    (SELECT min(id) FROM accounts_accounttype), (SELECT id FROM accounts_accountstatus WHERE name = 'Active'),
    %(opened_at)s, (%(zones)s::text[])[1 + n %% 4], '', '', %(opened_on)s, ''
FROM generate_series(1, %(count)s) n
"""
_CONTACTS = """
INSERT INTO accounts_contact (account_id, name, is_billing_contact, email, phone, email_allowed, sms_allowed,
    voice_allowed, language, timezone)
SELECT id, name, true, number || '@customer.example', '', true, true, true, 'en', ''
FROM accounts_account
"""
_CATALOG = """
WITH item AS (
    INSERT INTO invoicing_catalogitem (name, kind, price, active)
    VALUES ('Measured line', 'recurring', 49.90, true), ('Measured router', 'recurring', 5.00, true),
        ('Measured support', 'recurring', 7.25, true)
    RETURNING id, name
), tax AS (
    INSERT INTO invoicing_tax (name, percent) VALUES ('Measured tax', 8.875) RETURNING id
)
INSERT INTO invoicing_catalogitem_taxes (catalogitem_id, tax_id)
SELECT item.id, tax.id FROM item, tax WHERE item.name <> 'Measured support'
"""
_SUBSCRIPTIONS = """
INSERT INTO invoicing_subscription (account_id, item_id, quantity)
SELECT a.id, i.id, 1 FROM accounts_account a, invoicing_catalogitem i WHERE i.name LIKE 'Measured %%'
"""
_PARAMETERS = """
INSERT INTO invoicing_billingparameters (account_id, billing_default_id, bill_day, next_bill_on, due_days,
    daily_billing, prorate_account_status_change, prorate_account_delinquency_status_change,
    autopay_entire_amount_due, autopay)
SELECT a.id, d.id, %(bill_day)s,
    CASE WHEN a.id %% %(every)s = 0 THEN %(due_on)s::date ELSE %(due_on)s::date + 3 + (a.id %% 25)::int END, d.due_days,
    true, d.prorate_account_status_change, d.prorate_account_delinquency_status_change,
    d.autopay_entire_amount_due, false
FROM accounts_account a, invoicing_billingdefault d WHERE d.name = %(policy)s
"""
_STANDINGS = """
INSERT INTO delinquency_standing (account_id, policy_version_id, unflagged_why, looked_until_at, looked_until_phase,
    ledger_seen, grants_seen, events_count)
SELECT a.id, v.id, '', %(opened_at)s, 2, 0, 0, 0
FROM accounts_account a, delinquency_policyversion v
JOIN delinquency_policy p ON p.id = v.policy_id
WHERE p.name = %(policy)s AND v.state = 'published'
"""
# Last month's bill, paid: what a run is compared with, and tables that are not empty, as in life.
_LAST_BILLS = """
INSERT INTO invoicing_invoice (public_id, account_id, number, source, description, issued_on, due_on, period_start_on,
    period_end_on, amount, remaining, state, frozen, effective_at, issued_at)
SELECT gen_random_uuid(), id, 'LAST-' || number, 'billing_run', '', %(last_on)s, %(last_on)s::date + 15, %(last_on)s,
    %(due_on)s::date - 1, 67.02, 0, 'paid', false, %(last_at)s, %(last_at)s
FROM accounts_account
"""
_LAST_LINES = """
INSERT INTO invoicing_invoiceline (invoice_id, position, description, quantity, unit_price, discount, tax, taxes,
    amount)
SELECT i.id, line.position, line.name, 1, line.price, 0, line.tax, '[]', line.price + line.tax
FROM invoicing_invoice i,
    (VALUES (1, 'Measured line', 49.90, 4.43), (2, 'Measured router', 5.00, 0.44), (3, 'Measured support', 7.25, 0.00))
    AS line(position, name, price, tax)
"""
_LAST_PAYMENTS = """
INSERT INTO invoicing_payment (public_id, account_id, reference, received_at, amount, method, invoice_id, effective_at,
    recorded_at, reversed_why, reversed_as)
SELECT gen_random_uuid(), account_id, 'PAID-' || number, %(last_at)s, amount, 'cash', id, %(last_at)s, %(last_at)s, '',
    ''
FROM invoicing_invoice
"""
_LAST_LEDGER = """
INSERT INTO invoicing_ledgerentry (account_id, kind, amount, invoice_id, payment_id, key, effective_at, recorded_at,
    reason, reason_code)
SELECT i.account_id, e.kind, e.sign * i.amount, i.id, CASE WHEN e.kind = 'payment' THEN p.id END,
    e.kind || ':last:' || i.id, %(last_at)s, %(last_at)s, '', ''
FROM invoicing_invoice i JOIN invoicing_payment p ON p.invoice_id = i.id,
    (VALUES ('invoice', 1), ('payment', -1)) AS e(kind, sign)
"""
_SEEN = """
UPDATE delinquency_standing SET looked_until_at = %(seen_at)s, ledger_seen = (SELECT max(id) FROM invoicing_ledgerentry)
"""


def make_crowd(count: int, *, due: int, due_on: date, database: str) -> None:
    """Make accounts with three services and last month's paid bill each; ``due`` of them are billed on a day.

    The others are billed later that month; those due lie scattered among them, as in life. Raises Refused if the
    database in use is not the one made for the measurement, or holds accounts.
    """
    if connection.settings_dict["NAME"] != database or Account.objects.exists():
        raise Refused("not_scratch", "A measurement makes its accounts in an empty database of its own only.")
    opened_on = due_on - timedelta(days=400)
    told: dict[str, Any] = {
        "count": count, "every": max(count // due, 1), "due_on": due_on, "bill_day": due_on.day, "policy": POLICY,
        "zones": list(ZONES), "opened_on": opened_on,
        "last_on": due_on - timedelta(days=28), "last_at": _midnight(due_on - timedelta(days=28)),
        "seen_at": _midnight(due_on - timedelta(days=1)), "opened_at": _midnight(opened_on),
    }  # fmt: skip
    tables = (
        _ACCOUNTS, _CONTACTS, _CATALOG, _SUBSCRIPTIONS, _PARAMETERS, _STANDINGS, _LAST_BILLS, _LAST_LINES,
        _LAST_PAYMENTS, _LAST_LEDGER, _SEEN,
    )  # fmt: skip
    with connection.cursor() as cursor:
        for statement in tables:
            cursor.execute(statement, told)
        cursor.execute("VACUUM ANALYZE")


def _midnight(day: date) -> datetime:
    return clock.instant(datetime.combine(day, datetime.min.time()), "UTC")
