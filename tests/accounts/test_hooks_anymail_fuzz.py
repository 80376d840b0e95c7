"""Forged and broken webhooks of e-mail providers: no effect, and never an error of ours (T33, SEC-14).

500 requests in all, and as many signed ones that make no sense. The full run of 10,000:
FUZZ_REQUESTS=10000 script/test -q tests/accounts/test_hooks_anymail_fuzz.py
"""

import json
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest
from django.test import Client

from accounts.models import InboundMessage, Notice, ProviderEvent, Suppression
from accounts.outreach.references import token_of
from billing_project.kernel import clock
from tests.factories import make_account, make_contact
from tests.mails import SETTINGS, Call, mail, mailgun, postal, postal_mail, resend, sign_postal

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)
REQUESTS = int(os.environ.get("FUZZ_REQUESTS") or 500)
TYPES = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b",
         "multipart/form-data", "text/plain", "\x7f", "application/json; charset=nonsense")  # fmt: skip


@pytest.fixture(autouse=True)
def at_noon(settings: Any) -> Iterator[None]:
    settings.ANYMAIL = SETTINGS
    with clock.at(NOON):
        yield


def altered(body: bytes, rng: random.Random) -> bytes:
    """Return a body with something wrong in it."""
    match rng.randrange(8):
        case 0:
            return rng.randbytes(rng.randrange(300))
        case 1:
            return body[: rng.randrange(len(body) + 1)]
        case 2:
            place = rng.randrange(len(body))
            return body[:place] + rng.randbytes(rng.randrange(1, 4)) + body[place + 1 :]
        case 3:
            return body.replace(b"customer", b"\x00\xff", 1)
        case 4:
            return b"[" * rng.randrange(1, 20_000)
        case 5:
            return body.replace(b":", rng.choice((b"::", b"", b': {}, "x":')), rng.randrange(1, 3))
        case 6:
            return b"".join(rng.sample([b"{", b"}", b'"', b"null", b"signature", b":", b"1e999"], 5))
        case _:
            return b'--b\r\nContent-Disposition: form-data; name="token"\r\n\r\n' + body


def rows() -> list[Any]:
    """Return everything that a request could change."""
    tables = (Notice, ProviderEvent, Suppression, InboundMessage)
    return [list(table.objects.order_by("pk").values()) for table in tables]


@pytest.mark.parametrize("provider", ["mailgun", "postal", "resend", "mandrill", "mailersend"])
@pytest.mark.parametrize("kind", ["tracking", "inbound"])
def test_forged_requests_have_no_effect(provider: str, kind: str, settings: Any) -> None:
    settings.EMAIL_PROVIDER = provider
    rng = random.Random(f"{provider} {kind}")
    account = make_account()
    notice = Notice.objects.create(
        account=account, contact=make_contact(account), anchor_key="case:1", step_key="n", channel="email",
        template="x", to_address="ann@customer.example", body="x", state="accepted", accepted_at=NOON,
    )  # fmt: skip
    mark = token_of(notice.pk)
    # Mailgun does not sign what it says, but only a token: what is altered here is signed by somebody else.
    foreign = mailgun("failed", token="a", mark=mark, key="somebody-elses", severity="permanent", reason="bounce")
    true = [
        foreign,
        postal("HardFail", token="a", message_id="pm"), resend("bounced", token="a", mark=mark), postal_mail(mail()),
    ]  # fmt: skip
    before, browser = rows(), Client(raise_request_exception=False)
    answers = set()
    for _ in range(REQUESTS // 10):
        call = rng.choice(true)
        headers = {name: value if rng.random() < 0.5 else value[::-1] for name, value in call.headers.items()}
        if rng.random() < 0.2:
            headers |= {"Content-Encoding": "gzip", "X-Mandrill-Signature": "x", "Signature": "é\x7f"}
        body = altered(call.body, rng)
        path = f"/callbacks/email/{provider}/{kind}/"
        answer = browser.generic("POST", path, body, content_type=rng.choice(TYPES), headers=headers)
        answers.add(answer.status_code)
        assert answer.content == b""
    assert answers <= {400, 403, 413}
    assert rows() == before


def odd(rng: random.Random) -> Any:
    """Return a value that does not belong there."""
    return rng.choice([None, [], {}, "", "\x00", "\ud800", 1e308, -1, True, [[]], {"a": {"b": []}}, "x" * 5000])


def spoiled(value: Any, rng: random.Random) -> Any:
    """Return a document with one or more of its values replaced."""
    if rng.random() < 0.12:
        return odd(rng)
    if isinstance(value, dict):
        return {name: spoiled(inner, rng) for name, inner in value.items() if rng.random() > 0.05}
    if isinstance(value, list):
        return [spoiled(inner, rng) for inner in value]
    return value


def test_signed_documents_that_make_no_sense_are_never_an_error(settings: Any) -> None:
    settings.EMAIL_PROVIDER = "postal"
    rng = random.Random(33)
    said = json.loads(postal("HardFail", token="a", message_id="pm", output="550 5.1.1 no").body)
    browser, answers = Client(raise_request_exception=False), set()
    for _ in range(REQUESTS // 2):
        body = json.dumps(spoiled(said, rng)).encode()
        answers.add(Call("/callbacks/email/postal/tracking/", body, sign_postal(body)).send(browser).status_code)
    assert answers <= {200, 400}


def test_signed_mails_that_make_no_sense_are_never_an_error(settings: Any) -> None:
    settings.EMAIL_PROVIDER = "postal"
    rng = random.Random(34)
    browser, answers = Client(raise_request_exception=False), set()
    message: EmailMessage = mail("Hello", html="<p>Hello</p>", References="<1@x> <2@x>")
    message.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="a.pdf")
    for _ in range(REQUESTS // 2):
        raw = message.as_bytes()
        for _again in range(rng.randrange(1, 6)):
            place = rng.randrange(len(raw))
            wrong = rng.choice((b"", b"\x00", b"\xff", b"\n\n", b"=?utf-8?q?", b";", rng.randbytes(5)))
            raw = raw[:place] + wrong + raw[place + rng.randrange(20) :]
        answers.add(postal_mail(raw).send(browser).status_code)
    assert answers <= {200, 400}
    assert InboundMessage.objects.exists()
