"""One account that is wrong, one that is huge, one that a clerk holds, a full disk: the runs go on with the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Account, Attention
from accounts.operations import unpark_account
from billing_project.kernel import locks
from billing_project.kernel.command import explain
from delinquency.models import Event, PolicyStep, PolicyVersion, Standing
from delinquency.models import Sweep as SweepRow
from invoicing.models import BillingRun, CatalogItem, Invoice, InvoiceLine, LedgerEntry, Subscription
from invoicing.sweep import bill
from tests.backoffice import staff_client
from tests.factories import bill_by, instant, make_account
from tests.towns import check, town
from tests.worlds import Story, sonar

BILL_AT = instant("2026-03-01 00:05")
# The accounts of a town are billed on 1 January, due on the 16th, and late on the 21st.
CHECK = "2026-01-21 09:05"
LINES = 50_000


def late() -> list[str]:
    """Return the numbers of the accounts that are delinquent."""
    rows = Standing.objects.filter(delinquent_since__isnull=False)
    return sorted(rows.values_list("account__number", flat=True))


def billed() -> list[str]:
    """Return the numbers of the accounts that were billed, each as often as it was."""
    return sorted(Invoice.objects.filter(source="billing_run").values_list("account__number", flat=True))


def numbers(accounts: list[Account]) -> list[str]:
    """Return the numbers of accounts."""
    return sorted(account.number for account in accounts)


# --- One account with 50,000 lines ---


def lines_for(account: Account, count: int) -> None:
    """Give an account so many services."""
    item, _ = CatalogItem.objects.get_or_create(name="Port", defaults={"price": Decimal("0.10")})
    Subscription.objects.bulk_create(Subscription(account=account, item=item, quantity=1) for _ in range(count))


@pytest.mark.django_db
def test_an_account_with_fifty_thousand_lines_is_billed_whole_beside_the_others() -> None:
    story = Story(sonar(), first_bill_on="2026-03-01", number="huge", price=None)
    others = [make_account() for _ in range(3)]
    for other in others:
        bill_by(other, "2026-03-01")
    lines_for(story.account, 1)
    with CaptureQueriesContext(connection) as few, transaction.atomic():
        bill(BILL_AT, recorded=False)
        transaction.set_rollback(True)
    lines_for(story.account, LINES - 1)
    with CaptureQueriesContext(connection) as many:
        result = bill(BILL_AT)
    assert (result.parked, result.invoices_issued) == ([], 4)
    # The row of the run, and the pages in which so many services are read.
    assert len(many) <= len(few) + 30
    huge = Invoice.objects.get(account=story.account)
    assert huge.amount == LINES * Decimal("0.10")
    assert InvoiceLine.objects.filter(invoice=huge).count() == LINES
    with CaptureQueriesContext(connection) as looks:
        assert check("2026-03-21 09:05").parked == []
    assert late() == ["huge"]
    assert len(looks) < 200


# --- A policy that cannot be read ---


BROKEN = [
    (PolicyStep, {"version__policy__name": "Broken", "key": "slow"}, {"action": "unheard_of"}),
    (PolicyVersion, {"policy__name": "Broken"}, {"check_weekdays": ["someday"]}),
]


def overwrite(model: Any, which: dict[str, str], fields: dict[str, Any]) -> None:
    """Change rows that nobody may change, as a slip in the database itself would."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        assert model.objects.filter(**which).update(**fields) == 1
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


@pytest.mark.django_db
@pytest.mark.parametrize(("model", "which", "broken"), BROKEN)
@pytest.mark.parametrize("count", [3, 24])
def test_an_account_whose_policy_cannot_be_read_is_parked_at_the_check_and_the_others_go_on(
    model: Any, which: dict[str, str], broken: dict[str, Any], count: int
) -> None:
    good, (bad,) = town(sonar(), count), town(sonar(name="Broken"), 1, first=900)
    overwrite(model, which, broken)
    before = Event.objects.filter(account=bad).count(), Standing.objects.values().get(account=bad)
    # So many at once are unusual: only whether the airbag reads them all is of interest here.
    result = check(CHECK, guarded=count > 20)
    assert result.parked == [bad.number]
    assert late() == numbers(good)
    bad.refresh_from_db()
    assert "Version 1 of the policy Broken cannot be read" in bad.parked_why
    assert (Event.objects.filter(account=bad).count(), Standing.objects.values().get(account=bad)) == before
    assert Attention.objects.filter(code="account-parked", account=bad).count() == 1
    page = staff_client().get(reverse("admin:accounts_account_change", args=[bad.pk]))
    assert page.status_code == 200
    assert "Version 1 of the policy Broken cannot be read" in page.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(("model", "which", "broken"), BROKEN)
def test_and_at_a_bill_too_until_the_policy_is_mended(
    model: Any, which: dict[str, str], broken: dict[str, Any]
) -> None:
    good = Story(sonar(), first_bill_on="2026-03-01", number="good")
    bad = Story(sonar(name="Broken"), first_bill_on="2026-03-01", number="bad")
    kept = model.objects.filter(**which).values(*broken).get()
    overwrite(model, which, broken)
    result = bill(BILL_AT)
    assert (result.parked, billed()) == (["bad"], [good.account.number])
    assert "could not be billed" in Account.objects.get(number="bad").parked_why
    overwrite(model, which, kept)
    unpark_account(bad.account.pk)
    assert (bill(BILL_AT).parked, billed()) == ([], ["bad", "good"])


# --- A row that a clerk's form holds ---


@contextmanager
def held(account: Account) -> Iterator[None]:
    """Hold an account's row from another connection, as a form does that is being saved."""
    other: Any = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM accounts_account WHERE id = %s FOR UPDATE", [account.pk])
        yield
        other.rollback()
    finally:
        other.close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Collect for how long a lock would have been waited for in vain; here a fiftieth of it."""
    found: list[float] = []
    locked = locks._locked

    def briefly(rows: Any, seconds_max: float) -> list[Any]:
        try:
            return locked(rows, seconds_max / 50)
        except locks.StaleState:
            found.append(seconds_max)
            raise

    monkeypatch.setattr(locks, "_locked", briefly)
    return found


@pytest.mark.django_db(transaction=True)
def test_who_is_held_for_the_whole_of_a_billing_run_is_billed_by_the_next(waits: list[float]) -> None:
    accounts = [make_account() for _ in range(5)]
    for account in accounts:
        bill_by(account, "2026-03-01")
    with held(accounts[2]):
        result = bill(BILL_AT)
    assert (result.parked, result.invoices_issued) == ([], 4)
    assert 0 < sum(waits) < 60
    again = bill(BILL_AT)
    assert (again.parked, again.invoices_issued, billed()) == ([], 1, numbers(accounts))


@pytest.mark.django_db(transaction=True)
def test_who_is_held_for_the_whole_of_a_check_is_decided_by_the_next(waits: list[float]) -> None:
    accounts = town(sonar(), 5)
    with held(accounts[2]):
        result = check(CHECK)
    assert (result.parked, late()) == ([], numbers(accounts[:2] + accounts[3:]))
    assert 0 < sum(waits) < 60
    assert (check(CHECK).parked, late()) == ([], numbers(accounts))


# --- A full disk ---


@contextmanager
def full_disk(table: str, *, after: int) -> Iterator[None]:
    """Let the database have no room for more than so many further rows of a table."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SEQUENCE room")
        cursor.execute(f"""
            CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF nextval('room') > {after} THEN
                    RAISE EXCEPTION 'could not extend file "base/1/2": No space left on device'
                        USING ERRCODE = 'disk_full';
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER no_room BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION no_room()
        """)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TRIGGER no_room ON {table}; DROP FUNCTION no_room; DROP SEQUENCE room")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "table", ["invoicing_invoice", "invoicing_invoiceline", "invoicing_ledgerentry", "accounts_auditentry"]
)
def test_a_full_disk_ends_a_billing_run_with_whole_chunks_done_and_the_next_goes_on(
    table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invoicing.due.CHUNK", 4)
    accounts = [make_account() for _ in range(12)]
    for account in accounts:
        bill_by(account, "2026-03-01")
    with full_disk(table, after=22 if table == "accounts_auditentry" else 6), pytest.raises(OperationalError) as ended:
        bill(BILL_AT)
    assert explain(ended.value)[0] == "disk_full"
    done = Invoice.objects.count()
    assert done < 12
    assert not Account.objects.filter(parked_at__isnull=False).exists()
    assert BillingRun.objects.get().finished_at is None
    whole = [Invoice.objects.filter(lines__isnull=False), LedgerEntry.objects.filter(kind="invoice")]
    assert [rows.count() for rows in whole] == [done, done]
    assert bill(BILL_AT).invoices_issued == 12 - done
    assert billed() == numbers(accounts)
    assert sorted(Invoice.objects.values_list("number", flat=True)) == [f"VF-{n:06d}" for n in range(1, 13)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", ["delinquency_event", "delinquency_case", "accounts_notice"])
def test_a_full_disk_ends_a_check_with_nobody_parked_and_the_next_goes_on(
    table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("delinquency.due.CHUNK", 4)
    accounts = town(sonar(), 12)
    with full_disk(table, after=6), pytest.raises(OperationalError) as ended:
        check(CHECK, guarded=False)
    assert explain(ended.value)[0] == "disk_full"
    assert not Account.objects.filter(parked_at__isnull=False).exists()
    done = late()
    assert done == sorted(Event.objects.filter(kind="account_delinquent").values_list("account__number", flat=True))
    assert len(done) < 12
    assert check(CHECK, guarded=False).parked == []
    assert late() == numbers(accounts)
    assert Event.objects.filter(kind="account_delinquent").count() == 12
    assert SweepRow.objects.count() == 1
