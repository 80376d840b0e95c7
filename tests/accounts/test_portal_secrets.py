"""What opens an account is kept in no log and no row, and no answer's time tells who is known (SEC-04, T31)."""

import io
import logging
import os
import re
import sys
from statistics import median

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import sign_in
from accounts.access import make_link_token, send_link
from accounts.models import Account, Contact, Notice, PortalEntry, SignInRequest, SimulatedMessage, User
from accounts.outreach import resend, secrets
from accounts.outreach.dispatch import dispatch_notices
from accounts.outreach.rendering import render
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from billing_project.logs import OneLine
from tests.factories import instant, make_account, make_contact
from tests.portal import come_in

pytestmark = pytest.mark.django_db

NOW = instant("2026-01-21 12:00")
TOKENS = 200
# 10,000 for the whole of T31; the medians of a few hundred tell as much.
REQUESTS = int(os.environ.get("LINK_REQUESTS", "300"))


@pytest.fixture
def account() -> Account:
    account = make_account(number="7001")
    make_contact(account)
    return account


def test_of_two_hundred_links_that_were_used_none_is_in_a_log_or_a_row(account: Account) -> None:
    """Looked at, pressed, refused by the check of forms, led astray: Django logs addresses of what went wrong."""
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(OneLine())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    tokens = []
    try:
        for number in range(TOKENS):
            with clock.at(NOW.replace(minute=number // 60, second=number % 60)):
                token = make_link_token(account)
                tokens.append(token)
                path = f"/portal/enter/{token}/"
                for answer in (
                    Client(enforce_csrf_checks=True).post(path), Client().delete(path), Client().get(f"{path}more/"),
                    Client().get(f"{path[:-2]}/"),
                ):  # fmt: skip
                    assert answer.status_code in (403, 405, 404, 410)
                if number % 10 == 0:
                    come_in(Client(), account)
                    sign_in.ask("7001", "email", "203.0.113.9")
        logging.getLogger("accounts").warning("Error handling request %s", path)
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    written = log.getvalue()
    assert written.count("/portal/enter/***") > TOKENS, "the log was listened to"
    rows = " ".join(str(row) for model in (SignInRequest, PortalEntry) for row in model.objects.values())
    signatures = [token.rpartition(".")[2][:12] for token in tokens]
    assert [one for one in signatures if one in written or one in rows] == []


def test_a_traceback_and_an_encoded_address_are_masked_too() -> None:
    try:
        raise RuntimeError("at /portal/enter/abc.def.SECRET/?to=x")
    except RuntimeError:
        arguments = ("/a?next=%2Fportal%2Fenter%2FSECRET",)
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "GET %s", arguments, sys.exc_info())
    line = OneLine().format(record)
    assert "SECRET" not in line
    assert "/portal/enter/***/?to=x" in line


def test_the_web_servers_own_words_go_through_the_same_formatter() -> None:
    from django.conf import settings

    for name in ("gunicorn.error", "gunicorn.access"):
        assert settings.LOGGING["loggers"][name]["handlers"] == ["console"]
    assert settings.LOGGING["handlers"]["console"]["formatter"] == "line"


# --- The letter ---


def test_when_a_letter_was_sent_its_code_and_link_are_masked_in_what_is_kept(account: Account) -> None:
    with clock.at(NOW):
        send_link(account, ("email", "sms"), code="402917")
        tokens = {re.search(r"/enter/([^/]+)/", row.body)[1] for row in Notice.objects.all()}  # type: ignore[index]
        dispatch_notices()
    for sent in SimulatedMessage.objects.all():
        assert "402917" in sent.body, "the customer got it"
        assert any(token in sent.body for token in tokens)
    for kept in Notice.objects.all():
        assert kept.state == "accepted"
        whole = f"{kept.subject} {kept.body} {kept.context}"
        assert "402917" not in whole
        assert not any(token in whole for token in tokens)
        assert "/portal/enter/••••••/" in kept.body
        assert "••••••" in kept.context["sign_in_code"]


def test_the_kept_letter_is_the_sent_one_but_for_what_is_masked(account: Account) -> None:
    with clock.at(NOW):
        [written] = send_link(account, ("email",), code="402917")
        rendered = render(
            channel="email", template="portal_link", language="en",
            context=dict(written.context) | {
                "contact_name": "Ann Example", "account_name": account.name, "account_number": "7001",
                "company_name": "Valley Fibre", "company_phone": "+15550100199",
            },
        )  # fmt: skip
        dispatch_notices()
    sent = SimulatedMessage.objects.get().body
    assert rendered.body == written.body
    assert sent == rendered.body
    kept = Notice.objects.get().body
    assert re.sub(r"(/enter/)[^/]+", r"\1••••••", rendered.body).replace("402917", "••••••") == kept


def test_a_letter_whose_end_nobody_knows_is_masked_after_it_was_looked_up_for_a_day(account: Account) -> None:
    with clock.at(NOW):
        send_link(account, ("sms",), code="402917")
        Notice.objects.update(state=Notice.State.AMBIGUOUS)
        sign_in.forget_old()
        assert "402917" in Notice.objects.get().body, "its very words are looked for at the provider"
        queued = send_link(account, ("sms",), code="402918")[0]
    with clock.at(NOW.replace(day=22, hour=20)):
        sign_in.forget_old()
        first, second = Notice.objects.order_by("pk")
        assert "402917" not in first.body
        assert "402918" in second.body, "what is not sent yet must not be sent masked"
        assert second.pk == queued.pk


def test_other_letters_are_left_as_they_are(account: Account) -> None:
    notice = Notice.objects.create(
        account=account, anchor_key="case:1", step_key="x", channel="email", template="delinquent",
        to_address="a@x.example", body="https://p.example/portal/enter/a.b.c/", state="accepted", accepted_at=NOW,
    )  # fmt: skip
    secrets.mask_secrets(notice)
    secrets.forget_old_secrets()
    notice.refresh_from_db()
    assert notice.body == "https://p.example/portal/enter/a.b.c/"


def test_a_masked_letter_is_never_sent_again(account: Account) -> None:
    with clock.at(NOW):
        send_link(account, ("email",))
        dispatch_notices()
        with pytest.raises(Refused, match="Send pay link"):
            resend.send_again(Notice.objects.get(), "Nothing came", by=User.objects.create(username="casey"))


# --- The same answer, in the same time (T31) ---


def test_known_and_unknown_are_answered_by_the_same_queries_and_in_the_same_time(account: Account) -> None:
    Contact.objects.update(email="ann@customer.example")
    client = Client()
    client.get("/portal/link/")
    asked: dict[bool, list[list[str]]] = {True: [], False: []}
    times: dict[bool, list[float]] = {True: [], False: []}
    for number in range(REQUESTS):
        known = number % 2 == 0
        who = "ann@customer.example" if known else f"nob{number % 10}@customer.example"
        begun = clock.monotonic()
        answer = client.post("/portal/link/", {"who": who, "channel": "email"}, REMOTE_ADDR="203.0.113.9")
        times[known].append(clock.monotonic() - begun)
        assert (answer.status_code, answer["Location"]) == (303, "/portal/link/sent/")
        if number < 20:
            with CaptureQueriesContext(connection) as queries:
                client.post("/portal/link/", {"who": who, "channel": "email"}, REMOTE_ADDR="203.0.113.9")
            asked[known].append([re.sub(r"'[^']*'|\d+", "?", query["sql"]) for query in queries])
    assert asked[True] == asked[False]
    assert abs(median(times[True]) - median(times[False])) <= 0.020
    sign_in.answer_requests()
    assert Notice.objects.values("occurrence").distinct().count() <= 3


def test_the_pages_after_it_are_the_same_too(account: Account) -> None:
    pages = []
    for who in ("7001", "nobody"):
        client = Client()
        client.post("/portal/link/", {"who": who})
        sign_in.answer_requests()
        page = client.get("/portal/link/sent/").content.decode()
        pages.append(re.sub(r'nonce="[^"]+"|csrfmiddlewaretoken" value="[^"]+"', "", page))
    assert pages[0] == pages[1]
