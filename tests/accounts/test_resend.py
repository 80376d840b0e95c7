"""Letters that staff send again, and ambiguous ones of which they say how they ended (R-09, I6)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import Account, Attention, Notice, SimulatedMessage, User
from accounts.operations import raise_attention
from accounts.outreach import resend
from accounts.outreach.dispatch import dispatch_notices
from accounts.outreach.outbox import NoticeRequest, enqueue
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, StaleState
from tests.factories import make_account, make_contact, make_staff

pytestmark = pytest.mark.django_db(transaction=True)
NINE = datetime(2026, 3, 2, 14, tzinfo=UTC)


@pytest.fixture(autouse=True)
def at_nine() -> Iterator[None]:
    with clock.at(NINE):
        yield


@pytest.fixture
def clerk() -> User:
    return make_staff("casey")


def letter(account: Account | None = None, state: str = "", **contact: Any) -> Notice:
    if account is None:
        account = make_account()
        make_contact(account, **contact)
    [row] = enqueue(
        NoticeRequest(
            account_id=account.pk, anchor_key="case:1", step_key="notice-1", template="past_due", why="unpaid",
            context={"amount_due": "40.00", "due_on": "2026-02-16", "pay_url": "https://x.example"},
        )
    )  # fmt: skip
    if state:
        values = {"state": state, "sending_at": NINE}
        Notice.objects.filter(pk=row.pk).update(**values)
        row.refresh_from_db()
    return row


def send() -> None:
    dispatch_notices(clock.now() + timedelta(seconds=1))


def test_a_letter_sent_again_goes_to_the_address_of_now_and_says_who_asked(clerk: User) -> None:
    first = letter(state="parked")
    raise_attention(code="notice-parked", key=f"notice:{first.pk}", words="given up")
    contact = first.account.contacts.get()
    contact.email = "new@customer.example"
    contact.save()
    new = resend.send_again(first, "The mail server is back", by=clerk)
    send()
    new.refresh_from_db()
    assert (new.occurrence, new.state, new.to_address, new.resent_by) == (2, "accepted", "new@customer.example", clerk)
    assert new.why.startswith("Sent again by casey: The mail server")
    assert "40.00" in SimulatedMessage.objects.get().body
    assert not Attention.objects.filter(resolved_at=None).exists()


def test_only_a_letter_that_may_arrive_twice_warns_of_it() -> None:
    assert resend.warning_of(letter(state="ambiguous")) == resend.MAY_ARRIVE_TWICE
    assert "second time" in resend.warning_of(Notice(state="delivered"))
    assert resend.warning_of(Notice(state="parked")) == ""


@pytest.mark.parametrize("state", ["queued", "claimed", "sending"])
def test_a_letter_on_its_way_is_not_sent_again(state: str, clerk: User) -> None:
    with pytest.raises(Refused, match="on its way"):
        resend.send_again(letter(state=state), "impatient", by=clerk)
    assert Notice.objects.count() == 1


def test_two_clerks_who_send_the_same_letter_again_send_it_once(clerk: User) -> None:
    first = letter(state="parked")
    resend.send_again(first, "back", by=clerk)
    with pytest.raises(Refused, match="on its way"):
        resend.send_again(first, "back", by=clerk)
    send()
    with pytest.raises(Refused, match="sent again before"):
        resend.send_again(first, "back", by=clerk, only_once=True)
    assert SimulatedMessage.objects.count() == 1


def test_what_cannot_go_out_is_refused_and_leaves_nothing(clerk: User) -> None:
    first = letter(state="parked")
    contact = first.account.contacts.get()
    contact.email_allowed = False
    contact.save()
    with pytest.raises(Refused, match="does not allow email"):
        resend.send_again(first, "back", by=clerk)
    assert Notice.objects.count() == 1
    with pytest.raises(Refused, match="Say why"):
        resend.send_again(first, " ", by=clerk)


def test_an_ambiguous_letter_that_arrived_counts_as_delivered(clerk: User) -> None:
    first = letter(state="ambiguous")
    raise_attention(code="notice-ambiguous", key=f"notice:{first.pk}", words="?")
    resend.say_it_arrived(first, "Customer quotes it", by=clerk)
    first.refresh_from_db()
    assert (first.state, first.accepted_at, first.why) == ("delivered", NINE, "Arrived, says casey: Customer quotes it")
    assert Attention.objects.get().resolved_by == clerk
    with pytest.raises(StaleState):
        resend.say_it_did_not_arrive(first, "No", by=clerk)


def test_an_ambiguous_letter_that_did_not_arrive_goes_another_way(clerk: User) -> None:
    first = letter(state="ambiguous")
    resend.say_it_did_not_arrive(first, "Not in the provider's log", by=clerk)
    first.refresh_from_db()
    assert first.state == "failed"
    assert Notice.objects.get(fallback_of=first).channel == "sms"
