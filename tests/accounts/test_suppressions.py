"""Addresses that are left alone, through the real dispatch: nothing more goes there, the next way is tried (T16)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts import signals
from accounts.models import Account, Attention, Contact, Notice, SimulatedMessage, Suppression
from accounts.outreach import callbacks
from accounts.outreach.callbacks import Kind, Report
from accounts.outreach.dispatch import dispatch_notices
from accounts.outreach.fallback import out_of_reach
from accounts.outreach.inbound import take_in_text
from accounts.outreach.outbox import NoticeRequest, enqueue
from accounts.outreach.reach import use_again
from accounts.outreach.simulated import SimulatedChannel
from accounts.outreach.suppressions import suppress, suppressed
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused, Rejected
from tests.factories import make_account, make_contact

pytestmark = pytest.mark.django_db(transaction=True)
NINE = datetime(2026, 3, 2, 14, tzinfo=UTC)  # 09:00 in New York
NUMBER, MAIL = "+15550100123", "ann@customer.example"


@pytest.fixture(autouse=True)
def at_nine() -> Iterator[None]:
    with clock.at(NINE):
        yield


@pytest.fixture
def lost() -> Iterator[list[int]]:
    heard: list[int] = []

    def hear(account_ids: list[int], **_: Any) -> None:
        heard.extend(account_ids)

    signals.unreachable.connect(hear)
    yield heard
    signals.unreachable.disconnect(hear)


def customer(**fields: Any) -> Account:
    account = make_account()
    make_contact(account, **fields)
    return account


def write(account: Account, channel: str, step: str = "notice-1") -> Notice:
    [row, *_] = enqueue(
        NoticeRequest(
            account_id=account.pk, anchor_key="case:1", step_key=step, template="past_due", channels=(channel,),
            why="unpaid", context={"amount_due": "40.00", "due_on": "2026-02-16", "pay_url": "https://x.example"},
        )
    )  # fmt: skip
    return row


def send() -> None:
    dispatch_notices(clock.now() + timedelta(seconds=1))


def got(channel: str) -> int:
    return SimulatedMessage.objects.filter(channel=channel).count()


def test_a_stop_between_writing_and_sending_keeps_the_text_back_and_mails_instead() -> None:
    account = customer()
    notice = write(account, "sms")
    take_in_text(provider="twilio", provider_id="SM1", from_number=NUMBER, to_number="", text="STOP")
    send()
    send()
    notice.refresh_from_db()
    assert notice.state == "not_sent"
    assert (got("sms"), got("email")) == (0, 1)
    for step in ("notice-2", "notice-3"):
        write(account, "sms", step)
    send()
    assert (got("sms"), got("email")) == (0, 3)


def test_a_provider_that_knows_of_a_stop_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    account = customer()
    real = SimulatedChannel.send

    def refuse(self: SimulatedChannel, message: Any) -> Any:
        if message.channel == "sms":
            raise Rejected("The person has answered STOP (21610).", "opted_out")
        return real(self, message)

    monkeypatch.setattr(SimulatedChannel, "send", refuse)
    write(account, "sms")
    send()
    send()
    assert suppressed([("sms", NUMBER)])
    assert got("email") == 1
    monkeypatch.setattr(SimulatedChannel, "send", real)
    write(account, "sms", "notice-2")
    send()
    assert got("sms") == 0


@pytest.mark.parametrize(("kind", "instead"), [(Kind.BOUNCED, 1), (Kind.COMPLAINED, 0)])
def test_after_a_bounce_or_a_complaint_nothing_more_is_mailed(kind: Kind, instead: int) -> None:
    account = customer()
    notice = write(account, "email")
    send()
    callbacks.take_in(
        Report(provider="mailgun", event_key="e1", kind=kind, happened_at=clock.now(), notice_id=notice.pk)
    )
    send()
    assert (got("email"), got("sms")) == (1, instead)  # who complained has read it
    write(account, "email", "notice-2")
    send()
    assert (got("email"), got("sms")) == (1, instead + 1)


def test_when_no_way_is_left_it_is_put_before_people_until_somebody_mends_it(lost: list[int]) -> None:
    account = customer(phone="", email="bounce@customer.example")
    write(account, "email")
    send()
    assert lost == [account.pk]
    assert out_of_reach([account.pk]) == {account.pk}
    exception = Attention.objects.get(code="cannot-be-reached", resolved_at=None)
    assert exception.account == account
    back: list[int] = []

    def hear(account_ids: list[int], **_: Any) -> None:
        back.extend(account_ids)

    signals.reachable.connect(hear)
    try:
        contact = Contact.objects.get(account=account)
        contact.name = "Ann B. Example"
        contact.save()
        assert back == []  # nothing was mended
        contact.email = "ann.new@customer.example"
        contact.save()
    finally:
        signals.reachable.disconnect(hear)
    assert back == [account.pk]
    exception.refresh_from_db()
    assert exception.resolved_at == NINE
    assert out_of_reach([account.pk]) == set()
    assert suppressed([("email", "bounce@customer.example")])  # the old address stays on the list
    write(account, "email", "notice-2")
    send()
    assert SimulatedMessage.objects.get(channel="email").to_address == "ann.new@customer.example"


def test_using_an_address_again_needs_a_reason_and_lets_work_go_on() -> None:
    account = customer(phone="")
    suppress("email", MAIL, Suppression.Reason.HARD_BOUNCE, "550")
    write(account, "email")
    with pytest.raises(Refused, match="Say why"):
        use_again("email", MAIL, " ")
    assert use_again("email", MAIL.upper(), "The provider was wrong") == 1
    assert not Attention.objects.filter(code="cannot-be-reached", resolved_at=None).exists()
    assert use_again("email", MAIL, "again") == 0
    row = Suppression.objects.get()
    assert (row.lifted_why, row.lifted_at) == ("The provider was wrong", NINE)


def test_an_address_is_on_the_list_once_however_it_is_written() -> None:
    assert suppress("email", "Ann@Customer.example", Suppression.Reason.COMPLAINT, "spam")
    assert not suppress("email", MAIL, Suppression.Reason.HARD_BOUNCE, "550")
    assert suppress("sms", NUMBER, Suppression.Reason.OPTED_OUT, "STOP")
    assert not suppressed([("voice", NUMBER)])


def bounced(notice: Notice, days_later: int) -> None:
    with clock.at(NINE + timedelta(days=days_later)):
        callbacks.take_in(
            Report(
                provider="mailgun", event_key=f"b{notice.pk}", kind=Kind.BOUNCED, happened_at=clock.now(),
                notice_id=notice.pk,
            )
        )  # fmt: skip


@pytest.mark.parametrize(("days_later", "written"), [(3, 1), (4, 0)])
def test_a_bounce_that_is_told_days_later_sends_no_words_of_then(days_later: int, written: int) -> None:
    notice = write(customer(), "email")
    dispatch_notices()
    bounced(notice, days_later)
    assert Notice.objects.filter(fallback_of=notice).count() == written
    assert Attention.objects.filter(code="notice-too-late").count() == 1 - written


def test_a_letter_goes_only_a_way_for_which_it_has_words(lost: list[int]) -> None:
    account = customer(sms_allowed=False, consented_at=NINE)  # a machine may call, but answers are not read out
    [notice] = enqueue(
        NoticeRequest(
            account_id=account.pk, anchor_key="ticket:1", step_key="reply", template="ticket_reply", why="Answered.",
            channels=("email",), context={"reply_text": "Hello"},
        )
    )  # fmt: skip
    dispatch_notices()
    bounced(notice, 1)
    assert not Notice.objects.filter(fallback_of=notice).exists()
    assert lost == [account.pk]
