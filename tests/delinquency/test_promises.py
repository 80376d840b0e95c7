"""Promises to pay: a day of protection, a verdict, a record (D7)."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from billing_project.kernel.errors import Refused
from delinquency.models import Event, GraceGrant, Promise, Standing, TicketComment
from delinquency.operations import promise_to_pay, undo_grant, withdraw_promise
from delinquency.promised import by_month, by_staff, in_all, record_of
from delinquency.rules.promises import decide
from delinquency.sweep import sweep
from tests.factories import allow_grace, make_staff, make_support
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db


def late(**changes: Any) -> Story:
    """Return a customer who owes 100.00, past due since 2026-01-17, on 2026-01-20."""
    story = Story(sonar(**changes), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-19")
    return story


def promise(story: Story, local: str, pay_by: str, amount: str | None = None, **more: Any) -> Promise:
    """Note a promise at a local time."""
    with story.now(local):
        return promise_to_pay(
            account=story.account, pay_by_on=date.fromisoformat(pay_by),
            amount=Decimal(amount) if amount else None, **more,
        )  # fmt: skip


def state() -> tuple[str, str, str]:
    """Return what became of the only promise: state, day, what was paid of it."""
    row = Promise.objects.get()
    return row.state, str(row.decided_on), str(row.paid)


def test_d7_a_promise_for_sunday_the_25th_is_grace_until_monday_the_26th() -> None:
    story = late()
    row = promise(story, "2026-01-20 12:00", "2026-01-25", note="Ann")
    assert (row.grant.until_on, row.owed, row.promised) == (date(2026, 1, 26), Decimal(100), Decimal(100))
    assert row.grant.reason == "Promised to pay 100.00 by 2026-01-25: Ann"
    assert ("2026-01-26", "account_delinquent") in story.days("2026-01-20", "2026-01-26")


def test_a_promise_is_kept_at_once_when_all_that_was_late_is_paid() -> None:
    story = late()
    promise(story, "2026-01-20 12:00", "2026-01-25")
    story.pays("2026-01-22 10:00", "60.00")
    story.days("2026-01-22")
    assert state()[0] == "open"
    story.pays("2026-01-25 23:30", "40.00")
    with story.now("2026-01-25 23:31") as at:
        sweep(at)
    assert state() == ("kept", "2026-01-25", "100.00")


def test_a_promise_is_broken_when_the_day_after_begins() -> None:
    story = late()
    promise(story, "2026-01-20 12:00", "2026-01-25")
    story.pays("2026-01-23 10:00", "40.00")
    with story.now("2026-01-25 23:59:59") as at:
        sweep(at)
    assert state()[0] == "open"
    with story.now("2026-01-26 00:05") as at:
        sweep(at)
    assert state() == ("broken", "2026-01-26", "40.00")


def test_money_of_the_last_day_counts_though_the_look_comes_two_days_later_and_later_money_does_not() -> None:
    story = late()
    promise(story, "2026-01-20 12:00", "2026-01-25", "50.00")
    story.pays("2026-01-25 23:59", "49.99")
    story.pays("2026-01-26 00:01", "50.01")
    with story.now("2026-01-27 09:00") as at:
        sweep(at)
    assert state() == ("broken", "2026-01-26", "49.99")


def test_an_amount_that_was_named_is_enough() -> None:
    story = late()
    promise(story, "2026-01-20 12:00", "2026-01-25", "50.00")
    story.pays("2026-01-22 10:00", "50.00")
    with story.now("2026-01-22 10:01") as at:
        sweep(at)
    assert state() == ("kept", "2026-01-22", "50.00")


def test_money_that_came_before_the_promise_or_was_returned_does_not_keep_it() -> None:
    story = late()
    story.pays("2026-01-20 09:30", "30.00")
    row = promise(story, "2026-01-20 12:00", "2026-01-25", "30.00")
    assert row.owed == Decimal(70)
    with story.now("2026-01-20 13:00") as at:
        sweep(at)
    assert state()[0] == "open"
    payment = story.pays("2026-01-21 10:00", "30.00")
    story.bounces("2026-01-21 10:00", payment)
    with story.now("2026-01-26 00:05") as at:
        sweep(at)
    assert state() == ("broken", "2026-01-26", "0.00")


def test_the_day_is_over_when_it_is_over_where_the_account_is() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01", zone="Pacific/Honolulu")
    story.days("2026-01-01", "2026-01-19")
    promise(story, "2026-01-20 12:00", "2026-01-25")
    with story.now("2026-01-25 23:50") as at:  # long the 26th in New York
        sweep(at)
    assert state()[0] == "open"
    with story.now("2026-01-26 00:00") as at:
        sweep(at)
    assert state()[0] == "broken"


def test_a_broken_promise_is_noted_on_the_open_ticket() -> None:
    story = late()
    story.days("2026-01-20", "2026-01-22")  # delinquent, with a ticket
    promise(story, "2026-01-22 12:00", "2026-01-25")
    story.days("2026-01-23", "2026-01-26")
    said = list(TicketComment.objects.filter(text__contains="romise").values_list("text", flat=True))
    assert said == [
        "Promised to pay 100.00 by 2026-01-25 (on the phone).",
        "The promise of 2026-01-22 was not kept: 100.00 had been promised by 2026-01-25; nothing of it came.",
    ]


def test_a_dry_run_decides_nothing() -> None:
    story = late()
    promise(story, "2026-01-20 12:00", "2026-01-25")
    with story.now("2026-01-26 00:05") as at:
        sweep(at, dry_run=True)
    assert state()[0] == "open"


def test_the_story_of_an_account_is_the_same_with_a_promise_as_with_its_grace() -> None:
    story, other = late(), Story(sonar(), first_bill_on="2026-01-01", number="1002")
    other.days("2026-01-01", "2026-01-19")
    promise(story, "2026-01-20 12:00", "2026-01-25")
    other.gets_grace("2026-01-20 12:00", "2026-01-26")
    story.days("2026-01-20", "2026-02-05")
    assert story.story() == other.story()


def test_a_second_promise_waits_until_the_first_is_closed() -> None:
    story = late()
    first = promise(story, "2026-01-20 12:00", "2026-01-25")
    with pytest.raises(Refused, match=r"promised 100\.00 by 2026-01-25 already; withdraw that promise first"):
        promise(story, "2026-01-20 13:00", "2026-01-27")
    with story.now("2026-01-20 13:00"):
        with pytest.raises(Refused, match="Say why"):
            withdraw_promise(first, " ")
        withdraw_promise(first, "misheard")
        with pytest.raises(Refused, match="withdrawn already"):
            withdraw_promise(first, "again")
    promise(story, "2026-01-20 13:05", "2026-01-27")
    assert Promise.objects.filter(state="open").count() == 1


def test_the_database_itself_holds_one_open_promise() -> None:
    story = late()
    row = promise(story, "2026-01-20 12:00", "2026-01-25")
    grant = GraceGrant.objects.create(account=story.account, until_on=date(2026, 1, 26), reason="x")
    row.pk, row.grant, row._state.adding = None, grant, True
    with pytest.raises(IntegrityError, match="promise_open_once"), transaction.atomic():
        row.save(force_insert=True)


@pytest.mark.parametrize(
    ("pay_by", "amount", "words"),
    [
        ("2026-01-19", None, "has passed"),
        ("2026-01-25", "100.01", "100.00 is owed"),
        ("2026-01-25", "0.00", "cannot be promised"),
    ],
)
def test_what_cannot_be_promised_is_refused(pay_by: str, amount: str | None, words: str) -> None:
    with pytest.raises(Refused, match=words):
        promise(late(), "2026-01-20 12:00", pay_by, amount)
    assert GraceGrant.objects.count() == 0


def test_before_anything_is_late_a_promise_is_about_what_falls_due_by_its_day() -> None:
    story = Story(sonar(), first_bill_on="2026-01-01")
    story.days("2026-01-01", "2026-01-02")
    with pytest.raises(Refused, match="owes nothing that is due by 2026-01-15"):
        promise(story, "2026-01-05 12:00", "2026-01-15")
    assert promise(story, "2026-01-05 12:00", "2026-01-16").owed == Decimal(100)


def test_a_promise_never_shortens_the_grace_that_runs() -> None:
    story = late()
    story.gets_grace("2026-01-20 11:00", "2026-02-10")
    promise(story, "2026-01-20 12:00", "2026-01-25")
    assert Standing.objects.get(account=story.account).grace_until == date(2026, 2, 10)


def test_a_promise_counts_as_an_extension_and_goes_when_its_grant_is_taken_back() -> None:
    story, sandy = late(), make_support()
    row = promise(story, "2026-01-20 12:00", "2026-01-25", by=sandy)
    assert record_of(story.account, date(2026, 1, 20)).given_count == 1
    with story.now("2026-01-20 12:05"):
        undo_grant(row.grant, sandy)
    assert state()[:2] == ("withdrawn", "2026-01-20")
    assert record_of(story.account, date(2026, 1, 20)).given_count == 0


def test_the_statistics_count_by_month_and_by_who_noted_them() -> None:
    story, sandy = late(status_switch_days=None), allow_grace(make_staff("sue", "grant_grace"))
    promise(story, "2026-01-20 12:00", "2026-01-25", by=sandy)
    story.pays("2026-01-23 10:00", "100.00")
    story.days("2026-01-20", "2026-02-20")
    promise(story, "2026-02-20 12:00", "2026-02-22", "50.00")
    story.pays("2026-02-21 10:00", "20.00")
    story.days("2026-02-21", "2026-02-23")
    rows = by_month(Promise.objects.all())
    assert [(row.label, row.kept, row.broken, row.share) for row in rows] == [
        ("February 2026", 0, 1, 0),
        ("January 2026", 1, 0, 100),
    ]
    told = in_all(Promise.objects.all())
    assert (told.promised, told.came, told.days, told.share) == (Decimal(150), Decimal(120), 3.0, 50)
    assert {row.label: (row.kept, row.broken) for row in by_staff(Promise.objects.all())} == {
        "sue": (1, 0), "the program": (0, 1),
    }  # fmt: skip
    assert record_of(story.account, date(2026, 2, 23)).words == "1 kept, 1 broken"


@pytest.mark.parametrize(
    ("amount", "settled", "received", "now", "kept"),
    [
        (None, "100.00", "100.00", "2026-01-25T12:00", True),
        (None, "99.99", "99.99", "2026-01-25T23:59", None),
        (None, "99.99", "99.99", "2026-01-26T00:00", False),
        (None, "0.00", "500.00", "2026-01-26T00:00", False),  # it paid something else
        ("40.00", "0.00", "40.00", "2026-01-25T12:00", True),
        ("40.00", "100.00", "0.00", "2026-01-25T12:00", True),  # nothing is owed any more
        ("40.00", "39.99", "39.99", "2026-01-26T00:00", False),
    ],
)
def test_the_verdict(amount: str | None, settled: str, received: str, now: str, kept: bool | None) -> None:
    verdict = decide(
        pay_by_on=date(2026, 1, 25), amount=Decimal(amount) if amount else None, owed=Decimal("100.00"),
        settled=Decimal(settled), received=Decimal(received), local_now=datetime.fromisoformat(now),
    )  # fmt: skip
    assert (None if verdict is None else verdict.kept) is kept


def test_promises_leave_no_events_of_their_own() -> None:
    story = late()
    before = Event.objects.count()
    promise(story, "2026-01-20 08:00", "2026-01-25")
    assert Event.objects.count() == before
