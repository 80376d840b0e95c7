"""Each invariant holds after the real sweeps, and is seen to be broken when its rows are."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

import pytest
from django.core.management import call_command, load_command_class
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, ServiceLine
from accounts.outreach.dispatch import dispatch_notices
from billing_project.kernel import clock
from billing_project.kernel.command import Command
from delinquency import invariants
from delinquency.history import run_days
from delinquency.invariants import CHECKED, check_invariants
from delinquency.models import StepRun
from invoicing.dispatch import dispatch_charges
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import Device, Hold, LinePlacement, LineState
from tests.delinquency.test_invariants_letters import BREAKS as LETTER_BREAKS
from tests.factories import make_source
from tests.worlds import Story, exchange, sonar

NOW = "2026-01-22 12:00"
SLOWED, SUSPENDED, PAID = "1001", "2001", "3001"

# What triggers forbid is done behind their backs.
FREE = "ALTER TABLE {} DISABLE TRIGGER USER"
GUARD = "ALTER TABLE {} ENABLE TRIGGER USER"
COPY_INVOICE = """
    INSERT INTO invoicing_invoice (public_id, account_id, number, source, description, issued_on, due_on,
        period_start_on, period_end_on, amount, remaining, state, frozen, effective_at, issued_at)
    SELECT gen_random_uuid(), account_id, 'COPY', source, '', issued_on, due_on, {0}, {1}, amount, remaining, state,
        frozen, effective_at, issued_at FROM invoicing_invoice WHERE account_id = (SELECT id FROM accounts_account
        WHERE number = '1001')"""
ENTRY = """
    INSERT INTO invoicing_ledgerentry (account_id, kind, amount, invoice_id, payment_id, key, effective_at, recorded_at,
        reason, reason_code)
    SELECT i.account_id, '{kind}', {amount}, {invoice}, p.id, 'by hand', '2026-01-03', '2026-01-03', '', ''
    FROM invoicing_invoice i, invoicing_payment p WHERE i.account_id =
        (SELECT id FROM accounts_account WHERE number = '{number}')"""
OF = "account_id = (SELECT id FROM accounts_account WHERE number = '{}')"
UNKNOWN = f"""
    UPDATE invoicing_paymentattempt SET state = 'unknown', unclear_at = now() WHERE id =
        (SELECT min(id) FROM invoicing_paymentattempt WHERE {OF.format(SUSPENDED)})"""
# The factories write history with the wall clock; these stories are played in January.
IN_JANUARY = """
    UPDATE accounts_historicalaccount SET history_date = '2025-12-01';
    UPDATE invoicing_historicalsubscription SET history_date = '2025-12-01';
    UPDATE invoicing_historicalbillingparameters SET history_date = '2025-12-01'
        WHERE history_change_reason IS DISTINCT FROM 'billed for 2026-01-01'"""

BREAKS: dict[str, tuple[str, str, list[str]]] = {
    "a period billed twice": (
        "I1", "account 1001, period from 2026-01-01",
        ["DROP INDEX invoice_once_per_period", COPY_INVOICE.format("period_start_on", "period_end_on")],
    ),
    "a bill date without its invoice": (
        "I1", "account 1001, bill date 2026-01-01",
        [
            FREE.format("invoicing_invoice"),
            f"UPDATE invoicing_invoice SET source = 'manual' WHERE {OF.format(SLOWED)}",
            GUARD.format("invoicing_invoice"),
        ],
    ),
    "a period skipped": (
        "I1", "account 1001, period from 2026-02-01",
        [COPY_INVOICE.format("'2026-03-01'", "'2026-03-31'")],
    ),
    "an invoice that is not its ledger": (
        "I2", "99.00, its entries add up to 100.00",
        [f"UPDATE invoicing_invoice SET remaining = remaining - 1 WHERE {OF.format(SLOWED)}"],
    ),
    "an invoice that is not its lines": (
        "I2", "its lines add up to 101.00",
        [
            FREE.format("invoicing_invoiceline"),
            ("UPDATE invoicing_invoiceline SET unit_price = unit_price + 1, amount = amount + 1 WHERE invoice_id ="
            f" (SELECT id FROM invoicing_invoice WHERE {OF.format(SLOWED)})"),
            GUARD.format("invoicing_invoiceline"),
        ],
    ),
    "a ledger entry deleted": (
        "I2", "in the ledger 0",
        [
            FREE.format("invoicing_ledgerentry"),
            f"DELETE FROM invoicing_ledgerentry WHERE {OF.format(SLOWED)} AND kind = 'invoice'",
            GUARD.format("invoicing_ledgerentry"),
        ],
    ),
    "a payment changed": ("I2", "101.00, in the ledger 100.00", ["UPDATE invoicing_payment SET amount = amount + 1"]),
    "credit used twice": (
        "I2", "5.00 too much", [ENTRY.format(kind="refund", amount="5.00", invoice="NULL", number=PAID)],
    ),
    "a charge changed": ("I2", "in the ledger 10.00", ["UPDATE invoicing_charge SET amount = 11.00"]),
    "an unguarded ledger": ("I2", "table invoicing_ledgerentry, DELETE", [FREE.format("invoicing_ledgerentry")]),
    "a number lost": (
        "I2", "number VF-000001",
        [
            FREE.format("invoicing_invoice"),
            "UPDATE invoicing_invoice SET number = 'LOST' WHERE number = 'VF-000001'",
            GUARD.format("invoicing_invoice"),
        ],
    ),
    "a late fee twice": (
        "I3", "2 late fees",
        [
            ("INSERT INTO invoicing_charge (account_id, kind, key, description, amount, charged_on, about_invoice_id,"
            " waived_why, created_at) SELECT account_id, kind, 'again', description, amount, charged_on,"
            " about_invoice_id, '', created_at FROM invoicing_charge")
        ],
    ),
    "a late fee for what was paid": (
        "I3", "fee of 2026-01-06",
        [ENTRY.format(kind="payment", amount="-100.00", invoice="i.id", number=SUSPENDED)],
    ),
    "a late fee while a card was being charged": ("I3", "fee of 2026-01-06", [UNKNOWN]),
    "more collected than asked for": (
        "I4", "100.00, collected 500.00",
        [ENTRY.format(kind="payment", amount="-500.00", invoice="i.id", number=SLOWED)],
    ),
    "a charge that nobody recorded": (
        "I4", "charge ghost of 5.00",
        [("INSERT INTO invoicing_sandboxcharge (key, source_token, amount, currency, outcome, code, at)"
         " VALUES ('ghost', 'tok_ok', 5, 'USD', 'charged', '', '2026-01-22')")],
    ),
    "a payment that nobody charged": ("I4", ", payment ", ["DELETE FROM invoicing_sandboxcharge"]),
    "an unknown charge forgotten": ("I4", "of 100.00 for invoice", [UNKNOWN]),
    "two tickets": (
        "I8", "account 1001, tickets",
        [
            "DROP INDEX ticket_open_once",
            ("INSERT INTO delinquency_ticket (account_id, number, subject, kind, state, priority, queue_id, opened_on,"
            " opened_at, closed_why, closed_how, invoices, replies_count, version)"
            " SELECT account_id, 'TWO-' || id, subject, kind, state, priority, queue_id, opened_on,"
            " opened_at, '', '', invoices, 0, 1 FROM delinquency_ticket"),
        ],
    ),
    "a ticket left open": (
        "I8", "account 1001, ticket",
        ["UPDATE delinquency_standing SET delinquent_since = NULL", "UPDATE delinquency_ticket SET invoices = '[]'"],
    ),
    "a line held for nothing": (
        "I9", "account 1001, throttle since 2026-01-21",
        ["UPDATE delinquency_standing SET delinquent_since = NULL", "UPDATE delinquency_steprun SET invoices = '[]'"],
    ),
    "a line held in dispute": ("I9", "account 2001, suspend", ["UPDATE invoicing_invoice SET frozen = true"]),
    "a line held in grace": (
        "I9", "account 1001, throttle since 2026-01-21, grace until 2026-02-10",
        [
            ("INSERT INTO delinquency_gracegrant (account_id, until_on, lift_now, reason, granted_at)"
            " SELECT id, '2026-02-10', false, 'x', '2026-01-10' FROM accounts_account")
        ],
    ),
    "a line held after lift now": (
        "I9", "account 1001, throttle since 2026-01-21, grace until 2026-02-10",
        [
            ("INSERT INTO delinquency_gracegrant (account_id, until_on, lift_now, reason, granted_at)"
            " SELECT id, '2026-02-10', true, 'x', '2026-01-22' FROM accounts_account")
        ],
    ),
    "a line held while a card was being charged": ("I9", "account 2001, suspend", [UNKNOWN]),
    "a line held on a weekday that is not checked": (
        "I9", "account 1001, throttle since 2026-01-21, decided for 2026-01-21",
        [
            FREE.format("delinquency_policyversion"),
            """UPDATE delinquency_policyversion SET check_weekdays = '["mon", "tue"]'""",
        ],
    ),
    "a line held on an excluded date": (
        "I9", "account 1001, throttle since 2026-01-21, decided for 2026-01-21",
        [
            "INSERT INTO delinquency_exclusion (name, month, day) VALUES ('Fair', 1, 21)",
            ("INSERT INTO delinquency_historicalexclusion (id, name, month, day, history_type, history_date)"
            " SELECT id, name, month, day, '+', '2026-01-01' FROM delinquency_exclusion"),
        ],
    ),
    "a line held without its notice": (
        "I9", "requires notice", ["UPDATE accounts_notice SET state = 'rejected', accepted_at = NULL"],
    ),
    "a device that forgot": (
        "I11", "100.64.0.1 (account 1001): it is open and should be throttle",
        ["DELETE FROM netenforce_simulatedentry"],
    ),
    "a device that holds a free line": (
        "I11", "100.64.0.3 (account 3001): it is suspend and should be open",
        [("INSERT INTO netenforce_simulatedentry (device_id, address, level, list_name, since_at)"
         " SELECT id, '100.64.0.3', 'suspend', '', '2026-01-22' FROM netenforce_device")],
    ),
    "a line that is free on paper alone": (
        "I11", "device edge, account 1001, seen throttle since 2026-01-2",
        ["UPDATE netenforce_linestate SET desired_level = 'open', desired_since_at = desired_since_at"],
    ),
    "a payment window that nobody ended": (
        "I11", "account 1001, open since 2026-01-22",
        [
            ("INSERT INTO netenforce_paymentwindow (account_id, key, scope, why, opened_at, closes_at, ended_how,"
            " levels_before) SELECT id, 'k', '', '', '2026-01-22 16:00+00', '2026-01-22 16:15+00', '', '{}'"
            " FROM accounts_account WHERE number = '1001'")
        ],
    ),
    "a restore that waits": (
        "I11", "account 1001, since 2026-01-22",
        [
            ("INSERT INTO netenforce_enforcementtask (line_id, device_id, level, restores, generation, why, state,"
            " due_at, attempts, created_at) SELECT line_id, device_id, 'open', true, 99, '', 'queued', '2026-01-22',"
            " 0, '2026-01-22' FROM netenforce_lineplacement")
        ],
    ),
    "a bill date passed over": (
        "I12", "account 3001, bill date 2026-01-10",
        ["UPDATE invoicing_billingparameters SET next_bill_on = '2026-01-10'"],
    ),
    "a look passed over": (
        "I12", "account 1001, since 2026-01-10",
        ["UPDATE delinquency_standing SET next_look_at = '2026-01-10'"],
    ),
    "a look that never comes": (
        "I12", "account 1001, invoice VF-",
        ["UPDATE delinquency_standing SET next_look_at = NULL", "DELETE FROM delinquency_invoicestanding"],
    ),
    "an account under no policy": ("I12", "account 3001", ["DELETE FROM delinquency_standing"]),
    "a claim of nobody": (
        "I12", "notice ",
        ["UPDATE accounts_notice SET state = 'sending', lease_until_at = NULL"],
    ),
    "a late fee that no decision led to": (
        "I10", "account 2001, charge ",
        [FREE.format("delinquency_event"), "DELETE FROM delinquency_event WHERE kind = 'late_fee'",
         GUARD.format("delinquency_event")],
    ),
    "a restriction that no decision led to": (
        "I10", "account 1001, throttle of case:1/slow",
        [FREE.format("delinquency_event"), "DELETE FROM delinquency_event WHERE kind = 'restricted'",
         GUARD.format("delinquency_event")],
    ),
    "a letter of another step": (
        "I10", "step never-decided",
        ["UPDATE accounts_notice SET step_key = 'never-decided' WHERE step_key = 'notice'"],
    ),
    "a parked account nobody sees": ("I12", "account, account 1001", ["UPDATE accounts_account SET parked_at = now()"]),
}  # fmt: skip


def now() -> Any:
    return clock.at(clock.instant(datetime.fromisoformat(NOW), "America/New_York"))


def put_line(story: Story, ipv4: str, device: Device) -> None:
    LinePlacement.objects.create(line=ServiceLine.objects.create(account=story.account, ipv4=ipv4), device=device)


def play() -> None:
    """Play January: one account is slowed, one suspended, one charged by card; letters and orders go out daily."""
    device = Device.objects.create(name="edge")
    slowed = Story(sonar(), first_bill_on="2026-01-01", number=SLOWED)
    suspended = Story(exchange(), first_bill_on="2026-01-01", number=SUSPENDED)
    paid = Story(exchange(), first_bill_on="2026-01-01", number=PAID)
    for place, story in enumerate((slowed, suspended, paid), 1):
        put_line(story, f"100.64.0.{place}", device)
    make_source(suspended.account, token="tok_declined")
    make_source(paid.account, token="tok_ok")
    for day in range(1, 23):
        run_days(date(2026, 1, day), date(2026, 1, day), outside=True)
        with slowed.now(f"2026-01-{day:02d} 11:00") as at:
            dispatch_charges(at)
            dispatch_notices(at)
            dispatch_enforcement(at)
    with connection.cursor() as cursor:
        cursor.execute(IN_JANUARY)


@pytest.fixture
def world(db: None) -> Iterator[None]:
    """Play the stories, and stop the clock after them."""
    play()
    with now():
        yield


@contextmanager
def broken_by(*statements: str) -> Iterator[None]:
    """Do something to the rows that only a fault could do, and take it back."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for statement in statements:
                cursor.execute(statement)
        yield
        transaction.set_rollback(True)


def run(**options: Any) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    command = load_command_class("delinquency", "check_invariants")
    assert isinstance(command, Command)
    call_command(command, stdout=out, stderr=err, **options)
    return command.exit_code, out.getvalue(), err.getvalue()


FORGET = "DELETE FROM netenforce_simulatedentry"


def test_each_broken_invariant_is_seen(world: None, subtests: pytest.Subtests) -> None:
    assert dict(Hold.objects.values_list("account__number", "level")) == {SLOWED: "throttle", SUSPENDED: "suspend"}
    assert StepRun.objects.filter(account__number=SUSPENDED, action="late_fee").count() == 1
    assert Account.objects.filter(invoices__state="paid").count() == 1
    for name, (invariant, where, statements) in BREAKS.items():
        with subtests.test(name):
            assert check_invariants() == []
            with broken_by(*statements):
                found = check_invariants()
            seen = [row for row in found if row.invariant == invariant and where in row.where]
            assert seen, [(row.invariant, row.where) for row in found]
            assert all(row.what and row.mend for row in seen)


def test_each_device_of_a_line_is_held_against_what_it_should_be_itself(world: None) -> None:
    line, other = ServiceLine.objects.get(account__number=SLOWED), Device.objects.create(name="other")
    LinePlacement.objects.create(line=line, device=other)
    assert check_invariants() == [], "nothing was asked of it yet"
    LineState.objects.create(line=line, device=other, desired_level="throttle")
    (found,) = check_invariants()
    assert found.where == "device other, 100.64.0.1 (account 1001): it is open and should be throttle"


def test_every_invariant_that_is_checked_has_a_fault_that_breaks_it() -> None:
    broken = {invariant for invariant, _, _ in (*BREAKS.values(), *LETTER_BREAKS.values())}
    assert broken == set(CHECKED)


def test_the_command_says_that_all_hold_or_lists_what_is_broken(world: None, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = run()
    assert (code, err) == (0, "")
    assert "All invariants hold" in out
    with CaptureQueriesContext(connection) as clean:
        check_invariants()
    with broken_by(FORGET):
        code, out, err = run()
        assert (code, out) == (1, "")
        assert err.splitlines()[0].startswith("I11 device edge, 100.64.0.1 (account 1001): it is open")
        code, out, _ = run(json=True)
        answer = json.loads(out)
        assert (code, answer["checked"]) == (1, list(CHECKED))
        assert {row["invariant"] for row in answer["broken"]} == {"I11"}
        assert set(answer["broken"][0]) == {"invariant", "what", "where", "mend"}
        with CaptureQueriesContext(connection) as broken:
            check_invariants()
        assert len(clean) == len(broken) <= 50
        monkeypatch.setattr(invariants, "ROWS_SHOWN", 1)
        assert [row.where for row in check_invariants()][-1] == "and in 1 more places"
