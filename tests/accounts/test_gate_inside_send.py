"""The gate is asked inside the send: caps hold for several workers, and a STOP at the last moment counts."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection

from accounts.models import (
    Attention,
    CallRecord,
    ChannelBreaker,
    ChannelDay,
    Company,
    Notice,
    OutreachRules,
    SimulatedMessage,
    Suppression,
)
from accounts.outreach.dispatch import dispatch_notices
from accounts.outreach.outbox import NoticeRequest, enqueue
from accounts.outreach.stops import let_go_on
from accounts.outreach.suppressions import lift, suppress
from billing_project.kernel import clock
from billing_project.kernel.nudge import recorded
from tests.factories import instant, make_account, make_contact, make_staff

NINE = instant("2026-01-21 09:00")
PHONE = "+15550100123"


def letters(count: int = 1, *, channel: str = "sms", phone: str = PHONE, template: str = "past_due") -> list[Notice]:
    """Queue letters of different accounts to the same number."""
    found = []
    with clock.at(NINE):
        for number in range(count):
            account = make_account(timezone="America/New_York")
            make_contact(account, phone=phone, email=f"ann{number}@customer.example")
            found += enqueue(
                NoticeRequest(
                    account_id=account.pk, anchor_key="case:1", step_key="n", template=template, why="Past due.",
                    channels=(channel,), context={"amount_due": "40.00"},
                )
            )  # fmt: skip
    return found


def send(at=NINE) -> dict[str, int]:
    with clock.at(at):
        return dict(dispatch_notices())


def rules(**fields: object) -> OutreachRules:
    return OutreachRules.objects.create(company=Company.objects.get(name="Valley Fibre"), **fields)


@pytest.mark.django_db
def test_the_fourth_text_to_a_number_within_a_day_waits_for_the_first_to_be_a_day_old() -> None:
    letters(4)
    assert send() == {"accepted": 3, "postponed": 1}
    waiting = Notice.objects.get(state="queued")
    assert waiting.due_at == NINE + timedelta(days=1)
    assert send(NINE + timedelta(hours=23)) == {}
    assert send(NINE + timedelta(days=1)) == {"accepted": 1}


@pytest.mark.django_db
def test_what_could_only_go_out_when_it_says_nothing_true_any_more_is_not_sent_and_shown() -> None:
    letters(1, template="portal_link")
    Notice.objects.update(state="queued")
    for number in range(3):
        Notice.objects.create(
            account=make_account(), anchor_key="case:1", step_key="n", channel="sms", template="past_due",
            to_address=PHONE, body=str(number), state="accepted", accepted_at=NINE, sending_at=NINE,
        )  # fmt: skip
    assert send() == {"not_sent": 1}
    assert "too old" in Notice.objects.get(state="not_sent").why
    assert Attention.objects.filter(code="notice-too-late").exists()


@pytest.mark.django_db
def test_a_stop_that_comes_between_writing_and_sending_counts() -> None:
    [notice] = letters()
    suppress("sms", PHONE, Suppression.Reason.OPTED_OUT, "STOP by text")
    assert send()["not_sent"] == 1
    notice.refresh_from_db()
    assert "left alone" in notice.why
    assert not SimulatedMessage.objects.filter(channel="sms").exists()


@pytest.mark.django_db
def test_an_address_that_was_lifted_again_is_written_to() -> None:
    suppress("sms", PHONE, Suppression.Reason.OPTED_OUT, "STOP by text")
    lift("sms", PHONE, "Caller asked for texts again")
    letters()
    assert send() == {"accepted": 1}


@pytest.mark.django_db
def test_a_number_of_another_country_is_neither_texted_nor_called() -> None:
    [notice] = letters(phone="+34911234567")
    assert send()["not_sent"] == 1
    notice.refresh_from_db()
    assert "ES" in notice.why
    assert SimulatedMessage.objects.get().channel == "email"  # it must reach the person another way


@pytest.mark.django_db
def test_a_voice_notice_is_an_attempt_to_call_and_the_second_one_after_a_talk_waits() -> None:
    [notice] = letters(channel="voice")
    assert send() == {"accepted": 1}
    call = CallRecord.objects.get()
    assert (call.notice, call.number, call.outcome, call.at) == (notice, PHONE, "calling", NINE)
    CallRecord.objects.update(outcome="reached")
    with clock.at(NINE + timedelta(hours=1)):
        enqueue(
            NoticeRequest(
                account_id=notice.account_id, anchor_key="case:1", step_key="again", template="past_due", why="Still.",
                channels=("voice",), context={"amount_due": "40.00"},
            )
        )  # fmt: skip
    # A week is longer than a letter is true.
    assert send(NINE + timedelta(hours=1)) == {"not_sent": 1}


@pytest.mark.django_db
def test_a_call_that_could_not_be_made_is_no_attempt_and_costs_nothing() -> None:
    letters(channel="voice", phone="+15550100003")
    assert send() == {"unavailable": 1}
    assert not CallRecord.objects.exists()
    day = ChannelDay.objects.get()
    assert (day.sent, day.spent) == (0, 0)


@pytest.mark.django_db
def test_a_day_that_would_cost_more_than_its_cap_stops_texts_until_somebody_lets_them_go_on() -> None:
    found = letters(1)
    for _ in range(3):
        found += letters(1, phone=f"+155501009{len(found):02d}")
    rules(sms_price=Decimal("0.0300"), daily_spend_max=Decimal("0.06"))
    assert send() == {"accepted": 2, "postponed": 2}
    stop = ChannelBreaker.objects.get(channel="sms", closed_at__isnull=True)
    assert "0.06" in stop.why
    assert Attention.objects.filter(code="channel-stopped").count() == 1
    assert send(NINE + timedelta(hours=1)) == {}
    with clock.at(NINE + timedelta(hours=1)):
        let_go_on(stop, "A storm; all are real.", extra_spend=Decimal("0.06"), by=make_staff("casey"))
    assert send(NINE + timedelta(hours=1)) == {"accepted": 2}
    assert ChannelDay.objects.get(channel="sms").spent == Decimal("0.1200")


@pytest.mark.django_db
def test_a_corrected_address_gets_the_letter_that_was_written_before_the_correction() -> None:
    [notice] = letters()
    assert notice.contact is not None
    notice.contact.phone = "+15550100199"
    notice.contact.save()
    assert send() == {"accepted": 1}
    assert SimulatedMessage.objects.get().to_address == "+15550100199"


@pytest.mark.django_db(transaction=True)
def test_several_workers_together_keep_the_cap_of_a_number() -> None:
    letters(12)
    start = threading.Barrier(4)
    outcomes: list[dict[str, int]] = []

    def work() -> None:
        start.wait()
        try:
            with clock.at(NINE):
                outcomes.append(dict(dispatch_notices()))
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert SimulatedMessage.objects.count() == 3
    assert sum(found.get("accepted", 0) for found in outcomes) == 3
    assert Notice.objects.filter(state="queued").count() == 9


@pytest.mark.django_db
def test_a_worker_that_has_much_to_do_rings_for_another_and_gives_back_what_it_has_no_time_for(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks
) -> None:
    for number in range(30):
        letters(1, phone=f"+155501005{number:02d}")
    seconds = iter(range(0, 1000, 10))
    monkeypatch.setattr(clock, "monotonic", lambda: float(next(seconds)))
    with clock.at(NINE), recorded() as rung, django_capture_on_commit_callbacks(execute=True):
        assert dispatch_notices(seconds_max=45) == {"accepted": 4}
    assert rung == [("accounts.dispatch_notices", ()), ("accounts.dispatch_notices", ())]
    assert Notice.objects.filter(state="queued").count() == 26
    assert not Notice.objects.filter(state="claimed").exists()
