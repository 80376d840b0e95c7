"""Links to the portal: scanners, browsers without cookies, old and closed links, where links lead (SEC-03, SEC-04)."""

import re
import time
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts import sign_in
from accounts.access import close_doors, make_link_token
from accounts.links import page_within
from accounts.models import Account, PortalEntry, SignInRequest
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from tests.factories import instant, make_account, make_contact
from tests.portal import ASK, ASKED, HOME, ask, code_of, come_in, is_in, letter, path_of

pytestmark = pytest.mark.django_db

NOW = instant("2026-01-21 09:00")


@pytest.fixture
def account() -> Account:
    account = make_account(number="7001")
    make_contact(account)
    return account


# --- Scanners, and the person after them ---


def test_fifty_scanners_open_nothing_and_the_person_afterwards_comes_in(account: Account) -> None:
    path = f"/portal/enter/{make_link_token(account)}/"
    for number in range(50):
        scanner = Client(enforce_csrf_checks=True)
        if number % 2:
            scanner.cookies.clear()
        for looked in (scanner.head(path), scanner.get(path), scanner.head(path)):
            assert looked.status_code == 303
        bare = Client(enforce_csrf_checks=True)
        bare.post(path)
        opened = bare.get(path)["Location"]
        bare.cookies.clear()
        assert bare.post(opened).status_code == 403
        assert not is_in(scanner)
        assert not is_in(bare)
        assert PortalEntry.objects.count() == number
        person = Client()
        assert come_in(person, account) == HOME
        assert is_in(person)


def test_looking_by_head_sets_nothing_and_a_look_sets_a_short_lived_cookie(account: Account) -> None:
    path = f"/portal/enter/{make_link_token(account)}/"
    assert not Client().head(path).cookies
    cookie = Client().get(path).cookies["portal_pass"]
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"], cookie["secure"]) == (True, "Lax", 600, "")


def test_in_production_the_cookies_are_bound_to_this_host(account: Account, settings: Any) -> None:
    settings.SESSION_COOKIE_SECURE = True
    client = Client()
    cookie = client.get(f"/portal/enter/{make_link_token(account)}/", secure=True).cookies["__Host-portal_pass"]
    assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", "")


def test_a_pass_is_good_for_one_entry_within_ten_minutes(account: Account) -> None:
    with clock.at(NOW):
        client = Client()
        opened = client.get(f"/portal/enter/{make_link_token(account)}/")["Location"]
        stolen = client.cookies["portal_pass"].value
        assert client.post(opened).status_code == 303
        assert "portal_pass" not in client.cookies or client.cookies["portal_pass"].value == ""
        thief = Client()
        thief.cookies["portal_pass"] = stolen
        thief.post(opened)
        assert not is_in(thief)
        late = Client()
        late.get(f"/portal/enter/{make_link_token(account)}/")
    with clock.at(NOW + timedelta(minutes=10, seconds=1)):
        assert late.post(opened).status_code == 403
        assert not is_in(late)


def test_pressing_twice_or_going_back_leads_to_the_account(account: Account) -> None:
    client = Client()
    opened = client.get(f"/portal/enter/{make_link_token(account)}/?to=/portal/pay/")["Location"]
    assert [client.post(opened)["Location"] for _ in range(2)] == ["/portal/pay/"] * 2
    assert client.get(opened)["Location"] == "/portal/pay/"


def test_the_browser_that_asked_comes_in_by_its_link_at_once_and_no_other_does(account: Account) -> None:
    client, other = Client(), Client()
    ask(client)
    path = path_of(letter())
    assert other.get(path)["Location"].startswith("/portal/open/")
    foreign = make_account(number="7002")
    assert client.get(f"/portal/enter/{make_link_token(foreign)}/")["Location"].startswith("/portal/open/")
    assert client.head(path)["Location"].startswith("/portal/open/"), "a look at the head never opens"
    assert client.get(path)["Location"] == HOME
    assert is_in(client)
    assert PortalEntry.objects.get().door == "own_link"


def test_without_cookies_the_page_says_so_and_offers_a_text_and_there_is_no_loop(account: Account) -> None:
    window = Client(enforce_csrf_checks=True)
    opened = window.get(f"/portal/enter/{make_link_token(account)}/")["Location"]
    window.cookies.clear()
    shown = window.get(opened)
    assert shown.status_code == 200
    words = shown.content.decode()
    assert "keeps no cookies" in words
    again = re.search(r'name="again" value="([^"]+)"', words)
    assert again is not None
    window.cookies.clear()
    answer = window.post(ASK, {"again": again[1], "channel": "sms"}, HTTP_ORIGIN="http://testserver")
    assert answer["Location"] == ASKED
    window.cookies.clear()
    assert "six digits" not in window.get(ASKED).content.decode(), "a code would be no use there"
    sign_in.answer_requests()
    assert (letter().channel, letter().account) == ("sms", account)


def test_a_form_from_another_site_asks_for_nothing(account: Account) -> None:
    for name, value in (("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")):
        assert Client(headers={name: value}).post(ASK, {"who": "7001"}).status_code == 403
    assert SignInRequest.objects.count() == 0


# --- Old, closed and forged links ---


def test_an_old_link_is_answered_with_one_press_for_a_new_one(account: Account) -> None:
    with clock.at(NOW):
        link = f"/portal/enter/{make_link_token(account)}/"
    with clock.at(NOW + timedelta(days=61)):
        client = Client()
        page = client.get(link)["Location"]
        assert page.startswith(f"{ASK}?again=")
        shown = client.get(page).content.decode()
        assert "This link has expired" in shown
        assert "Links from Valley Fibre work for 60 days" in shown
        assert account.name not in shown
        again = re.search(r'name="again" value="([^"]+)"', shown)
        assert again is not None
        assert client.post(ASK, {"again": again[1], "channel": "email"})["Location"] == ASKED
        sign_in.answer_requests()
        assert client.get(path_of(letter()))["Location"] == HOME, "this browser asked for it"
        assert client.get(f"/portal/enter/{again[1]}/").status_code == 410, "the mark itself opens nothing"
    with clock.at(NOW + timedelta(days=61, hours=1, seconds=1)):
        assert "expired" not in client.get(page).content.decode()


def test_closing_all_links_closes_links_passes_codes_and_sessions_and_later_links_work(account: Account) -> None:
    with clock.at(NOW):
        inside, looking, asking = Client(), Client(), Client()
        come_in(inside, account)
        old = f"/portal/enter/{make_link_token(account)}/"
        opened = looking.get(old)["Location"]
        ask(asking)
        code = code_of(letter())
    with clock.at(NOW + timedelta(seconds=5)):
        close_doors(account, "Letter passed on")
        assert not is_in(inside)
        assert looking.post(opened).status_code == 403
        assert asking.post(ASKED, {"code": code}).status_code == 400
        assert Client().get(old)["Location"].startswith(ASK)
    with clock.at(NOW + timedelta(seconds=7)):
        assert come_in(Client(), account) == HOME
        door = close_doors(account, "Again")
    assert (door.times, door.history.count()) == (2, 2)
    with pytest.raises(Refused, match="Say why"):
        close_doors(account, "  ")


def test_signing_out_everywhere_ends_every_session_of_this_account_only(account: Account) -> None:
    other = make_account(number="7002")
    here, there, stranger = Client(), Client(), Client()
    with clock.at(NOW):
        come_in(here, account)
        come_in(there, account)
        come_in(stranger, other)
    with clock.at(NOW + timedelta(minutes=1)):
        assert here.post(reverse("portal-out-everywhere"))["Location"] == ASK
        assert [is_in(client) for client in (here, there, stranger)] == [False, False, True]


def test_a_session_ends_after_four_hours_and_gets_a_key_of_its_own(account: Account) -> None:
    client = Client()
    client.get("/portal/link/")
    client.post(reverse("portal-language"), {"language": "en"})
    before = client.session.session_key
    with clock.at(NOW):
        come_in(client, account)
    assert client.session.session_key != before
    with clock.at(NOW + timedelta(hours=3, minutes=59)):
        assert is_in(client)
    with clock.at(NOW + timedelta(hours=4, seconds=1)):
        assert not is_in(client)


# --- Where links lead ---


@pytest.mark.parametrize(
    "to",
    [
        "//evil.example/portal/",
        "https://evil.example/",
        "http:///evil.example",
        "/portal/../admin/",
        "/admin/",
        "/portal\\evil",
        "/portal/%2e%2e/admin/",
        "/portal/%2E%2E/admin/",
        "/portal/..%2fadmin/",
        "/portal//evil.example",
        "/portal/\t/x",
        "/portal/\r\nLocation: https://evil.example",
        "/portal/@evil.example",
        "javascript:alert(1)",
        "/portal/" + "a/" * 400,
        "/portal/x?to=//evil.example",
        "/portal/é/",
        "",
        "x",
        "/portal",
        "\\/portal/",
    ],
)
def test_a_link_leads_nowhere_but_to_the_portal(account: Account, to: str) -> None:
    assert page_within(to) == HOME
    client = Client()
    opened = client.get(f"/portal/enter/{make_link_token(account)}/", {"to": to})["Location"]
    assert opened.startswith("/portal/open/?to=%2Fportal%2F&")
    assert client.post("/portal/open/", {}, QUERY_STRING="").status_code == 303


@pytest.mark.parametrize(
    "to", ["/portal/", "/portal/pay/", "/portal/tickets/318/", "/portal/x?a=1&b=2", "/portal/a.pdf"]
)
def test_a_link_leads_to_any_page_of_the_portal(to: str) -> None:
    assert page_within(to) == to


def test_reading_a_hostile_address_takes_no_time() -> None:
    begun = time.process_time()  # the processor's: another process may have its turn in between
    page_within("/portal/" + "a" * 290 + "!")
    page_within("/portal/" + "a-" * 100_000)
    assert time.process_time() - begun < 0.1


def test_a_forged_host_is_refused_and_never_gets_into_a_letter(account: Account, settings: Any) -> None:
    settings.PUBLIC_BASE_URL = "https://portal.example"
    settings.ALLOWED_HOSTS = ["testserver"]
    assert Client().post(ASK, {"who": "7001"}, HTTP_HOST="evil.example").status_code == 400
    assert Client().get("/portal/link/", HTTP_HOST="evil.example").status_code == 400
    ask(Client(), HTTP_X_FORWARDED_HOST="evil.example")
    assert letter().context["pay_url"].startswith("https://portal.example/portal/enter/")
    assert "evil.example" not in letter().body


def test_staff_see_who_came_in_and_close_all_links_with_a_reason(account: Account) -> None:
    from tests.backoffice import staff_client

    come_in(Client(), account)
    page = reverse("admin:accounts_account_close_links", args=[account.pk])
    boss = staff_client()
    assert "by link" in boss.get(page).content.decode()
    assert boss.post(page, {"reason": "Customer passed a letter on"}).status_code == 303
    assert account.portal_door.why == "Customer passed a letter on"
    assert account.portal_door.history.get().history_user.username == "boss"
