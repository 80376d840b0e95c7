"""COPY and its history rows are what the ORM would have written."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from billing_project.kernel import bulk, clock
from invoicing.models import BillingParameters, Invoice
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
