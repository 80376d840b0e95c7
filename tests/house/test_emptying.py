"""After a test of real transactions the database is as after a flush, however it was emptied (tests/emptying.py)."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.test import TransactionTestCase

from accounts.models import Account, AuditEntry
from tests import emptying
from tests.factories import make_account


@pytest.mark.django_db(transaction=True)
def test_what_was_written_is_gone_and_what_was_shipped_is_back() -> None:
    end: Callable[[TransactionTestCase], None] = vars(TransactionTestCase)["_fixture_teardown"]
    if not emptying._brought_back:
        end(TransactionTestCase())
    shipped = dict(emptying._brought_back)
    groups = set(Group.objects.values_list("name", flat=True))
    Group.objects.filter(name="Support").update(name="Helpers")
    Group.objects.create(name="House role")
    make_account()
    assert AuditEntry.objects.exists()

    end(TransactionTestCase())

    assert not Account.objects.exists()
    assert set(Group.objects.values_list("name", flat=True)) == groups
    filled = emptying._tables_with_rows(emptying._tables(), 1)
    found = {table: sorted(emptying._content(table).splitlines()) for table in filled}
    assert found == {table: sorted(kept.splitlines()) for table, kept in shipped.items()}
    assert emptying._brought_back == shipped, "it was a whole flush"
