"""Sending what is in the outbox: each outcome of a provider, the veto, and a sender that died."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts import signals
from accounts.models import Attention, Notice, SimulatedMessage
from accounts.outreach import sending, simulated
from accounts.outreach.dispatch import dispatch_notices
from accounts.outreach.outbox import NoticeRequest, enqueue
from billing_project.kernel import clock
from billing_project.kernel.errors import Unavailable
from tests.factories import instant, make_account, make_contact

pytestmark = pytest.mark.django_db

NINE = instant("2026-01-21 09:00")


def letter(email: str = "ann@customer.example", phone: str = "+15550100123", channel: str = "email") -> Notice:
    """Queue one letter for nine o'clock to an address."""
    account = make_account()
    make_contact(account, email=email, phone=phone)
    with clock.at(NINE):
        [notice] = enqueue(
            NoticeRequest(
                account_id=account.pk, anchor_key="case:1", step_key="n", template="past_due",
                why="Past due.", channels=(channel,), context={"amount_due": "40.00"},
            )
        )  # fmt: skip
    return notice


@contextmanager
def heard(signal: Any, answer: Any = None) -> Iterator[list[dict[str, Any]]]:
    """Record what a signal says, and answer it."""
    calls: list[dict[str, Any]] = []

    def receiver(**said: Any) -> Any:
        calls.append({key: value for key, value in said.items() if key not in ("signal", "sender")})
        return answer() if callable(answer) else answer

    signal.connect(receiver, weak=False)
    try:
        yield calls
    finally:
        signal.disconnect(receiver)


def send(at: datetime = NINE) -> dict[str, int]:
    with clock.at(at):
        return dict(dispatch_notices())


def test_a_letter_is_sent_once_and_settled_with_its_receipt() -> None:
    notice = letter()
    with heard(signals.notice_settled) as settled:
        assert send() == {"accepted": 1}
        assert send() == {}
    notice.refresh_from_db()
    kept = SimulatedMessage.objects.get()
    assert (notice.state, notice.provider_id, notice.accepted_at) == ("accepted", f"sim-{kept.pk}", NINE)
    assert kept.key == f"notice:{notice.pk}"
    assert kept.body == notice.body
    assert [row.outcome for row in notice.attempt_rows.all()] == ["accepted"]
    assert settled == [{"notice_id": notice.pk, "account_id": notice.account_id}]


def test_nothing_is_sent_before_it_is_due() -> None:
    letter()
    assert send(NINE - timedelta(seconds=1)) == {}
    assert not SimulatedMessage.objects.exists()


@pytest.mark.parametrize(("email", "phone", "channel"), [
    ("bounce@customer.example", "", "email"), ("", "+15550100001", "sms"), ("", "+15550100001", "voice"),
])  # fmt: skip
def test_an_address_that_does_not_exist_is_rejected_for_good(email: str, phone: str, channel: str) -> None:
    notice = letter(email, phone, channel)
    assert send()["rejected"] >= 1
    assert "rejected" not in send(NINE + timedelta(hours=1))
    notice.refresh_from_db()
    assert notice.state == "rejected"
    assert "does not exist" in notice.why
    assert not SimulatedMessage.objects.exists()


def test_a_provider_that_is_down_is_asked_five_times_ever_later_and_then_given_up() -> None:
    notice = letter("down@customer.example")
    waits = []
    at = NINE
    for _ in range(4):
        assert send(at) == {"unavailable": 1}
        notice.refresh_from_db()
        waits.append((notice.due_at - at) / timedelta(minutes=1))
        assert send(notice.due_at - timedelta(seconds=1)) == {}
        at = notice.due_at
    assert waits == [1, 5, 30, 120]
    assert send(at) == {"parked": 1}
    notice.refresh_from_db()
    assert (notice.state, notice.attempts) == ("parked", 5)
    assert Attention.objects.get(code="notice-parked").account_id == notice.account_id
    assert send(at + timedelta(hours=1)) == {}


def test_a_lost_answer_is_looked_up_and_never_sent_again() -> None:
    notice = letter("slow@customer.example")
    assert send() == {"ambiguous": 1}
    notice.refresh_from_db()
    assert notice.state == "ambiguous"
    assert send(NINE + timedelta(minutes=1)) == {"accepted": 1}
    notice.refresh_from_db()
    assert (notice.state, notice.attempts) == ("accepted", 1)
    assert notice.provider_id
    assert SimulatedMessage.objects.count() == 1


def test_what_the_provider_does_not_know_stays_ambiguous_and_is_shown_to_a_person() -> None:
    notice = letter("lost@customer.example")
    assert send() == {"ambiguous": 1}
    for minute in (1, 2):
        assert send(NINE + timedelta(minutes=minute)) == {}
    notice.refresh_from_db()
    assert notice.state == "ambiguous"
    assert [row.outcome for row in notice.attempt_rows.all()] == ["ambiguous", "looked_up"]
    assert Attention.objects.filter(code="notice-ambiguous").count() == 1


def test_a_veto_at_the_last_moment_cancels_the_letter_with_its_reason() -> None:
    notice = letter()
    with (
        heard(signals.about_to_send, "It was paid a moment ago.") as asked,
        heard(signals.notice_settled) as settled,
    ):
        assert send() == {"cancelled": 1}
    notice.refresh_from_db()
    assert (notice.state, notice.why) == ("cancelled", "It was paid a moment ago.")
    assert asked == [{"notice_id": notice.pk}]
    assert len(settled) == 1
    assert not SimulatedMessage.objects.exists()


def test_permission_that_was_withdrawn_meanwhile_counts() -> None:
    notice = letter()
    contact = notice.contact
    assert contact is not None
    contact.email_allowed = False
    contact.save()
    assert send() == {"cancelled": 1}


def test_a_letter_reached_too_late_in_the_evening_waits_for_the_morning() -> None:
    notice = letter()
    assert send(instant("2026-01-21 21:00")) == {"postponed": 1}
    notice.refresh_from_db()
    assert (notice.state, notice.due_at) == ("queued", instant("2026-01-22 08:00"))
    assert send(instant("2026-01-22 08:00")) == {"accepted": 1}


def test_a_sender_that_died_before_the_call_leaves_the_letter_to_the_next() -> None:
    notice = letter()
    Notice.objects.filter(pk=notice.pk).update(state="claimed", lease_until_at=NINE + timedelta(minutes=2))
    assert send(NINE + timedelta(minutes=1)) == {}
    assert send(NINE + timedelta(minutes=3)) == {"accepted": 1}


@pytest.mark.parametrize(("reached_the_provider", "ends"), [(True, "accepted"), (False, "ambiguous")])
def test_a_sender_that_died_in_the_call_leaves_a_letter_that_is_looked_up(
    reached_the_provider: bool, ends: str
) -> None:
    notice = letter()
    Notice.objects.filter(pk=notice.pk).update(state="sending", lease_until_at=NINE + timedelta(minutes=2))
    if reached_the_provider:
        SimulatedMessage.objects.create(key=f"notice:{notice.pk}", channel="email", to_address="x", body="x")
    send(NINE + timedelta(minutes=3))
    notice.refresh_from_db()
    assert notice.state == ends
    assert SimulatedMessage.objects.count() == int(reached_the_provider)


def test_a_letter_that_cannot_be_handled_is_parked_and_the_next_one_goes_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad, good = letter(), letter()
    real = sending._veto
    monkeypatch.setattr(sending, "_veto", lambda notice: 1 / 0 if notice.pk == bad.pk else real(notice))
    assert send() == {"parked": 1, "accepted": 1}
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.state, good.state) == ("parked", "accepted")
    assert "ZeroDivisionError" in bad.why


def test_an_adapter_that_breaks_in_the_call_leaves_doubt_and_not_a_second_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    notice = letter()

    def broken(self: object, message: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(simulated.SimulatedChannel, "send", broken)
    assert send() == {"ambiguous": 1}
    notice.refresh_from_db()
    assert notice.state == "ambiguous"


def test_a_listener_that_fails_does_not_unsend_a_letter() -> None:
    notice = letter()

    def fail() -> None:
        raise RuntimeError("listener")

    with heard(signals.notice_settled, fail):
        assert send() == {"accepted": 1}
    notice.refresh_from_db()
    assert notice.state == "accepted"


def test_a_lookup_that_cannot_be_made_is_made_later(monkeypatch: pytest.MonkeyPatch) -> None:
    notice = letter("slow@customer.example")
    send()

    def down(self: object, message: object, **_: object) -> None:
        raise Unavailable("down")

    with monkeypatch.context() as patch:
        patch.setattr(simulated.SimulatedChannel, "lookup", down)
        assert send(NINE + timedelta(minutes=1)) == {}
    assert send(NINE + timedelta(minutes=2)) == {"accepted": 1}
    notice.refresh_from_db()
    assert notice.state == "accepted"


def test_an_instant_can_be_given_instead_of_setting_the_clock() -> None:
    notice = letter()
    assert dispatch_notices(NINE) == {"accepted": 1}
    notice.refresh_from_db()
    assert notice.accepted_at == NINE


def test_a_call_is_kept_as_the_text_that_was_spoken() -> None:
    notice = letter(channel="voice")
    send()
    kept = SimulatedMessage.objects.get()
    assert (kept.channel, kept.to_address) == ("voice", "+15550100123")
    assert kept.body.startswith("Hello, this is Valley Fibre")
    assert kept.body == notice.body


def test_the_task_is_a_door_to_all_this() -> None:
    from accounts.tasks import dispatch_notices as door

    letter()
    with clock.at(NINE):
        assert door() == 1
