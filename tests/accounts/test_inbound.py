"""Mails of customers: whose they are, what is kept of them, and what is left aside (point 6)."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlencode

import pytest

from accounts import signals
from accounts.models import Account, InboundMessage, Notice, OutreachRules, ProviderEvent
from accounts.outreach.references import answer_address, message_id, token_of
from billing_project.kernel import clock
from billing_project.kernel.errors import Unavailable
from tests.factories import make_account, make_contact
from tests.mails import SETTINGS, Call, mail, mailgun_signature, postal_mail

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)
PDF, PNG, EXE = b"%PDF-1.7 ...", b"\x89PNG\r\n\x1a\n....", b"MZ\x90\x00"


@pytest.fixture(autouse=True)
def at_noon(settings: Any) -> Iterator[None]:
    settings.EMAIL_PROVIDER, settings.ANYMAIL = "postal", SETTINGS
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


def written_to(account: Account, address: str = "ann@customer.example", *, days_ago: float = 1) -> Notice:
    at = NOON - timedelta(days=days_ago)
    return Notice.objects.create(
        account=account, contact=account.contacts.first(), anchor_key="case:1", step_key=f"n{days_ago}",
        channel="email", template="delinquent", to_address=address, body="Hello", state="accepted", accepted_at=at,
        sending_at=at,
    )  # fmt: skip


def arrives(message: EmailMessage | bytes, **fields: Any) -> InboundMessage:
    answer = postal_mail(message, **fields).send()
    assert answer.status_code == 200
    return InboundMessage.objects.latest("pk")


def test_the_mark_in_the_address_leads_to_the_notice_even_from_another_address(announced: list[int]) -> None:
    account = make_account()
    make_contact(account)
    notice = written_to(account)
    to = answer_address("replies@in.valley.example", notice.pk)
    got = arrives(mail(From="Bob <bob@work.example>", To=to), rcpt_to=to)
    assert (got.state, got.account, got.notice) == ("filed", account, notice)
    assert "from another address: bob@work.example" in got.why
    assert announced == [got.pk]


@pytest.mark.parametrize("header", ["In_Reply_To", "References"])
def test_an_answer_is_known_by_the_letter_it_answers(header: str) -> None:
    account = make_account()
    make_contact(account)
    notice = written_to(account)
    got = arrives(mail(**{header: message_id(notice.pk)}))
    assert (got.account, got.notice, got.why) == (account, notice, "It answers a notice of ours.")


def test_an_answer_is_known_by_the_providers_own_id_of_our_letter() -> None:
    account = make_account()
    make_contact(account)
    notice = written_to(account)
    Notice.objects.filter(pk=notice.pk).update(provider_id="<abc@mg.example>")
    assert arrives(mail(From="x@elsewhere.example", In_Reply_To="<abc@mg.example>")).notice == notice


def test_a_mark_that_is_not_ours_leads_nowhere() -> None:
    account = make_account()
    make_contact(account)
    notice = written_to(account)
    forged = f"n{notice.pk}-{'0' * 20}"
    got = arrives(mail(From="x@elsewhere.example", To=f"replies+{forged}@in.valley.example"))
    assert (got.state, got.account) == ("unknown", None)


def test_the_address_of_one_accounts_contact_is_enough() -> None:
    account = make_account()
    contact = make_contact(account, email="Ann@Customer.example")
    got = arrives(mail())
    assert (got.state, got.account, got.contact) == ("filed", account, contact)


def test_an_address_of_several_accounts_means_the_one_written_to_last_within_thirty_days() -> None:
    one, other = make_account(), make_account()
    for account in (one, other):
        make_contact(account)
    written_to(one, days_ago=9)
    written_to(other, days_ago=3)
    got = arrives(mail())
    assert (got.account, "2 accounts have this address" in got.why) == (other, True)
    Notice.objects.update(sending_at=NOON - timedelta(days=31))
    assert arrives(mail(Message_ID="<2@x>"), token="2").state == "unknown"


def test_an_unknown_sender_waits_for_somebody_who_knows(announced: list[int]) -> None:
    got = arrives(mail(From="Stranger <who@elsewhere.example>"))
    assert (got.state, got.from_name, announced) == ("unknown", "Stranger", [])


@pytest.mark.parametrize(("headers", "fields", "why"), [
    ({"Auto_Submitted": "auto-replied"}, {}, "A machine wrote it"),
    ({"Precedence": "bulk"}, {}, "Precedence: bulk"),
    ({"X_Autoreply": "yes"}, {}, "A machine wrote it"),
    ({"List_Id": "<news.example>"}, {}, "mailing list"),
    ({"Subject": "Out of office: My bill"}, {}, "away"),
    ({"Subject": "Automatic reply: Your account"}, {}, "away"),
    ({"Subject": "Respuesta automática"}, {}, "away"),
    ({"From": "MAILER-DAEMON@mx.example"}, {}, "address of a machine"),
    ({"From": "no-reply@shop.example"}, {}, "address of a machine"),
    ({}, {"mail_from": ""}, "no sender"),
    ({"From": "billing@valley.example"}, {}, "our own address"),
])  # fmt: skip
def test_what_machines_write_is_left_aside_and_never_announced(
    headers: dict[str, str], fields: dict[str, str], why: str, announced: list[int]
) -> None:
    account = make_account()
    make_contact(account)
    OutreachRules.objects.create(company=account.company, inbound_email="billing@valley.example")
    notice = written_to(account)
    got = arrives(mail(**({"To": answer_address("replies@in.valley.example", notice.pk)} | headers)), **fields)
    assert (got.state, got.account, announced) == ("ignored", None, [])
    assert why in got.why


def test_a_subject_that_only_speaks_of_an_office_is_an_ordinary_letter() -> None:
    make_contact(make_account())
    assert arrives(mail(Subject="Your office said I should write")).state == "filed"


def test_a_mail_counts_once_however_often_and_by_whatever_way_it_comes(announced: list[int]) -> None:
    make_contact(make_account())
    for token in ("1", "1", "2"):  # repeated by the provider, and sent to two addresses of ours
        assert postal_mail(mail(), token=token).send().status_code == 200
    assert (InboundMessage.objects.count(), len(announced)) == (1, 1)


def test_a_signature_seen_once_does_not_carry_another_mail(settings: Any) -> None:
    settings.EMAIL_PROVIDER = "mailgun"
    make_contact(make_account())
    fields = mailgun_signature("tok") | {
        "sender": "ann@customer.example", "recipient": "billing@valley.example", "body-plain": "I paid.",
        "message-headers": json.dumps([["From", "ann@customer.example"], ["Subject", "Bill"]]),
    }  # fmt: skip
    form = "application/x-www-form-urlencoded"
    path = "/callbacks/email/mailgun/inbound/"
    assert Call(path, urlencode(fields).encode(), {}, form).send().status_code == 200
    altered = urlencode(fields | {"body-plain": "Close my account."}).encode()
    assert Call(path, altered, {}, form).send().status_code == 200
    assert list(InboundMessage.objects.values_list("text", flat=True)) == ["I paid."]
    assert Call(path, urlencode(fields | {"signature": "0" * 64}).encode(), {}, form).send().status_code == 403


def test_the_comment_is_what_they_wrote_and_the_whole_text_is_kept() -> None:
    make_contact(make_account())
    got = arrives(mail("I paid on Monday.\n\nAnn\n\nOn Mon, Mar 2, 2026 Valley Fibre wrote:\n> You owe 40.00\n> Pay\n"))
    assert got.text == "I paid on Monday.\n\nAnn"
    assert "> You owe 40.00" in got.whole_text


def test_a_mail_of_html_alone_becomes_words_without_its_scripts() -> None:
    make_contact(make_account())
    message = mail("x")
    message.set_content(
        "<html><head><style>p{color:red}</style></head><body><p>I paid&nbsp;<b>today</b>.</p>"
        "<script>alert(1)</script><ul><li>one<li>two</ul><blockquote>You owe</blockquote></body></html>",
        subtype="html",
    )
    got = arrives(message)
    assert got.text.replace("\xa0", " ") == "I paid today.\n- one\n- two"
    assert "alert" not in got.whole_text


def test_card_numbers_are_masked_before_anything_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    make_contact(make_account())
    message = mail("Use 4111 1111 1111 1111 please, or 5555-5555-5555-4444.", Subject="Card 378282246310005")
    message.add_attachment("card 4012888888881881", filename="4012888888881881.txt")
    got = arrives(message)
    kept = got.attachments.get()
    everything = " ".join((got.text, got.whole_text, got.subject, kept.name, bytes(kept.content or b"").decode()))
    assert "ending in 1111" in got.text
    for number in ("4111 1111", "5555-5555", "378282246310005", "4012888888881881"):
        assert number not in everything
        assert number not in caplog.text


def test_only_few_small_files_of_harmless_kinds_are_kept_by_what_they_are() -> None:
    make_contact(make_account())
    message = mail()
    for name, content in (
        ("../../etc/receipt.pdf", PDF), ("photo.jpg", EXE), ("run.exe", PNG), ("big.pdf", PDF + b"x" * 2_100_000),
        ("evil.html", b"<script>"), ("a\u202egnp.png", PNG),
    ):  # fmt: skip
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    for number in range(6):
        message.add_attachment(PNG + bytes([number]), maintype="image", subtype="png", filename=f"{number}.png")
    got = arrives(message)
    rows = {row.name: (row.content is not None, row.content_type) for row in got.attachments.all()}
    assert rows["receipt.pdf"] == (True, "application/pdf")
    assert rows["photo.jpg"][0] is False
    assert rows["run.exe.png"] == (True, "image/png")
    assert rows["big.pdf"][0] is False
    assert rows["evil.html"][0] is False
    assert rows["agnp.png"] == (True, "image/png")
    assert sum(kept for kept, _kind in rows.values()) == 5
    assert got.attachments.filter(refused_why="Only the first 5 files of a letter are kept.").exists()


def test_a_mail_above_ten_megabytes_is_refused_and_one_below_is_taken() -> None:
    make_contact(make_account())
    message = mail()
    message.add_attachment(PDF + b"x" * 6_000_000, maintype="application", subtype="pdf", filename="a.pdf")
    assert postal_mail(message).send().status_code == 413  # 6 MB are 8 MB in base64, and 11 MB in another
    small = mail(Message_ID="<2@x>")
    small.add_attachment(PDF + b"x" * 4_000_000, maintype="application", subtype="pdf", filename="a.pdf")
    got = arrives(small, token="2")
    assert "at most 2 MB" in got.attachments.get().refused_why


@pytest.mark.parametrize("raw", [
    b"", b"\x00\xff\xfe", b"From: \r\n\r\nhi", b"From: a@b.example\r\nSubject: =?utf-8?b?////?=\r\n\r\nhi",
    b"From: a@b.example\r\nContent-Type: text/plain; charset=nonsense\r\n\r\nhi",
    b"From: a@b.example\r\nContent-Type: multipart/mixed\r\n\r\nno boundary",
    b"From: \"x\r\n <a@b.example>\r\nTo: ,,,;<>\r\nReferences: " + b"<x> " * 5000 + b"\r\n\r\nhi",
    b"Content-Type: multipart/mixed; boundary=b\r\nFrom: a@b.example\r\n\r\n"
    + b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" * 500,
])  # fmt: skip
def test_no_mail_is_too_odd_to_be_answered(raw: bytes) -> None:
    assert postal_mail(raw).send().status_code in (200, 400)


def test_a_mail_whose_ticket_cannot_be_written_is_not_kept_either() -> None:
    make_contact(make_account())

    def fails(**_: Any) -> None:
        raise Unavailable("no ticket today")

    signals.message_received.connect(fails)
    try:
        assert postal_mail(mail()).send().status_code == 500
    finally:
        signals.message_received.disconnect(fails)
    assert (InboundMessage.objects.count(), ProviderEvent.objects.count()) == (0, 0)
    assert postal_mail(mail()).send().status_code == 200
    assert InboundMessage.objects.count() == 1


def test_what_a_provider_forwards_without_a_signature_is_refused(settings: Any) -> None:
    settings.EMAIL_PROVIDER = "sendgrid"
    call = postal_mail(mail())
    answer = call.send(path="/callbacks/email/sendgrid/inbound/")
    assert (answer.status_code, answer.content[:13]) == (403, b"Not taken in:")
    settings.EMAIL_PROVIDER = "postal"
    assert call.send(body=call.body.replace(b"ann@", b"bob@")).status_code == 403
    assert not InboundMessage.objects.exists()


def test_the_mark_is_the_notices_own() -> None:
    account = make_account()
    make_contact(account)
    first, second = written_to(account, days_ago=2), written_to(account, days_ago=1)
    assert token_of(first.pk) != token_of(second.pk)
    assert arrives(mail(References=f"{message_id(first.pk)} {message_id(second.pk)}")).notice == second
