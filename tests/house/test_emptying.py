"""After a test of real transactions the database is as after a flush, however it was emptied (tests/emptying.py)."""

import pytest
from django.contrib.auth.models import Group
from django.test import TransactionTestCase

from accounts.models import Account, AuditEntry
from tests import emptying
from tests.factories import make_account


@pytest.mark.django_db(transaction=True)
def test_what_was_written_is_gone_and_what_was_shipped_is_back() -> None:
    end = TransactionTestCase._fixture_teardown
    if not emptying._brought_back:
        end(TransactionTestCase())
    shipped = dict(emptying._brought_back)
    groups = set(Group.objects.values_list("name", flat=True))
    Group.objects.order_by("name").first().delete()  # type: ignore[union-attr]
    Group.objects.create(name="House role")
    make_account("10001")
    assert AuditEntry.objects.exists()

    end(TransactionTestCase())

    assert not Account.objects.exists()
    assert set(Group.objects.values_list("name", flat=True)) == groups
    assert {table: emptying._content(table) for table in emptying._tables_with_rows(emptying._tables(), 1)} == shipped
    assert emptying._brought_back == shipped, "it was a whole flush"
