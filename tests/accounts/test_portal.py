"""The customers' way in: links, the same answer for everybody, and one account at a time."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import translation

from accounts.access import account_from_token, make_link_token, send_link
from accounts.models import Account, Notice
from accounts.sign_in import answer_requests
from billing_project.kernel import clock
from tests.factories import instant, make_account, make_contact, make_source
from tests.portal import come_in

pytestmark = pytest.mark.django_db


def customer(account: Account) -> Client:
    """Return a browser that came in by the account's link."""
    client = Client()
    come_in(client, account)
    return client


def test_looking_at_a_link_opens_nothing_and_pressing_the_button_does() -> None:
    account, client = make_account(), Client()
    looked = client.get(reverse("portal-enter", args=[make_link_token(account)]), follow=True)
    assert "Open account" in looked.content.decode()
    assert client.get(reverse("portal-home")).headers["Location"] == reverse("portal-link")
    assert come_in(client, account) == "/portal/"
    assert client.get(reverse("portal-home")).status_code == 200


def test_a_forged_or_old_link_opens_nothing_and_offers_a_new_one() -> None:
    now = instant("2026-01-21 09:00")
    account, other = make_account(), make_account()
    with clock.at(now):
        token, others = make_link_token(account), make_link_token(other)
        assert account_from_token(token) == account
        foreign = ".".join([others.partition(".")[0], *token.split(".")[1:]])
        for forged in (token + "x", token[:-1], foreign, "", ".", "..", "a.b.c", token.upper(), "é.é.é", "1." * 50):
            assert account_from_token(forged) is None, forged
    with clock.at(now + timedelta(days=59, hours=23)):
        assert account_from_token(token) == account
    with clock.at(now + timedelta(days=60, minutes=1)):
        assert account_from_token(token) is None
    answer = Client().get(reverse("portal-enter", args=["forged"]))
    assert answer.status_code == 410
    assert "Send me a link" in answer.content.decode()


def test_asking_for_a_link_answers_the_same_for_known_and_unknown_accounts() -> None:
    account = make_account(number="7001")
    make_contact(account)
    answers = []
    for who in ("7001", "nobody", "ann@customer.example", "(555) 010-0123", "x" * 5000):
        answer = Client().post(reverse("portal-link"), {"who": who})
        answers.append((answer.status_code, answer.headers["Location"], answer.content))
    assert len(set(answers)) == 1
    assert Notice.objects.count() == 0, "who is meant is found out later"
    answer_requests()
    assert Notice.objects.filter(account=account, template="portal_link", channel="email").count() == 3


def test_a_link_letter_carries_the_link_in_the_contacts_language_and_only_three_go_out_an_hour() -> None:
    account = make_account()
    make_contact(account, language="es")
    assert [bool(send_link(account)) for _ in range(4)] == [True, True, True, False]
    letter = Notice.objects.filter(channel="email").first()
    assert letter is not None
    assert letter.subject == "Su enlace a Valley Fibre"
    link = re.search(r"http\S+/portal/enter/(\S+)/", letter.body)
    assert link is not None
    assert account_from_token(link[1]) == account


def test_a_link_is_never_sent_in_the_dark_without_an_address() -> None:
    assert send_link(make_account()) == []


def test_the_portals_pages_allow_no_script_and_are_kept_nowhere() -> None:
    client = customer(make_account())
    for name in ("portal-home", "portal-pay", "portal-link", "portal-garden"):
        answer = client.get(reverse(name))
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'nonce-")
        assert "script" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert "<script" not in answer.content.decode()
        nonce = re.search(r"nonce-([^']+)'", policy)
        assert nonce is not None
        assert f'nonce="{nonce[1]}"' in answer.content.decode()


def test_another_accounts_invoice_payment_and_card_do_not_exist_here() -> None:
    from decimal import Decimal

    from invoicing.models import Payment
    from invoicing.operations.payments import record_payment
    from tests.backoffice import make_invoice

    mine, other = make_account(number="8001"), make_account(number="8002")
    theirs, own = make_invoice(other, "O-1"), make_invoice(mine, "M-1")
    payment = record_payment(
        account=other, reference="P-8", amount=Decimal("10.00"), received_at=datetime(2026, 1, 20, tzinfo=UTC)
    )
    card = make_source(other)
    client = customer(mine)
    assert client.get(reverse("portal-invoice", args=[own.public_id])).status_code == 200
    assert client.get(reverse("portal-invoice", args=[theirs.public_id])).status_code == 404
    assert client.get(reverse("portal-receipt", args=[payment.public_id])).status_code == 404
    form = {"amount": "10.00", "source": card.pk, "once": "3f1f0c34-5a6d-4c1e-9d5b-2f3f0a1b2c3d"}
    assert client.post(reverse("portal-pay"), form).status_code == 404
    assert Payment.objects.count() == 1


def test_signing_out_closes_the_account() -> None:
    client = customer(make_account())
    client.post(reverse("portal-out"))
    assert client.get(reverse("portal-home")).headers["Location"] == reverse("portal-link")


def test_the_language_is_chosen_here_or_taken_from_the_contact() -> None:
    account = make_account()
    make_contact(account, language="es")
    client = customer(account)
    assert "Todo está pagado" in client.get(reverse("portal-home")).content.decode()
    back = client.post(reverse("portal-language"), {"language": "en", "back": "https://evil.example/"})
    assert back.headers["Location"] == reverse("portal-home")
    assert "Everything is paid" in client.get(reverse("portal-home")).content.decode()


def test_every_text_of_the_portal_has_a_spanish_one() -> None:
    missing = []
    pattern = re.compile(r'\{% translate "([^"]+)" %\}|blocktranslate[^%]*%\}(.*?)\{% endblocktranslate', re.DOTALL)
    for file in (Path(settings.BASE_DIR) / "templates" / "portal").glob("*.html"):
        for plain, block in pattern.findall(file.read_text(encoding="utf-8")):
            text = plain or re.sub(r"\{\{ (\w+) \}\}", r"%(\1)s", block)
            one, _plural, many = text.partition("{% plural %}")
            with translation.override("es"):
                told = translation.ngettext(one, many, 2) if many else translation.gettext(text)
                if told in (text, one, many) and text != "Total":
                    missing.append(f"{file.name}: {text}")
    assert missing == []


def test_a_link_is_short_enough_for_a_text_and_an_old_key_still_opens_it(settings: Any) -> None:
    account = make_account()
    token = make_link_token(account)
    assert len(token) <= 32
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another key"
    assert account_from_token(token) == account
    settings.SECRET_KEY_FALLBACKS = []
    assert account_from_token(token) is None
