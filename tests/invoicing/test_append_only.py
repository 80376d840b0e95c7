"""The database itself refuses to change what was written for good."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, InternalError, transaction

from accounts.models import User
from invoicing.models import Invoice, InvoiceLine, LedgerEntry
from tests.factories import bill_by, make_account

from .helpers import tick

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice() -> Invoice:
    account = make_account()
    bill_by(account, "2026-01-01")
    tick("2026-01-01 00:05")
    return Invoice.objects.get()


CHANGES: dict[str, Any] = {
    "number": "X", "issued_on": date(2025, 1, 1), "due_on": date(2027, 1, 1), "amount": Decimal("99.00"),
    "description": "other", "period_start_on": date(2025, 1, 1), "source": "imported",
}  # fmt: skip


@pytest.mark.parametrize("field", list(CHANGES))
def test_an_issued_invoice_keeps_what_it_says(invoice: Invoice, field: str) -> None:
    with (
        pytest.raises((IntegrityError, InternalError), match="void it or give a credit note"),
        transaction.atomic(),
    ):
        Invoice.objects.filter(pk=invoice.pk).update(**{field: CHANGES[field]})


def test_what_follows_the_ledger_may_change(invoice: Invoice) -> None:
    Invoice.objects.filter(pk=invoice.pk).update(remaining=Decimal(0), state="paid", frozen=True)
    invoice.refresh_from_db()
    assert (invoice.state, invoice.frozen) == ("paid", True)


def test_invoices_lines_and_entries_are_never_deleted(invoice: Invoice) -> None:
    for model in (LedgerEntry, InvoiceLine, Invoice):
        with pytest.raises((IntegrityError, InternalError), match="is refused"), transaction.atomic():
            model.objects.all()._raw_delete("default")  # type: ignore[attr-defined]
        assert model._default_manager.exists()


def test_a_line_and_an_entry_are_never_changed(invoice: Invoice) -> None:
    for model, change in ((InvoiceLine, {"description": "other"}), (LedgerEntry, {"reason": "other"})):
        with pytest.raises((IntegrityError, InternalError), match="is refused"), transaction.atomic():
            model._default_manager.update(**change)


def test_a_member_of_staff_who_leaves_leaves_the_entry(invoice: Invoice) -> None:
    clerk = User.objects.create_user("clerk")
    entry = LedgerEntry.objects.create(
        account=invoice.account, kind="adjustment", amount=Decimal(1), key="by-hand", actor=clerk,
        effective_at=invoice.effective_at,
    )  # fmt: skip
    clerk.delete()
    entry.refresh_from_db()
    assert entry.actor is None
