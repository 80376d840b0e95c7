"""Asking for a link and a code: who is meant, the limits, and the tries (SEC-05)."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts import sign_in
from accounts.models import Account, Notice, PortalEntry, SignInRequest
from billing_project.kernel import clock
from tests.factories import instant, make_account, make_contact
from tests.portal import ASK, ASKED, HOME, ask, code_of, is_in, letter

pytestmark = pytest.mark.django_db

NOW = instant("2026-01-21 09:00")


@pytest.fixture
def account() -> Account:
    account = make_account(number="7001")
    make_contact(account)
    return account


# --- Codes ---


def test_the_code_opens_the_account_in_the_browser_that_asked_and_only_once(account: Account) -> None:
    client, other = Client(), Client()
    ask(client)
    code = code_of(letter())
    assert re.fullmatch(r"\d{6}", code)
    assert f"{code}. It is good for 10 minutes" in letter().body
    assert other.post(ASKED, {"code": code}).status_code == 400, "another browser has no use for it"
    done = client.post(ASKED, {"code": f" {code[:3]} {code[3:]} "})
    assert (done.status_code, done["Location"]) == (303, HOME)
    assert is_in(client)
    client.post(reverse("portal-out"))
    assert client.post(ASKED, {"code": code}).status_code == 400
    assert PortalEntry.objects.get().door == "code"


def test_a_code_sent_twice_by_a_double_press_leads_to_the_same_page(account: Account) -> None:
    client = Client()
    ask(client)
    code = code_of(letter())
    assert client.post(ASKED, {"code": code})["Location"] == HOME
    assert client.post(ASKED, {"code": code})["Location"] == HOME
    assert PortalEntry.objects.count() == 1


def test_after_five_wrong_tries_the_right_code_is_no_use(account: Account) -> None:
    client = Client()
    ask(client)
    code = code_of(letter())
    wrong = "000000" if code != "000000" else "000001"
    said = [client.post(ASKED, {"code": wrong}).content.decode() for _ in range(5)]
    assert all("Please look again" in words for words in said[:4])
    assert "cannot be used any more" in said[4]
    assert client.post(ASKED, {"code": code}).status_code == 400
    assert not is_in(client)


def test_tries_are_answered_the_same_for_an_unknown_account(account: Account) -> None:
    known, unknown = Client(), Client()
    ask(known)
    ask(unknown, "nobody@nowhere.example")
    wrong = "000000" if code_of(letter()) != "000000" else "000001"
    for _ in range(6):
        first, second = (client.post(ASKED, {"code": wrong}) for client in (known, unknown))
        assert first.status_code == second.status_code == 400
        assert plain(first) == plain(second)


def plain(answer: Any) -> str:
    """Return a page without what differs each time: tokens of forms and of the style."""
    return re.sub(r'nonce="[^"]+"|csrfmiddlewaretoken" value="[^"]+"', "", answer.content.decode())


def test_a_code_is_good_for_ten_minutes(account: Account) -> None:
    client = Client()
    with clock.at(NOW):
        ask(client)
        code = code_of(letter())
    with clock.at(NOW + timedelta(minutes=10, seconds=1)):
        assert client.post(ASKED, {"code": code}).status_code == 400
    with clock.at(NOW + timedelta(minutes=9, seconds=59)):
        assert client.post(ASKED, {"code": code}).status_code == 303


@pytest.mark.parametrize("typed", ["", "abc", "１２３４５６", "0" * 5000, "12345", "\x00", "1234567"])
def test_a_code_that_is_none_is_told_kindly(account: Account, typed: str) -> None:
    client = Client()
    ask(client)
    answer = client.post(ASKED, {"code": typed})
    assert answer.status_code == 400
    assert 'role="alert"' in answer.content.decode()


# --- Who is meant, and by which way ---


@pytest.mark.parametrize(
    "who", ["7001", " 7001 ", "ann@customer.example", "ANN@Customer.Example", "(555) 010-0123", "+1 555 010 0123"]
)
def test_an_account_is_found_by_number_address_or_phone_as_people_write_them(account: Account, who: str) -> None:
    ask(Client(), who)
    assert letter().account == account


def test_the_link_goes_by_the_way_that_was_asked_for_or_by_the_one_that_is_open(account: Account) -> None:
    ask(Client(), channel="sms")
    assert (letter().channel, letter().to_address) == ("sms", "+15550100123")
    assert code_of(letter()) in letter().body
    make_contact(make_account(number="7002"), phone="", email="bo@customer.example")
    ask(Client(), "7002", channel="sms")
    assert (letter().channel, letter().to_address) == ("email", "bo@customer.example")


def test_an_address_of_several_accounts_gets_a_link_for_each_and_no_code(account: Account) -> None:
    other = make_account(number="7002")
    make_contact(other)
    ask(Client(), "ann@customer.example")
    assert set(Notice.objects.values_list("account__number", "context__sign_in_code")) == {("7001", ""), ("7002", "")}
    for number in range(7003, 7005):
        make_contact(make_account(number=str(number)))
    Notice.objects.all().delete()
    ask(Client(), "ann@customer.example")
    assert Notice.objects.count() == 0, "more than three are nobody's in particular"


def test_what_was_typed_is_forgotten_and_nothing_is_kept_in_clear(account: Account) -> None:
    client = Client()
    client.post(ASK, {"who": "ann@customer.example"}, REMOTE_ADDR="203.0.113.9")
    assert SignInRequest.objects.get().typed == "ann@customer.example"
    sign_in.answer_requests()
    row = SignInRequest.objects.get()
    kept = " ".join(str(value) for value in row.__dict__.values())
    mark = client.cookies["portal_asked"].value
    for secret in ("ann@", "203.0.113.9", mark, code_of(letter())):
        assert secret not in kept
    Client().post(ASK, {"who": "4242 4242 4242 4242"})
    assert "4242 4242" not in SignInRequest.objects.latest("pk").typed


def test_requests_are_deleted_after_a_day(account: Account) -> None:
    with clock.at(NOW):
        ask(Client())
    with clock.at(NOW + timedelta(hours=24)):
        sign_in.answer_requests()
        assert SignInRequest.objects.count() == 1
    with clock.at(NOW + timedelta(hours=24, seconds=1)):
        sign_in.answer_requests()
        assert SignInRequest.objects.count() == 0


def test_a_request_that_breaks_does_not_stop_the_next(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    real = sign_in.accounts_named

    def broken(words: str) -> list[Account]:
        if words == "break":
            raise RuntimeError("broken")
        return real(words)

    monkeypatch.setattr(sign_in, "accounts_named", broken)
    Client().post(ASK, {"who": "break"})
    ask(Client())
    assert list(SignInRequest.objects.order_by("pk").values_list("outcome", "typed")) == [("failed", ""), ("sent", "")]


# --- Limits ---


def test_three_links_an_hour_go_to_an_account_and_the_answer_stays_kind(account: Account) -> None:
    with clock.at(NOW):
        for _ in range(4):
            ask(Client(), REMOTE_ADDR="203.0.113.9")
        assert Notice.objects.count() == 3
        assert SignInRequest.objects.latest("pk").outcome == "limited"
    with clock.at(NOW + timedelta(hours=1, seconds=1)):
        ask(Client())
        assert Notice.objects.count() == 4


def test_twenty_requests_an_hour_are_answered_from_one_address(account: Account) -> None:
    with clock.at(NOW):
        for number in range(20):
            ask(Client(), f"nobody-{number}", REMOTE_ADDR="203.0.113.9")
        ask(Client(), REMOTE_ADDR="203.0.113.9")
        assert (Notice.objects.count(), SignInRequest.objects.latest("pk").outcome) == (0, "limited")
        ask(Client(), REMOTE_ADDR="203.0.113.10")
        assert Notice.objects.count() == 1, "others are not held up"


def test_behind_our_proxy_the_true_address_counts_and_a_claimed_one_does_not(account: Account) -> None:
    for claim in ("203.0.113.9", "198.51.100.7, 203.0.113.9", "x, 203.0.113.9"):
        ask(Client(), HTTP_X_FORWARDED_FOR=claim, REMOTE_ADDR="127.0.0.1")
    ask(Client(), HTTP_X_FORWARDED_FOR="203.0.113.9", REMOTE_ADDR="198.51.100.1")
    ask(Client(), REMOTE_ADDR="2001:db8::1")
    ask(Client(), REMOTE_ADDR="2001:db8::2")
    hashes = list(SignInRequest.objects.order_by("pk").values_list("ip_hash", flat=True))
    assert [hashes.index(one) for one in hashes] == [0, 0, 0, 3, 4, 4]
