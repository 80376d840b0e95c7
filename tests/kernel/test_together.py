"""Several readings in one statement: the very rows that each query gives by itself."""

from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, Contact, ServiceLine
from billing_project.kernel.together import Reading, at_once, in_turn, read_at_once, side_by_side
from delinquency.models import Event, PolicyStep, Standing
from invoicing.models import Invoice, LedgerEntry
from tests.backoffice import make_everything

pytestmark = pytest.mark.django_db


def numbers(account_id: int) -> Reading[list[str]]:
    """Read an account's name, and then, knowing that, its invoices."""
    (names,) = yield (Account.objects.filter(pk=account_id).values_list("number", flat=True),)
    (found,) = yield (Invoice.objects.filter(number__in=[f"A-{name}" for name in names]),)
    return [invoice.number for invoice in found]


def balance(account_id: int) -> Reading[Decimal]:
    """Read what an account owes."""
    (rows,) = yield (
        LedgerEntry.objects.filter(account=account_id).order_by().values("account_id").annotate(sum=Sum("amount")),
    )
    return rows[0]["sum"]


def test_rows_of_one_statement_are_those_of_the_querysets_themselves() -> None:
    make_everything()
    querysets = (
        Standing.objects.select_related("policy_version__policy", "account__company"),
        PolicyStep.objects.order_by("-position"),
        Event.objects.select_related("invoice"),
        ServiceLine.objects.all(),
        Contact.objects.filter(pk__in=[]),
        Contact.objects.filter(name="nobody at all"),
        LedgerEntry.objects.values_list("account_id", "amount", "effective_at"),
        Invoice.objects.values("number", "due_on", "remaining", "frozen"),
        Event.objects.values_list("facts", flat=True),
        Account.objects.filter(number="10001")[:1],
        Invoice.objects.order_by().values_list("number").union(Account.objects.order_by().values_list("number")),
    )
    with CaptureQueriesContext(connection) as seen:
        found = read_at_once(querysets)
    assert len(seen) == 1
    assert sum(map(len, found)) > 12
    for rows, queryset in zip(found, querysets, strict=True):
        own = list(queryset.all())
        assert sorted(map(str, rows)) == sorted(map(str, own))
        for row, same in zip(rows, own, strict=True):
            values, expected = (getattr(one, "__dict__", one) for one in (row, same))
            if isinstance(values, dict):
                values = {key: value for key, value in values.items() if key != "_state"}
                expected = {key: value for key, value in expected.items() if key != "_state"}
            assert queryset.query.combinator or values == expected


def test_what_comes_with_a_row_is_not_read_again() -> None:
    make_everything()
    (rows,) = read_at_once([Standing.objects.select_related("policy_version__policy")])
    with CaptureQueriesContext(connection) as seen:
        assert rows[0].policy_version.policy.name == "House rules"
    assert len(seen) == 0


def test_readings_beside_each_other_cost_as_many_statements_as_the_longest_has_rounds() -> None:
    account = make_everything()
    with CaptureQueriesContext(connection) as seen:
        together = at_once(side_by_side(numbers(account.pk), balance(account.pk), numbers(0)))
    assert together == (["A-10001"], Decimal("70.00"), [])
    assert len(seen) == 2
    with CaptureQueriesContext(connection) as seen:
        assert in_turn(numbers(account.pk)) == ["A-10001"]
    assert len(seen) == 2


def test_a_reading_that_needs_nothing_costs_nothing() -> None:
    def nothing() -> Reading[int]:
        yield ()
        return 7

    with CaptureQueriesContext(connection) as seen:
        assert at_once(nothing()) == in_turn(nothing()) == 7
    assert len(seen) == 0
