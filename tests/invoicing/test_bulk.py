"""COPY and its history rows are what the ORM would have written."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from billing_project.kernel import bulk, clock
from invoicing.models import BillingParameters, Invoice, InvoiceLine
from tests.factories import bill_by, make_account, make_billing_default

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def unsaved() -> BillingParameters:
    return BillingParameters(
        account=make_account(),
        billing_default=make_billing_default(),
        bill_day=31,
        next_bill_on=date(2026, 1, 31),
    )


def plain(row: Any, *leave_out: str) -> dict[str, Any]:
    return {
        field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields if field.name not in leave_out
    }


def test_copied_rows_and_their_history_equal_those_of_save() -> None:
    by_save, by_copy = unsaved(), unsaved()
    with clock.at(NOW):
        by_save._change_reason, by_save._history_date = "started", NOW  # type: ignore[attr-defined]
        by_save.save()
        assert bulk.insert_with_history([by_copy], reason="started") == 1
    own = ("id", "account", "billing_default")
    assert plain(BillingParameters.objects.get(pk=by_copy.pk), *own) == plain(
        BillingParameters.objects.get(pk=by_save.pk), *own
    )
    history = (*own, "history_id")
    assert plain(by_copy.history.get(), *history) == plain(by_save.history.get(), *history)
    assert by_copy.history.get().account_id == by_copy.account_id


def test_updated_rows_and_their_history_equal_those_of_save() -> None:
    by_save, by_bulk = bill_by(make_account(), "2026-01-01"), bill_by(make_account(), "2026-01-01")
    with clock.at(NOW):
        for row in (by_save, by_bulk):
            row.next_bill_on, row.daily_billing = None, False
        by_save._change_reason, by_save._history_date = "moved", NOW  # type: ignore[attr-defined]
        by_save.save(update_fields=["next_bill_on", "daily_billing"])
        assert bulk.update_with_history([by_bulk], ["next_bill_on", "daily_billing"], reason="moved") == 1
    own = ("id", "account", "billing_default")
    assert plain(BillingParameters.objects.get(pk=by_bulk.pk), *own) == plain(
        BillingParameters.objects.get(pk=by_save.pk), *own
    )
    history = (*own, "history_id")
    rows = [row.history.order_by("history_id").last() for row in (by_bulk, by_save)]
    assert plain(rows[0], *history) == plain(rows[1], *history)
    assert rows[0].history_type == "~"


def test_a_copy_that_breaks_a_constraint_is_an_integrity_error_and_writes_nothing() -> None:
    first, second = unsaved(), unsaved()
    second.bill_day = 32
    with pytest.raises(IntegrityError), transaction.atomic():
        bulk.insert_with_history([first, second])
    assert not BillingParameters.objects.exists()
    assert not BillingParameters.history.exists()


def test_reserved_keys_are_not_given_twice() -> None:
    rows = [Invoice(number=str(n)) for n in range(5)]
    bulk.reserve_keys(rows)
    keys = [row.pk for row in rows]
    bulk.reserve_keys(rows)
    assert len(set(keys)) == 5
    assert [row.pk for row in rows] == keys


def test_hostile_text_comes_through_copy_as_it_is() -> None:
    nasty = "a\tb\\N\n\\.\r'\"💸"
    parameters = unsaved()
    bulk.insert_with_history([parameters], reason=nasty)
    assert parameters.history.get().history_change_reason == nasty


def test_nothing_to_write_is_no_query(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert bulk.copy_rows(Invoice, []) == 0
        assert bulk.update_rows([], ["remaining"]) == 0
        assert bulk.insert_with_history([]) == 0


def test_plain_values_are_written_as_save_would_write_them() -> None:
    account = make_account()
    invoice = Invoice.objects.create(
        account=account, number="V-1", source="manual", issued_on=date(2026, 1, 1), due_on=date(2026, 1, 16),
        amount=Decimal("10.89"), remaining=Decimal("10.89"), effective_at=NOW,
    )  # fmt: skip
    taxes = [["County tax", "8.875", "0.89"]]
    line = {"description": "Line, “quoted”\t1", "quantity": 2, "unit_price": Decimal("5.00"), "discount": Decimal(0)}
    by_save = InvoiceLine.objects.create(
        invoice=invoice, position=1, tax=Decimal("0.89"), taxes=taxes, amount=Decimal("10.89"), **line
    )
    bulk.copy_values(
        InvoiceLine,
        ["invoice", "position", *line, "tax", "taxes", "amount"],
        [(invoice.pk, 2, *line.values(), Decimal("0.89"), json.dumps(taxes), Decimal("10.89"))],
    )
    by_save.refresh_from_db()
    by_copy = InvoiceLine.objects.get(position=2)
    assert plain(by_copy, "id", "position") == plain(by_save, "id", "position")


def test_a_column_that_is_left_out_is_refused_before_anything_is_written() -> None:
    with pytest.raises(ValueError, match=r"InvoiceLine: not named \['amount'\]"):
        bulk.copy_values(
            InvoiceLine,
            ["invoice", "position", "description", "quantity", "unit_price", "discount", "tax", "taxes"],
            [],
        )


def test_values_that_are_changed_without_reading_leave_the_history_that_save_leaves() -> None:
    by_save, by_values = bill_by(make_account(), "2026-01-01"), bill_by(make_account(), "2026-01-01")
    with clock.at(NOW):
        by_save.next_bill_on = date(2026, 2, 1)
        by_save._change_reason, by_save._history_date = "billed", NOW  # type: ignore[attr-defined]
        by_save.save(update_fields=["next_bill_on"])
        rows = [(by_values.pk, date(2026, 2, 1))]
        assert bulk.update_values(BillingParameters, ["next_bill_on"], rows, reason="billed") == 1
        assert bulk.update_values(BillingParameters, ["next_bill_on"], [], reason="nobody") == 0
    own = ("id", "account", "billing_default")
    saved, written = (BillingParameters.objects.get(pk=row.pk) for row in (by_save, by_values))
    assert plain(written, *own) == plain(saved, *own)
    kept, noted = (row.history.get(history_type="~") for row in (saved, written))
    assert plain(noted, *own, "history_id") == plain(kept, *own, "history_id")
