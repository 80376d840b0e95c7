"""Calls to make: in the right hours, one clerk each, seven in seven days, and what came of them (E3, H8)."""

from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Attention, CallRecord, Contact, Suppression, User
from accounts.signals import unreachable
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.calling import When, calls_to_make, next_in_line, one_call, script_of, touches_of
from delinquency.models import CallTask, TicketComment
from delinquency.operations.calls import claim_call, log_call, release_call
from delinquency.rules.calls import after_call
from tests.factories import NEW_YORK, make_account, make_contact, make_staff
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db

TEN = "2026-01-21 10:00"


def steps() -> list[dict[str, Any]]:
    """Return a ladder that opens a ticket and asks for a call."""
    return [
        {"key": "ticket", "action": "ticket", "anchor": "delinquent", "offset_days": 0},
        {"key": "call", "action": "call_task", "anchor": "delinquent", "offset_days": 0},
    ]


def asked() -> tuple[Story, CallTask]:
    """Return a customer who owes 100.00 and is to be called from 2026-01-21 09:00 on."""
    story = Story(sonar(steps=steps()), first_bill_on="2026-01-01", sends=True)
    with story.now("2026-01-21 09:01"):
        story.days("2026-01-01", "2026-01-21")
    return story, CallTask.objects.get(account=story.account)


def contact_of(story: Story) -> Contact:
    return Contact.objects.select_related("account__company").get(account=story.account)


def sandy() -> User:
    return make_staff("sandy", "view_calltask", "log_call", first_name="Sandy")


def test_a_call_reaches_the_task_the_ticket_and_the_counter_together() -> None:
    story, task = asked()
    by = sandy()
    with story.now(TEN):
        claim_call(task, by)
    with story.now("2026-01-21 10:04") as at:
        log_call(contact_of(story), "reached", by=by, note="pays Friday")
        call = one_call(task.pk, by.pk, at)
    task.refresh_from_db()
    record = CallRecord.objects.get()
    assert (task.outcome, task.record, task.tries, task.outcome_by, task.claimed_by) == ("reached", record, 1, by, None)
    assert record.at == clock.instant(datetime.fromisoformat(TEN), NEW_YORK), "it counts from when it was taken up"
    assert call is not None
    assert call.attempts_words == "1 of 7 in 7 days"
    line = TicketComment.objects.order_by("pk").last()
    assert line is not None
    assert line.text == "Sandy called Ann Example at +15550100123: reached. pays Friday"


def test_an_eighth_call_in_seven_days_is_refused_with_the_date_from_which_it_is_allowed() -> None:
    story, task = asked()
    by = sandy()
    for hour in range(9, 16):
        with story.now(f"2026-01-21 {hour:02}:30"):
            log_call(contact_of(story), "voicemail", by=by)
    with story.now("2026-01-22 10:00") as at, pytest.raises(Refused) as refusal:
        log_call(contact_of(story), "voicemail", by=by, at=at)
    assert refusal.value.words == (
        "Ann Example must not be called now. There were 7 attempts to call within 7 days; 7 may be. It is allowed again"
        " from Wed 28 Jan 2026, 09:30 (their time)."
    )
    assert CallRecord.objects.count() == 7
    with story.now("2026-01-28 09:31"):
        log_call(contact_of(story), "voicemail", by=by)
    task.refresh_from_db()
    assert (task.outcome, task.tries) == ("voicemail", 1), "the first voicemail settled it"


@pytest.mark.parametrize(
    ("local", "said"),
    [
        ("2026-01-21 07:59", "allowed again from Wed 21 Jan 2026, 08:00"),
        ("2026-01-21 21:00", "allowed again from Thu 22 Jan 2026, 08:00"),
    ],
)
def test_nobody_is_called_at_a_bad_hour(local: str, said: str) -> None:
    story, task = asked()
    with story.now(local), pytest.raises(Refused, match=said):
        claim_call(task, sandy())


def test_a_week_after_a_talk_nobody_calls_and_the_list_says_from_when() -> None:
    story, task = asked()
    by = sandy()
    with story.now(TEN):
        log_call(contact_of(story), "refused", by=by, note="hung up")
    other = CallTask.objects.create(
        account=story.account, contact=contact_of(story), anchor_key="case:2", step_key="call",
        due_on=task.due_on, why="again",
    )  # fmt: skip
    with story.now("2026-01-23 10:00") as at:
        found = calls_to_make(by.pk, at)
        assert [(call.task, call.when) for call in found] == [(other, When.NOT_NOW)]
        assert "spoken to within the last 7 days" in found[0].why_not
        with pytest.raises(Refused, match="from Wed 28 Jan 2026, 10:00"):
            claim_call(other, by)


def test_a_call_begun_before_nine_at_night_is_noted_after_nine() -> None:
    story, task = asked()
    by = sandy()
    with story.now("2026-01-21 20:59"):
        claim_call(task, by)
    with story.now("2026-01-21 21:03"):
        log_call(contact_of(story), "reached", by=by)
    assert CallTask.objects.get().outcome == "reached"


def test_two_clerks_do_not_call_the_same_customer() -> None:
    story, task = asked()
    first, second = sandy(), make_staff("casey", "log_call")
    with story.now("2026-01-21 10:02"):
        claim_call(task, first)
    with story.now("2026-01-21 10:10") as at:
        assert [call.taken_by for call in calls_to_make(second.pk, at)] == ["Sandy is calling since 10:02"]
        assert next_in_line(calls_to_make(second.pk, at)) == []
        for act in (lambda: claim_call(task, second), lambda: log_call(contact_of(story), "reached", by=second)):
            with pytest.raises(Refused, match=r"Sandy is calling this customer since 10:02.* come back at 10:17"):
                act()
    with story.now("2026-01-21 10:18"):
        assert claim_call(task, second).claimed_by == second, "a lease ends by itself"
    release_call(task, first)
    task.refresh_from_db()
    assert task.claimed_by == second, "nobody gives back what is another's"
    release_call(task, second)
    task.refresh_from_db()
    assert task.claimed_by is None


def test_when_nobody_picks_up_the_call_is_tried_again_later_but_not_for_ever() -> None:
    story, task = asked()
    by = sandy()
    with story.now(TEN):
        log_call(contact_of(story), "no_answer", by=by)
    with story.now("2026-01-21 10:30") as at:
        call = calls_to_make(by.pk, at)[0]
        assert (call.when, call.why_not) == (When.LATER, "no answer at the last call; try again later.")
    with story.now("2026-01-21 12:00") as at:
        assert calls_to_make(by.pk, at)[0].when is When.NOW
        log_call(contact_of(story), "busy", by=by)
    with story.now("2026-01-21 12:31"):
        log_call(contact_of(story), "no_answer", by=by)
    task.refresh_from_db()
    assert (task.outcome, task.tries) == ("no_answer", 3)
    assert after_call("reached", 1) is None
    assert after_call("busy", 3) is None


def test_a_call_that_nobody_made_is_missed_after_two_days_and_can_still_be_made() -> None:
    story, task = asked()
    by = sandy()
    for local, is_missed in (("2026-01-23 23:00", False), ("2026-01-24 12:00", True)):
        with story.now(local) as at:
            assert [call.missed for call in calls_to_make(by.pk, at)] == [is_missed], local
    client = Client()
    client.force_login(make_staff("boss", is_superuser=True))
    with story.now("2026-01-25 12:00"):
        changes = reverse("admin:delinquency_calltask_changelist")
        assert "missed: was due 2026-01-21" in client.get(f"{changes}?missed=yes").content.decode()
        assert (
            "1 call was not made within two days"
            in client.get(reverse("admin:delinquency_calltask_worklist")).content.decode()
        )
        claim_call(task, by)


def test_money_that_comes_in_makes_the_call_needless() -> None:
    story, task = asked()
    story.pays("2026-01-21 12:00", "100.00")
    story.days("2026-01-21")
    task.refresh_from_db()
    assert task.outcome == "not_needed"
    with story.now("2026-01-21 13:00") as at:
        assert calls_to_make(None, at) == []


def test_a_wrong_number_is_left_alone_and_staff_hear_when_there_is_no_other_way() -> None:
    story, _task = asked()
    by = sandy()
    Contact.objects.filter(account=story.account).update(email="")
    heard: list[Any] = []

    def hear(account_ids: list[int], words: str, **_: Any) -> None:
        heard.append((account_ids, words))

    unreachable.connect(hear)
    try:
        with story.now(TEN):
            log_call(contact_of(story), "wrong_number", by=by)
    finally:
        unreachable.disconnect(hear)
    kept = {(row.channel, row.address, row.reason) for row in Suppression.objects.all()}
    assert kept == {("voice", "+15550100123", "by_hand"), ("sms", "+15550100123", "by_hand")}
    assert heard == [([story.account.pk], "+15550100123 is a wrong number, and there is no other way to Ann Example.")]
    assert Attention.objects.get(code="wrong-number").account == story.account
    with story.now("2026-01-21 12:00"), pytest.raises(Refused, match="is left alone"):
        log_call(contact_of(story), "reached", by=by)


def test_a_customer_who_calls_us_is_always_noted_and_settles_the_call() -> None:
    story, task = asked()
    with story.now("2026-01-21 22:30"):
        log_call(contact_of(story), "reached", by=sandy(), inbound=True)
    task.refresh_from_db()
    assert (task.outcome, task.tries) == ("reached", 0)
    with story.now("2026-01-22 10:00") as at:
        found = touches_of([story.account.pk])[story.account.pk]
        assert found[0].words == "they called: reached"
        assert one_call(task.pk, None, at).attempts == 0  # type: ignore[union-attr]


def test_the_script_speaks_the_contacts_language_with_the_accounts_figures() -> None:
    story, task = asked()
    with story.now(TEN):
        assert "USD 100.00 is unpaid, since 2026-01-16." in script_of(task)
        Contact.objects.update(language="es")
        task.refresh_from_db()
        task.contact.refresh_from_db()  # type: ignore[union-attr]
        assert "USD 100.00 están sin pagar desde el 2026-01-16." in script_of(task)


def test_the_list_goes_by_the_hour_where_each_person_is(django_assert_max_num_queries: Any) -> None:
    def ask(zone: str, number: str) -> None:
        account = make_account(number=number, timezone=zone)
        contact = make_contact(account, phone="+12025550123")
        CallTask.objects.create(
            account=account, contact=contact, anchor_key="case:1", step_key="call",
            due_on=datetime(2026, 1, 21).date(), why="unpaid",
        )  # fmt: skip

    for place in range(12):
        ask("Pacific/Honolulu" if place % 2 else "America/Denver", f"C{place}")
    at = clock.instant(datetime.fromisoformat("2026-01-21 10:12"), "America/Denver")
    with clock.at(at), django_assert_max_num_queries(14):
        found = calls_to_make(None, at)
    assert {(call.there, call.when) for call in found} == {
        ("10:12 in Denver", When.NOW), ("07:12 in Honolulu", When.LATER),
    }  # fmt: skip


def test_a_clerk_makes_the_next_call_in_two_presses() -> None:
    story, task = asked()
    client = Client()
    client.force_login(sandy())
    with story.now("2026-01-21 10:05"):
        page = client.get(reverse("admin:delinquency_calltask_worklist")).content.decode()
        assert "10:05 in New York" in page
        assert "0 of 7 in 7 days" in page
        response = client.post(reverse("admin:delinquency_calltask_next"))
        one = reverse("admin:delinquency_calltask_call", args=[task.pk])
        assert (response.status_code, response["Location"]) == (303, one)
        assert 'href="tel:+15550100123"' in client.get(one).content.decode()
        assert client.post(one, {"outcome": "reached", "note": "pays Friday"}).status_code == 303
        assert client.post(one, {"outcome": "voicemail"}).status_code == 409, "it is noted once"
        done = client.get(one).content.decode()
    assert "pays Friday" in done
    assert CallRecord.objects.count() == 1


def test_who_may_only_look_calls_nobody() -> None:
    story, task = asked()
    client = Client()
    client.force_login(make_staff("auditor", "view_calltask"))
    with story.now(TEN):
        one = reverse("admin:delinquency_calltask_call", args=[task.pk])
        assert client.get(one).status_code == 200
        assert client.post(one, {"outcome": "reached"}).status_code == 403
        assert client.post(reverse("admin:delinquency_calltask_next")).status_code == 403
    assert CallRecord.objects.count() == 0
