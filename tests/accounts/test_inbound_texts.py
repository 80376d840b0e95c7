"""Text messages that come in: STOP, START and HELP in two languages, answers, and strangers (point 6)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts import signals
from accounts.models import Company, InboundMessage, Notice, Suppression
from accounts.outreach.inbound import take_in_text
from accounts.outreach.suppressions import suppress, suppressed
from billing_project.kernel import clock
from tests.factories import make_account, make_company, make_contact

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)
NUMBER, OURS = "+15550100123", "+15550100199"


@pytest.fixture(autouse=True)
def at_noon() -> Iterator[None]:
    with clock.at(NOON):
        yield


@pytest.fixture
def announced() -> Iterator[list[int]]:
    heard: list[int] = []

    def hear(inbound_id: int, **_: Any) -> None:
        heard.append(inbound_id)

    signals.message_received.connect(hear)
    yield heard
    signals.message_received.disconnect(hear)


def text(words: str, *, sid: str = "SM1", number: str = NUMBER, media: int = 0) -> str:
    return take_in_text(provider="twilio", provider_id=sid, from_number=number, to_number=OURS, text=words, media=media)


@pytest.mark.parametrize("words", [
    "STOP", "stop", " Stop. ", "STOP!!", "ＳＴＯＰ", "StopAll", "unsubscribe", "Cancel", "END", "quit", "ALTO", "parar",
    "Baja", "stop texting me", "opt out", "S T O P", "no más",
])  # fmt: skip
def test_every_way_of_saying_stop_ends_texts_and_only_texts(words: str, announced: list[int]) -> None:
    account = make_account()
    make_contact(account)
    assert text(words) == ""
    assert list(Suppression.objects.values_list("channel", "address", "reason")) == [("sms", NUMBER, "opted_out")]
    assert InboundMessage.objects.get().state == "handled"
    assert announced == []


@pytest.mark.parametrize("words", ["Please do not stop my line", "the end of the month", "I want to cancel my TV", ""])
def test_a_sentence_with_such_a_word_in_it_is_an_answer(words: str) -> None:
    make_contact(make_account())
    text(words)
    assert not Suppression.objects.exists()
    assert InboundMessage.objects.get().state == "filed"


def test_all_accounts_with_the_number_show_what_was_asked_for() -> None:
    accounts = [make_account() for _ in range(3)]
    for account in accounts:
        make_contact(account)
    text("STOP")
    text("STOP")  # repeated by the provider
    rows = InboundMessage.objects.order_by("account_id").values_list("account_id", "why")
    assert list(rows) == [(account.pk, f"STOP by text: {NUMBER} is sent no more texts.") for account in accounts]


@pytest.mark.parametrize("words", ["START", "unstop", "Comenzar", "yes"])
def test_start_lets_the_number_be_texted_again(words: str) -> None:
    make_contact(make_account())
    text("STOP")
    assert text(words, sid="SM2") == ""
    assert not suppressed([("sms", NUMBER)])
    assert Suppression.objects.get().lifted_why == f"{words.upper() if words != 'yes' else 'YES'} by text"


def test_yes_from_somebody_who_never_said_stop_is_an_answer(announced: list[int]) -> None:
    make_contact(make_account())
    text("Yes")
    assert (InboundMessage.objects.get().state, len(announced)) == ("filed", 1)


@pytest.mark.parametrize(("language", "words", "said"), [
    ("en", "HELP", "Valley Fibre: we text about your account and payments. Call us at +15550100199."),
    ("es", "Ayuda", "Valley Fibre: le escribimos sobre su cuenta y sus pagos. Llámenos al +15550100199."),
])  # fmt: skip
def test_help_says_who_we_are_in_the_persons_language(language: str, words: str, said: str) -> None:
    make_contact(make_account(), language=language)
    assert text(words).startswith(said)
    assert text(words) == ""  # a repeat of the same message


def test_help_from_a_stranger_is_answered_by_the_company_whose_number_it_is() -> None:
    Company.objects.update(sms_sender="")
    company = make_company()
    company.sms_sender = OURS
    company.save()
    assert text("info", number="+15550100777").startswith("Valley Fibre: we text")


def test_an_answer_is_filed_once_and_a_strangers_text_waits(announced: list[int]) -> None:
    account = make_account()
    make_contact(account)
    assert [text("I paid", sid="SM1"), text("I paid", sid="SM1"), text("Who is this", number="+15550100777", sid="SM2")]
    states = InboundMessage.objects.order_by("pk").values_list("state", "account")
    assert list(states) == [("filed", account.pk), ("unknown", None)]
    assert len(announced) == 1


def test_a_number_of_two_accounts_means_the_one_texted_last() -> None:
    one, other = make_account(), make_account()
    for account, days in ((one, 2), (other, 5)):
        at = NOON - timedelta(days=days)
        Notice.objects.create(
            account=account, contact=make_contact(account), anchor_key="case:1", step_key="n", channel="sms",
            template="x", to_address=NUMBER, body="x", state="accepted", accepted_at=at, sending_at=at,
        )  # fmt: skip
    text("I paid")
    assert InboundMessage.objects.get().account == one


def test_pictures_are_mentioned_and_card_numbers_masked() -> None:
    make_contact(make_account())
    text("4111111111111111\x00", media=2)
    kept = InboundMessage.objects.get().text
    assert kept.startswith("[card number ending in 1111]")
    assert "2 pictures or files came with it" in kept


def test_start_also_lifts_what_staff_entered_for_the_same_person() -> None:
    make_contact(make_account())
    suppress("sms", NUMBER, Suppression.Reason.BY_HAND, "asked by phone")
    text("START")
    assert not suppressed([("sms", NUMBER)])
