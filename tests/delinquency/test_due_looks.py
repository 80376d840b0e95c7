"""At which accounts a tick looks: found by index, walked in pages, shared by workers, and nobody waits for a clerk."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from billing_project.kernel import clock
from billing_project.kernel.locks import lock_free
from billing_project.kernel.nudge import recorded
from delinquency import due, sweep
from delinquency.due import DueLooks
from delinquency.models import Case, Event, Promise, Standing, Sweep
from delinquency.operations import promise_to_pay
from delinquency.tasks import share_tick
from tests.factories import NEW_YORK, instant, many_accounts
from tests.invoicing.test_concurrency import at_once
from tests.towns import check, town
from tests.worlds import sonar

pytestmark = pytest.mark.django_db
# Issued on 1 January, due on the 16th, and delinquent at the check five days later.
CHECK = "2026-01-21 09:00"
AT = instant(CHECK)


def walked(at: object = AT, **scope: object) -> list[str]:
    numbers = dict(Account.objects.values_list("pk", "number"))
    return [numbers[key] for key in DueLooks(at, **scope).account_ids()]  # type: ignore[arg-type]


def owing(count: int) -> list[Account]:
    """Make customers who are decided up to the eve of the check."""
    accounts = town(sonar(), count)
    check("2026-01-20 12:00")
    return accounts


def test_pages_leave_nobody_out_and_name_nobody_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "PAGE", 3)
    accounts = owing(8)
    for place, account in enumerate(accounts):
        Standing.objects.filter(account=account).update(next_look_at=AT - timedelta(hours=place // 4))
    Standing.objects.filter(account=accounts[7]).update(next_look_at=AT + timedelta(seconds=1))
    assert walked() == ["0005", "0006", "0007", "0001", "0002", "0003", "0004"]
    assert walked(account_number="0006") == ["0006"]
    assert walked(zones=[NEW_YORK]) == walked()
    assert walked(zones=["Asia/Tokyo"]) == []
    Account.objects.filter(number="0001").update(parked_at=AT, parked_why="odd")
    assert "0001" not in walked()
    assert DueLooks(AT).count() == 6


def test_a_promise_that_is_over_is_heard_once_whether_or_not_a_look_is_due() -> None:
    due_too, heard, _ = owing(3)
    with clock.at(instant("2026-01-20 12:30")):
        for account in (due_too, heard):
            promise_to_pay(account=account, pay_by_on=date(2026, 1, 22))
    Standing.objects.filter(account=due_too).update(next_look_at=AT)
    Standing.objects.exclude(account=due_too).update(next_look_at=None)
    at = instant("2026-01-23 00:01")
    assert walked(at - timedelta(minutes=2)) == [due_too.number]
    assert walked(at) == [due_too.number, heard.number]
    assert DueLooks(at).count() == 2
    check("2026-01-23 00:01")
    assert [row.state for row in Promise.objects.all()] == ["broken", "broken"]
    assert walked(at) == []


def many_standings(count: int) -> None:
    """Multiply the one account with a standing; all but a hundredth are looked at later."""
    many_accounts(count)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO delinquency_standing (account_id, policy_version_id, unflagged_why, looked_until_at,
                looked_until_phase, ledger_seen, grants_seen, events_count, next_look_at)
            SELECT a.id, s.policy_version_id, '', s.looked_until_at, s.looked_until_phase, 0, 0, 0,
                s.next_look_at + CASE WHEN a.id % 100 = 0 THEN interval '0' ELSE interval '9 days' END
            FROM accounts_account a, delinquency_standing s WHERE a.number LIKE 'many-%'
            """
        )
        cursor.execute("ANALYZE accounts_account")
        cursor.execute("ANALYZE delinquency_standing")


def test_what_is_due_is_found_by_index_and_where_nothing_is_due_a_tick_asks_a_handful_of_questions() -> None:
    owing(1)
    many_standings(20_000)
    with CaptureQueriesContext(connection) as captured:
        assert DueLooks(AT).count() == 201
        assert len(walked()) == 201
    for query in captured.captured_queries:
        if "delinquency_standing" not in query["sql"]:
            continue
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + query["sql"])
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "Seq Scan on delinquency_standing" not in plan, plan
        assert "standing_to_look_at" in plan, plan
    Standing.objects.filter(next_look_at__lte=AT).update(next_look_at=AT + timedelta(days=9))
    with CaptureQueriesContext(connection) as captured:
        assert check(CHECK).accounts_looked_at == 0
    assert len(captured) <= 30


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "CHUNK", 2)


@pytest.mark.django_db(transaction=True)
def test_an_account_that_somebody_holds_is_passed_over_at_first_and_looked_at_when_the_others_are_done(
    monkeypatch: pytest.MonkeyPatch, small_chunks: None
) -> None:
    accounts = owing(5)
    seen: list[list[str]] = []
    numbers = {account.pk: account.number for account in accounts}

    def noted(rows: Any, pks: list[int]) -> list[int]:
        found = lock_free(rows, pks)
        seen.append([numbers[key] for key in found])
        return found

    monkeypatch.setattr(sweep, "lock_free", noted)

    result = sweep.SweepResult(AT)

    def first_walk() -> None:
        for ids in DueLooks(AT).chunks():
            sweep._look_at_chunk(ids, DueLooks(AT), False, False, result, busy_too=False, heard=False)

    with transaction.atomic():
        Account.objects.select_for_update().get(pk=accounts[0].pk)
        at_once(first_walk)
        assert seen == [["0002"], ["0003", "0004"], ["0005"]]
        assert set(Case.objects.values_list("account__number", flat=True)) == {"0002", "0003", "0004", "0005"}
    assert check(CHECK).accounts_looked_at == 1
    assert Case.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_a_large_tick_calls_for_other_workers_and_each_adds_what_it_did_to_its_row(
    monkeypatch: pytest.MonkeyPatch, settings: Any, small_chunks: None
) -> None:
    settings.SWEEP_WORKERS = 3
    monkeypatch.setattr(sweep, "SHARED_FROM", 7)
    accounts = owing(8)
    Standing.objects.filter(account__in=accounts[6:]).update(next_look_at=AT + timedelta(days=1))
    with recorded() as nudges:
        check(CHECK, dry_run=True)
        check(CHECK)
    assert [name for name, _ in nudges if name == "delinquency.share_tick"] == []
    assert Case.objects.count() == 6
    more = town(sonar(), 7, first=20)
    check("2026-01-20 12:00", zones=[NEW_YORK])
    monkeypatch.setattr(sweep, "_walk", lambda *_: None)  # a worker that is killed right after it called
    with recorded() as nudges:
        check(CHECK)
    calls = [arguments for name, arguments in nudges if name == "delinquency.share_tick"]
    assert calls == [(AT.isoformat(),)] * 2
    monkeypatch.undo()
    monkeypatch.setattr(due, "CHUNK", 2)
    shares = at_once(*(lambda: share_tick(*calls[0]) for _ in calls))
    assert sum(shares) == 7
    assert Case.objects.filter(account__in=more).count() == 7
    assert Event.objects.filter(kind="account_delinquent").count() == 13
    assert Sweep.objects.get(tick_at=AT).accounts_looked_at == 13
