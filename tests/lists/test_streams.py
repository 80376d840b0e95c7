"""Files of long lists: what rows share is read once for a chunk, and what is said is the same."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.admin.export_cells import stream
from accounts.models import Account
from delinquency.models import Standing
from tests.backoffice import make_customer, make_version

pytestmark = pytest.mark.django_db


def test_rows_of_a_file_share_what_they_belong_to_and_ask_for_it_once() -> None:
    version = make_version()
    for number in ("10001", "10002", "10003"):
        make_customer(number, version)
    rows = Account.objects.select_related("status", "account_type", "company").order_by("pk")
    with CaptureQueriesContext(connection) as asked:
        found = [(row.pk, row.status, row.account_type, row.company) for row in stream(rows)]
    assert found == [(row.pk, row.status, row.account_type, row.company) for row in rows]
    assert len({id(company) for *_, company in found}) == 1
    assert len(asked) == 4  # the rows, and each of the three tables
    assert "JOIN" not in asked[0]["sql"]


def test_what_is_not_shared_is_still_read_along_with_the_rows() -> None:
    make_customer("10001", make_version())
    rows = Standing.objects.select_related("account", "policy_version__policy")
    with CaptureQueriesContext(connection) as asked:
        (row,) = list(stream(rows))
        assert (row.account.number, str(row.policy_version.policy)) == ("10001", "House rules")
    assert len(asked) == 1
