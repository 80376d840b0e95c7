"""The morning's pages with many accounts: run with HOME_ACCOUNTS=50000 (it takes some minutes)."""

import os
from statistics import quantiles

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

import delinquency.admin.home  # noqa: F401  (read now, not in the middle of the measurement)
from accounts.models import ServiceLine
from billing_project.kernel import clock
from delinquency.benchmarks.town import DEVICE, make_town
from delinquency.reports.months import count_months
from delinquency.tonight import AT_ONCE, coming, due_ids
from netenforce.models import Device, LineState
from tests.backoffice import queries_for, staff_client

ACCOUNTS = int(os.environ.get("HOME_ACCOUNTS", "0"))
pytestmark = [pytest.mark.django_db]

# A year of bills, paid, for every account, with what was noted of them; one in twenty is late and restricted.
YEAR = (
    """
    INSERT INTO invoicing_invoice (public_id, account_id, number, source, description, issued_on, due_on, amount,
        remaining, state, frozen, effective_at, issued_at)
    SELECT gen_random_uuid(), a.id, 'Y-' || a.id || '-' || m, 'imported', '', d, d + 15, 50, 0, 'paid', false, d, d
    FROM accounts_account a, generate_series(1, 12) m, LATERAL (SELECT (current_date - m * 30)) day (d)
    """,
    """
    INSERT INTO invoicing_payment (public_id, account_id, reference, received_at, amount, method, effective_at,
        recorded_at, reversed_why, reversed_as)
    SELECT gen_random_uuid(), account_id, number, due_on, 50, 'card', due_on + (id % 9)::int, due_on + (id % 9)::int,
        '', ''
    FROM invoicing_invoice WHERE state = 'paid'
    """,
    """
    INSERT INTO invoicing_ledgerentry (account_id, kind, amount, invoice_id, payment_id, key, effective_at, recorded_at,
        reason, reason_code)
    SELECT i.account_id, k, s * 50, i.id, CASE k WHEN 'payment' THEN p.id END, k || i.id,
        CASE k WHEN 'payment' THEN p.effective_at ELSE i.effective_at END, p.effective_at, '', ''
    FROM invoicing_invoice i JOIN invoicing_payment p ON p.reference = i.number,
        (VALUES ('invoice', 1), ('payment', -1)) kinds (k, s)
    """,
    """
    INSERT INTO delinquency_invoicestanding (invoice_id, account_id, due_noted, may_enter, opening, not_counted_why,
        first_delinquent_on)
    SELECT id, account_id, true, true, 0, '', CASE WHEN id % 10 = 0 THEN due_on + 5 END
    FROM invoicing_invoice WHERE state = 'paid'
    """,
    """
    INSERT INTO delinquency_steprun (account_id, anchor_key, step_key, action, "on", at, outcome, why, level, invoices,
        in_force)
    SELECT account_id, 'invoice:' || id, k, k, due_on + 5, due_on + 5, 'done', '', '', jsonb_build_array(id), false
    FROM invoicing_invoice, (VALUES ('notice'), ('restrict')) kinds (k) WHERE state = 'paid' AND id % 5 = 0
    """,
    """
    INSERT INTO delinquency_event (account_id, sequence, "on", local_at, recorded_at, kind, invoice_id, step, rule, why,
        facts)
    SELECT account_id, 1000 + row_number() OVER (PARTITION BY account_id), issued_on, issued_on::text, issued_at, k, id,
        '', '', 'why', '{}'
    FROM invoicing_invoice, (VALUES ('issued'), ('due'), ('past_due')) kinds (k) WHERE state = 'paid'
    """,
    "UPDATE delinquency_standing SET delinquent_since = current_date WHERE account_id % 20 = 0",
    "ANALYZE",
)


def test_the_home_page_answers_within_half_a_second_with_all_these_accounts(capsys: pytest.CaptureFixture[str]) -> None:
    make_town(ACCOUNTS, database=connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        for statement in YEAR:
            cursor.execute(statement)
    device = Device.objects.get(name=DEVICE)
    LineState.objects.bulk_create(
        (
            LineState(
                line_id=pk, device=device, desired_level="open" if pk % 20 else "throttle", observed_level="open",
                desired_since_at=clock.now(),
            )
            for pk in ServiceLine.objects.values_list("pk", flat=True)
        ),
        ignore_conflicts=True, batch_size=5000,
    )  # fmt: skip
    began = clock.monotonic()
    count_months()
    counted = clock.monotonic() - began
    client, url, taken = staff_client(), reverse("admin:index"), []
    queries = queries_for(client, url)
    for _ in range(40):
        began = clock.monotonic()
        assert client.get(url).status_code == 200
        taken.append(clock.monotonic() - began)
    with CaptureQueriesContext(connection) as asked:
        client.get(url)
    slow = [row for row in asked if float(row["time"]) > 0.03]
    began = clock.monotonic()
    ids = due_ids(clock.now())[:AT_ONCE]
    rows = coming(ids)
    with capsys.disabled():
        print(
            f"\n{ACCOUNTS} accounts: home p50 {quantiles(taken)[1]:.3f} s, p95 {quantiles(taken, n=20)[-1]:.3f} s,"
            f" {queries} queries; months counted in {counted:.1f} s;"
            f" {len(ids)} accounts played ahead in {clock.monotonic() - began:.1f} s ({len(rows)} rows)"
        )
        for row in slow:
            print(row["time"], row["sql"][:20000])
    assert quantiles(taken, n=20)[-1] <= 0.5


if not ACCOUNTS:  # a measurement, made by hand with HOME_ACCOUNTS=100000 or the like
    del test_the_home_page_answers_within_half_a_second_with_all_these_accounts
