"""import_invoices and import_payments: as if each had been recorded when it happened."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from billing_project.kernel import clock
from delinquency.imports import accounts, invoices, payments
from delinquency.models import Standing
from invoicing.models import Invoice, LedgerEntry, Payment
from invoicing.rules.allocation import Issued, Received, Returned, replay
from tests.csv_files import ACCOUNT, INVOICE, PAYMENT, Files, local, mistakes, run

pytestmark = pytest.mark.django_db


@pytest.fixture
def write(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_an_invoice_keeps_its_number_dates_and_amount(write: Files) -> None:
    accounts.import_accounts(write("accounts", ACCOUNT))
    invoices.import_invoices(write("invoices", INVOICE | {"amount": "100.5"}))
    invoice = Invoice.objects.get()
    assert (invoice.number, invoice.amount, invoice.remaining) == (
        "0001",
        Decimal("100.50"),
        Decimal("100.50"),
    )
    assert (invoice.issued_on, invoice.due_on) == (date(2026, 1, 1), date(2026, 1, 16))
    assert invoice.effective_at == local("2026-01-01 00:05")
    assert sum(line.amount for line in invoice.lines.all()) == invoice.amount


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"account": "9999"}, "account"),
        ({"account": "17"}, "account"),
        ({"issued_on": "2026-02-30"}, "issued_on"),
        ({"issued_on": "0001-01-01"}, "issued_on"),
        ({"due_on": "2025-12-31"}, "due_on"),
        ({"amount": "0.00"}, "amount"),
        ({"amount": "-5"}, "amount"),
        ({"amount": "1.001"}, "amount"),
        ({"amount": "1e3"}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": "99999999999"}, "amount"),
        ({"amount": ""}, "amount"),
        ({"description": "x" * 301}, "description"),
    ],
)
def test_an_invoice_that_cannot_be_is_named(write: Files, cells: dict[str, str], column: str) -> None:
    accounts.import_accounts(write("accounts", ACCOUNT))
    found = invoices.import_invoices(write("invoices", INVOICE | {"number": "0002"}, INVOICE | cells))
    assert mistakes(found) == [(3, column)]
    assert not Invoice.objects.exists()


def test_a_known_number_with_other_content_is_refused(write: Files) -> None:
    accounts.import_accounts(write("accounts", ACCOUNT))
    invoices.import_invoices(write("invoices", INVOICE))
    found = invoices.import_invoices(write("invoices", INVOICE | {"amount": "99.00"}))
    assert mistakes(found) == [(2, "number")]
    assert "never changes" in found.problems[0].message
    assert Invoice.objects.get().amount == Decimal("100.00")


# --- Payments ---


def test_a_payment_counts_from_its_local_time_and_a_date_from_midnight(write: Files) -> None:
    accounts.import_accounts(write("accounts", ACCOUNT | {"timezone": "Pacific/Honolulu"}))
    rows = [
        PAYMENT,
        PAYMENT | {"reference": "P-2", "received": "2026-01-24"},
        PAYMENT | {"reference": "P-3", "received": "2026-01-24 14:10:59"},
    ]
    payments.import_payments(write("payments", *rows))
    received = dict(Payment.objects.values_list("reference", "received_at"))
    assert received == {
        "P-1": local("2026-01-24 14:10", "Pacific/Honolulu"),
        "P-2": local("2026-01-24 00:00", "Pacific/Honolulu"),
        "P-3": local("2026-01-24 14:10:59", "Pacific/Honolulu"),
    }


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"invoice": "0002"}, "invoice"),
        ({"invoice": "0404"}, "invoice"),
        ({"received": "2026-01-24T25:00"}, "received"),
        ({"received": "2026-01-24T14:10Z"}, "received"),
        ({"received": ""}, "received"),
        ({"amount": "0"}, "amount"),
        ({"reversed_on": "2026-01-23"}, "reversed_on"),
        ({"reversed_on": "2026-01-24T14:09"}, "reversed_on"),
        ({"method": "x" * 21}, "method"),
        ({"reference": ""}, "reference"),
    ],
)
def test_a_payment_that_cannot_be_is_named(write: Files, cells: dict[str, str], column: str) -> None:
    accounts.import_accounts(write("accounts", ACCOUNT, ACCOUNT | {"number": "0018"}))
    invoices.import_invoices(write("invoices", INVOICE, INVOICE | {"number": "0002", "account": "0018"}))
    found = payments.import_payments(write("payments", PAYMENT | {"reference": "P-0"}, PAYMENT | cells))
    assert mistakes(found) == [(3, column)]
    assert not Payment.objects.exists()


def test_a_foreign_invoice_is_said_to_be_one(write: Files) -> None:
    accounts.import_accounts(write("accounts", ACCOUNT, ACCOUNT | {"number": "0018"}))
    invoices.import_invoices(write("invoices", INVOICE | {"account": "0018"}))
    code, _, err = run("import_payments", write("payments", PAYMENT | {"invoice": "0001"}))
    assert code == 1
    assert "line 2, invoice '0001': belongs to account 0018, not to 0017" in err


def test_a_return_that_is_only_dated_may_be_on_the_day_of_the_payment(write: Files) -> None:
    accounts.import_accounts(write("accounts", ACCOUNT))
    payments.import_payments(write("payments", PAYMENT | {"reversed_on": "2026-01-24"}))
    assert Payment.objects.get().reversed_at == local("2026-01-24 14:10")


def test_a_known_payment_that_came_back_is_reversed(write: Files) -> None:
    accounts.import_accounts(write("accounts", ACCOUNT))
    invoices.import_invoices(write("invoices", INVOICE))
    payments.import_payments(write("payments", PAYMENT))
    assert Invoice.objects.get().remaining == Decimal("60.00")

    found = payments.import_payments(write("payments", PAYMENT | {"reversed_on": "2026-01-29"}))

    assert (found.created, found.updated) == (0, 1)
    assert Payment.objects.get().reversed_at == local("2026-01-29 00:00")
    assert Invoice.objects.get().remaining == Decimal("100.00")
    found = payments.import_payments(write("payments", PAYMENT | {"reversed_on": "2026-01-30"}))
    assert mistakes(found) == [(2, "reversed_on")]


def test_a_known_payment_with_other_content_is_refused(write: Files) -> None:
    accounts.import_accounts(write("accounts", ACCOUNT))
    payments.import_payments(write("payments", PAYMENT))
    found = payments.import_payments(write("payments", PAYMENT | {"amount": "41.00"}))
    assert mistakes(found) == [(2, "reference")]


def _story() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return a year of one payer: late, early, partial, too much, and one payment that came back."""
    bills = [
        INVOICE | {"number": f"B-{month:02d}", "issued_on": f"2026-{month:02d}-01", "due_on": f"2026-{month:02d}-16"}
        for month in range(1, 7)
    ]
    money = [
        # Received while only B-01 is out: 20.00 of it must wait for B-02, not pay it before its date.
        ("P-1", "2026-01-10", "120.00", "", ""),
        ("P-2", "2026-02-20T10:00", "30.00", "", ""),
        ("P-3", "2026-03-05T10:00", "100.00", "B-03", ""),
        ("P-4", "2026-03-31", "75.00", "", "2026-04-20T09:30"),
        ("P-5", "2026-05-01", "60.00", "B-05", ""),
        ("P-6", "2026-05-02", "210.00", "", "2026-06-03"),
        ("P-7", "2026-06-30T23:59:59", "20.00", "", ""),
    ]
    names = ("reference", "received", "amount", "invoice", "reversed_on")
    return bills, [{"account": "0017", **dict(zip(names, row, strict=True))} for row in money]


def _expected(bills: Sequence[dict[str, str]], money: Sequence[dict[str, str]]) -> list[tuple[datetime, str, Decimal]]:
    """Return what the pure rule makes of it: (when, invoice, change), in any order."""
    day = date.fromisoformat
    facts = replay(
        [Issued(b["number"], b["number"], day(b["issued_on"]), day(b["due_on"]), Decimal(b["amount"])) for b in bills],
        [
            Received(
                m["reference"],
                datetime.fromisoformat(m["received"]),
                Decimal(m["amount"]),
                m["invoice"] or None,
            )
            for m in money
        ],
        [Returned(m["reference"], datetime.fromisoformat(m["reversed_on"])) for m in money if m["reversed_on"]],
    )
    return sorted((fact.at, str(key), change) for fact in facts for key, change in fact.moves)


@pytest.mark.parametrize("backwards", [False, True])
def test_invoices_and_payments_in_two_files_come_out_as_if_in_order_of_time(write: Files, backwards: bool) -> None:
    bills, money = _story()
    accounts.import_accounts(write("accounts", ACCOUNT))
    order = -1 if backwards else 1

    invoices.import_invoices(write("invoices", *bills[::order]))
    payments.import_payments(write("payments", *money[::order]))

    entries = LedgerEntry.objects.filter(invoice__isnull=False).exclude(kind="invoice")
    moved = sorted(
        (clock.local(entry.effective_at, "America/New_York"), entry.invoice.number, entry.amount)
        for entry in entries.select_related("invoice")
        if entry.invoice is not None
    )
    assert moved == _expected(bills, money)
    early = entries.get(payment__reference="P-1", invoice__number="B-02")
    assert (early.amount, early.effective_at) == (Decimal("-20.00"), local("2026-02-01 00:05"))


def test_an_account_whose_row_repeats_is_looked_at_again_once_imported(write: Files) -> None:
    accounts.import_accounts(write("accounts", ACCOUNT))
    Standing.objects.update(next_look_at=None)
    invoices.import_invoices(write("invoices", INVOICE))
    assert Standing.objects.get().next_look_at is not None
