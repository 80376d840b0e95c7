"""Arrival from the walled garden: why, how much, how fast, and nothing about whose line it is (SEC-02)."""

import json
import re
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import reverse

from accounts.client_address import client_address
from accounts.models import Account, ServiceLine
from delinquency.arrival import arrival_from, offer_to
from invoicing.models import Payment, PaymentAttempt
from netenforce.dispatch import dispatch_enforcement
from netenforce.models import PaymentWindow, SimulatedEntry
from netenforce.operations import place_hold
from tests.backoffice import make_everything, make_version
from tests.factories import make_account, make_device, make_line
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db

HERE = "100.64.0.1"
EVENING = "2026-01-21T20:00"
GARDEN = {"steps": [*sonar()["steps"][:2], {**sonar()["steps"][2], "level": "walled_garden"}]}


@pytest.fixture
def story() -> Story:
    """Tell of a customer whose line is limited over 100.00 since the morning of Jan 21."""
    made = Story(sonar(**GARDEN), sends=True, number="CUST-4711")
    made.owes("A-2026-77", "2026-01-01", due_on="2026-01-16")
    make_line(made.account, HERE, device=make_device(), ipv6="2001:db8:17::/56")
    made.days("2026-01-21")
    with made.now("2026-01-21T09:05"):
        dispatch_enforcement()
    return made


def ask(story: Story, path: str = "/portal/garden/", address: str = HERE, local: str = EVENING, **more: Any) -> Any:
    with story.now(local):
        return Client(REMOTE_ADDR=address, enforce_csrf_checks=True).get(path, **more)


def press_of(answer: HttpResponse) -> str:
    found = re.search(r'name="press" value="([^"]+)"', answer.content.decode())
    assert found
    return found[1]


def press(story: Story, mark: str, address: str = HERE, local: str = EVENING) -> Any:
    with story.now(local):
        client = Client(REMOTE_ADDR=address, enforce_csrf_checks=True)
        return client.post(reverse("portal-garden-pay"), {"press": mark})


def text_of(answer: Any) -> str:
    return str(answer.content.decode())


@pytest.mark.parametrize("address", [HERE, "::ffff:100.64.0.1", "2001:db8:17:ff::9"])
def test_the_line_that_asks_reads_why_and_the_exact_sum(story: Story, address: str) -> None:
    answer = ask(story, address=address)
    text = text_of(answer)
    assert answer.status_code == 200
    assert "Your Internet line is limited to this page" in text
    assert "An invoice for this line is unpaid." in text
    assert "100.00 USD" in text
    assert len(answer.content) <= 14 * 1024
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_hundred_strangers_at_the_address_read_no_name(story: Story) -> None:
    account = story.account
    contact = account.contacts.get()
    secrets = [
        account.name, account.number, contact.name, contact.email, str(account.public_id),
        *account.invoices.values_list("number", flat=True),
    ]  # fmt: skip
    for _ in range(100):
        text = text_of(ask(story))
        assert [secret for secret in secrets if secret and secret in text] == []


def test_what_the_provider_is_told_of_a_guests_payment_names_nobody(story: Story, monkeypatch: Any) -> None:
    from invoicing.gateways.sandbox import SandboxGateway

    asked: list[Any] = []
    real = SandboxGateway.page_to_pay

    def spy(self: SandboxGateway, request: Any) -> Any:
        asked.append(request)
        return real(self, request)

    monkeypatch.setattr(SandboxGateway, "page_to_pay", spy)
    press(story, press_of(ask(story)))
    (request,) = asked
    assert (request.description, request.customer_token, request.keep) == ("Internet service", "", False)


@pytest.mark.parametrize("address", ["203.0.113.9", "100.64.0.2", "2001:db8:18::1", "", "nonsense", "fe80::1%eth0"])
def test_any_other_address_reads_the_general_words_and_the_way_in(story: Story, address: str) -> None:
    text = text_of(ask(story, address=address))
    assert "Most often this is because an invoice is unpaid." in text
    assert reverse("portal-link") in text
    assert "USD" not in text
    assert 'name="press"' not in text


def test_an_address_of_two_accounts_says_nothing_of_either(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    # The database keeps lines apart; should it ever not, the page must not choose.
    lines = [*ServiceLine.objects.all(), make_line(make_account(), "100.64.7.7")]
    monkeypatch.setattr("delinquency.arrival.lines_overlapping", lambda _prefixes: lines)
    text = text_of(ask(story))
    assert "USD" not in text
    assert "Most often" in text


def test_a_closed_accounts_old_line_is_nobodys(story: Story) -> None:
    Account.objects.filter(pk=story.account.pk).update(closed_on=date(2026, 1, 21))
    assert "USD" not in text_of(ask(story))


@pytest.mark.parametrize("cause", ["abuse", "request"])
def test_where_money_alone_does_not_restore_no_sum_is_offered(story: Story, cause: str) -> None:
    place_hold(account_id=story.account.pk, cause=cause, cause_key=cause, level="suspend", why="w")
    assert "USD" not in text_of(ask(story))


def test_a_line_that_nothing_limits_is_told_so(story: Story) -> None:
    story.pays("2026-01-21T19:00", "100.00")
    with story.now("2026-01-21T19:01"):
        from delinquency.operations import reassess

        reassess(story.account.pk)
    assert "The command to open your line was sent." in text_of(ask(story))
    with story.now("2026-01-21T19:02"):
        dispatch_enforcement()
    assert "Your line is open." in text_of(ask(story))


def test_any_path_that_a_redirect_brings_is_answered_with_the_page(story: Story) -> None:
    for path in ("generate_204", "hotspot-detect.html", "a/b/c?x=1"):
        answer = ask(story, f"/portal/garden/{path}")
        assert (answer.status_code, "100.00 USD" in text_of(answer)) == (200, True)


@pytest.mark.parametrize(
    ("trusted", "forwarded", "seen"),
    [
        ("", HERE, "203.0.113.9"),  # nobody is believed
        ("203.0.113.0/24", HERE, HERE),
        ("203.0.113.0/24", f"{HERE}:4711", HERE),
        ("203.0.113.0/24", "[2001:db8::1]:443", "2001:db8::1"),
        ("203.0.113.0/24", f"{HERE}, 198.51.100.7", "198.51.100.7"),  # what stands before it was written by anybody
        ("203.0.113.0/24", f"198.51.100.7, {HERE}, 203.0.113.4", HERE),  # through two proxies of ours
        ("203.0.113.0/24", "", "203.0.113.9"),
        ("203.0.113.0/24", "rubbish", None),
        ("198.51.100.0/24", HERE, "203.0.113.9"),  # the connection is not the proxy's
    ],
)
def test_only_a_trusted_proxy_says_who_asks(trusted: str, forwarded: str, seen: str | None) -> None:
    from ipaddress import ip_network

    request = RequestFactory().get("/", REMOTE_ADDR="203.0.113.9", HTTP_X_FORWARDED_FOR=forwarded)
    with override_settings(TRUSTED_PROXIES=tuple(ip_network(text) for text in [trusted] if text)):
        found = client_address(request)
    assert (str(found) if found else None) == seen


def test_a_forged_header_shows_no_other_line(story: Story) -> None:
    text = text_of(ask(story, address="203.0.113.9", HTTP_X_FORWARDED_FOR=HERE, HTTP_X_REAL_IP=HERE))
    assert "USD" not in text


def test_paying_without_signing_in_without_a_cookie_restores_the_line(story: Story) -> None:
    sent = press(story, press_of(ask(story)))
    assert sent.status_code == 303
    assert not sent.cookies
    with story.now(EVENING):
        dispatch_enforcement()
        assert not SimulatedEntry.objects.exists(), "the line is open for the bank's page"
        client = Client(REMOTE_ADDR=HERE)
        shown = client.get(sent.headers["Location"])
        assert "Sign out" not in text_of(shown)
        assert story.account.name not in text_of(shown)
        back = client.post(sent.headers["Location"], {"card": "tok_ok"})
        outcome = client.get(back.headers["Location"])
    payment = Payment.objects.get()
    text = text_of(outcome)
    assert (payment.account, payment.amount) == (story.account, Decimal("100.00"))
    assert "Thank you. Your payment was received." in text
    assert payment.reference in text
    assert story.account.number not in text
    assert not story.account.funding_sources.exists(), "no card of a guest's is kept"
    with story.now("2026-01-21T20:01"):
        from delinquency.operations import reassess

        reassess(story.account.pk)
        dispatch_enforcement()
        again = client.get(back.headers["Location"])
    assert "Your line is open; the device has confirmed it." in text_of(again)
    assert "Refresh" not in again.headers


def test_pressing_twice_is_one_payment_page(story: Story) -> None:
    mark = press_of(ask(story))
    first, second = press(story, mark), press(story, mark)
    assert first.headers["Location"] == second.headers["Location"]
    assert PaymentAttempt.objects.count() == 1


def test_a_press_is_good_for_its_own_address_only_and_for_an_hour(story: Story) -> None:
    mark = press_of(ask(story))
    other = make_line(make_account(), "100.64.0.9")
    for forged, address, local in (
        (mark, other.ipv4, EVENING),
        (mark, "203.0.113.9", EVENING),
        (mark, HERE, "2026-01-21T21:01"),
        (mark[:-1], HERE, EVENING),
        ("", HERE, EVENING),
        ("x:y", HERE, EVENING),
    ):
        answer = press(story, forged, address, local)
        assert answer.status_code == 409
        assert 'role="alert"' in text_of(answer)
    assert not PaymentAttempt.objects.exists()


def test_turning_back_from_the_page_says_so_and_closes_the_line_again(story: Story) -> None:
    sent = press(story, press_of(ask(story)))
    with story.now(EVENING):
        client = Client(REMOTE_ADDR=HERE)
        shown = text_of(client.get(sent.headers["Location"]))
        leave = re.search(r'href="(/portal/garden/payment/[^"]+)"', shown)
        assert leave
        assert "You left the payment page before paying." in text_of(client.get(leave[1]))
    assert PaymentWindow.objects.get().ended_how == "left"


def test_while_a_payment_is_unclear_no_second_one_is_offered(story: Story) -> None:
    press(story, press_of(ask(story)))
    with story.now(EVENING) as at:
        PaymentAttempt.objects.update(state="unknown", unclear_at=at)
    text = text_of(ask(story))
    assert "A payment for this line is under way." in text
    assert 'name="press"' not in text


def test_beyond_the_windows_the_page_says_what_else_helps_and_paying_still_works(story: Story) -> None:
    for hour in (10, 11):
        press(story, press_of(ask(story, local=f"2026-01-21T{hour}:00")), local=f"2026-01-21T{hour}:00")
        with story.now(f"2026-01-21T{hour}:20"):
            dispatch_enforcement()
    answer = ask(story)
    assert "The line was opened for paying as often as it can be in a day." in text_of(answer)
    assert "pay at the counter, or call us" in text_of(answer)
    assert press(story, press_of(answer)).status_code == 303
    assert PaymentWindow.objects.count() == 2


def test_too_many_presses_within_an_hour_are_refused_kindly(story: Story) -> None:
    answers = [press(story, press_of(ask(story))) for _ in range(8)]
    assert [answer.status_code for answer in answers] == [303] * 6 + [409] * 2
    assert "tried too often" in text_of(answers[-1])


def test_a_payment_paid_meanwhile_by_others_is_not_asked_for_again(story: Story) -> None:
    mark = press_of(ask(story))
    story.pays("2026-01-21T20:00", "100.00")
    answer = press(story, mark)
    assert answer.status_code == 409
    assert not PaymentAttempt.objects.exists()


def test_an_outcome_is_shown_for_four_hours_and_to_nobody_who_guesses(story: Story) -> None:
    sent = press(story, press_of(ask(story)))
    page = PaymentAttempt.objects.get().key.removeprefix("guest:")
    path = reverse("portal-garden-payment", args=[page])
    assert urlsplit(sent.headers["Location"]).path == reverse("portal-sandbox")
    assert ask(story, path).status_code == 200
    assert ask(story, path, local="2026-01-22T00:01").status_code == 303
    guessed = reverse("portal-garden-payment", args=["00000000-0000-4000-8000-000000000000"])
    assert ask(story, guessed).headers["Location"] == reverse("portal-garden")


def captive(story: Story, address: str = HERE, local: str = EVENING) -> dict[str, Any]:
    answer = ask(story, "/portal/captive", address, local)
    assert answer.headers["Content-Type"] == "application/captive+json"
    assert answer.headers["Cache-Control"] == "private, no-store"
    return dict(json.loads(answer.content))


@override_settings(PUBLIC_BASE_URL="https://billing.example.net")
def test_a_phone_learns_whether_its_line_is_limited_and_for_how_long_it_is_not(story: Story) -> None:
    portal = "https://billing.example.net/portal/garden/"
    assert captive(story) == {"captive": True, "user-portal-url": portal}
    assert captive(story, "203.0.113.9") == {"captive": False, "user-portal-url": portal}
    press(story, press_of(ask(story)))
    assert captive(story, local="2026-01-21T20:05") == {
        "captive": False, "user-portal-url": portal, "seconds-remaining": 600, "can-extend-session": True,
    }  # fmt: skip
    assert captive(story, local="2026-01-21T20:16")["captive"], "its time is over, though no pass has come yet"


def test_a_slowed_line_is_not_captive() -> None:
    make_version()
    account = make_everything()
    line = ServiceLine.objects.filter(account=account).first()
    assert line is not None
    answer = Client(REMOTE_ADDR=line.ipv4).get("/portal/captive")
    assert json.loads(answer.content)["captive"] is False


def test_what_is_offered_is_never_more_than_is_owed(story: Story) -> None:
    from ipaddress import ip_address

    story.pays("2026-01-21T12:00", "60.00")
    with story.now(EVENING):
        offer = offer_to(arrival_from(ip_address(HERE)))
    assert offer is not None
    assert offer.sum == Decimal("40.00")
