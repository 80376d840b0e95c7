"""From the outbox to Twilio and back over real HTTP: sent, reported in any order, called, a key pressed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import requests
from django.test import override_settings
from pytest_django.live_server_helper import LiveServer

from accounts import signals
from accounts.models import CallRecord, Notice, ProviderEvent
from accounts.outreach import twilio_client
from accounts.outreach.dispatch import dispatch_notices
from accounts.outreach.outbox import NoticeRequest, enqueue
from billing_project.channels import TWILIO
from billing_project.kernel import clock
from tests.factories import instant, make_account, make_contact
from tests.peers import twilio_fake

pytestmark = pytest.mark.django_db(transaction=True)
NINE = instant("2026-01-21 09:00")


@pytest.fixture
def fake(tmp_path: Path, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[twilio_fake.TwilioFake]:
    for signal in (signals.about_to_send, signals.notice_settled):
        monkeypatch.setattr(signal, "receivers", [])
    monkeypatch.setattr(twilio_client, "READ_SECONDS", 0.4)
    with twilio_fake.running(tmp_path / "log") as running, override_settings(
        **TWILIO, TWILIO_ACCOUNT_SID=twilio_fake.ACCOUNT, TWILIO_AUTH_TOKEN=twilio_fake.TOKEN,
        TWILIO_FROM="+15550109999", TWILIO_API_BASE=running.base, PUBLIC_BASE_URL=live_server.url,
    ):  # fmt: skip
        yield running


def write(channel: str, phone: str = "+15550100123") -> Notice:
    account = make_account()
    make_contact(account, phone=phone)
    with clock.at(NINE):
        [notice] = enqueue(
            NoticeRequest(
                account_id=account.pk, anchor_key=f"account:{account.pk}", step_key="n", template="past_due",
                channels=(channel,), context={"amount_due": "40.00"}, why="Past due.",
            )
        )  # fmt: skip
        dispatch_notices()
    notice.refresh_from_db()
    return notice


ORDERS: dict[str, Callable[[list[Any]], list[Any]]] = {
    "in order": lambda told: told,
    "the other way round": lambda told: told[::-1],
    "three times each": lambda told: [report for report in told for _ in range(3)],
    "the last one alone": lambda told: told[-1:],
}


@pytest.mark.parametrize("order", list(ORDERS))
def test_reports_in_every_order_end_in_the_same_state(fake: twilio_fake.TwilioFake, order: str) -> None:
    notice = write("sms")
    assert notice.state == "accepted"
    told = ORDERS[order](list(twilio_fake.MESSAGE_STORY))
    assert set(fake.report(fake.taken[0], told)) == {204}
    notice.refresh_from_db()
    assert (notice.state, notice.provider_id) == ("delivered", fake.taken[0]["sid"])
    assert ProviderEvent.objects.count() == len(set(told))


def test_a_lost_answer_is_cleared_up_by_the_report_alone(fake: twilio_fake.TwilioFake) -> None:
    notice = write("sms", "+15550105040")
    assert notice.state == "ambiguous"
    fake.report(fake.taken[0])
    notice.refresh_from_db()
    assert notice.state == "delivered"
    assert len(fake.taken) == 1


def test_a_number_that_answered_stop_is_left_alone_and_told_another_way(fake: twilio_fake.TwilioFake) -> None:
    notice = write("sms", "+15550101610")
    assert notice.state == "rejected"
    assert [row.channel for row in Notice.objects.filter(fallback_of=notice)] == ["email"]


def test_a_call_is_answered_1_is_pressed_and_the_link_arrives_as_a_text(fake: twilio_fake.TwilioFake) -> None:
    notice = write("voice")
    [call] = fake.taken
    assert call["kind"] == "calls"

    def ask(address: str, **more: str) -> ElementTree.Element:
        fields = {"AccountSid": twilio_fake.ACCOUNT, "CallSid": call["sid"], "CallStatus": "in-progress", **more}
        signature = twilio_fake.sign(address, fields)
        answer = requests.post(address, data=fields, headers={"X-Twilio-Signature": signature}, timeout=10)
        assert answer.status_code == 200
        return ElementTree.fromstring(answer.content)

    heard = ask(call["fields"]["Url"], AnsweredBy="human")
    words = [node.text or "" for node in heard.iter("Say")]
    assert words[0] == notice.body
    keys = call["fields"]["Url"].partition("/callbacks")[0] + next(heard.iter("Gather")).get("action", "")
    assert "on its way" in (next(ask(keys, Digits="1").iter("Say")).text or "")
    fake.report(call, ("initiated", "ringing", "in-progress", "completed"), AnsweredBy="human")
    assert dispatch_notices() == {"accepted": 1}  # at any hour: they wait for it
    notice.refresh_from_db()
    assert (notice.state, CallRecord.objects.get().outcome) == ("delivered", "reached")
    assert [row["kind"] for row in fake.taken] == ["calls", "messages"]
    assert "/portal/" in fake.bodies()[0]


def test_a_call_that_nobody_answers_is_told_another_way(fake: twilio_fake.TwilioFake) -> None:
    notice = write("voice")
    # The server hears of it in the present, and after days nothing would be written another way.
    Notice.objects.filter(pk=notice.pk).update(created_at=clock.now())
    fake.report(fake.taken[0], ("initiated", "ringing", "no-answer"))
    notice.refresh_from_db()
    assert (notice.state, CallRecord.objects.get().outcome) == ("failed", "no_answer")
    assert Notice.objects.filter(fallback_of=notice).exists()
