"""The portal's pages about money: what they say, what they refuse, and how small they are."""

import re
import uuid
from datetime import date, timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account
from billing_project.kernel import clock
from delinquency.models import Case, Standing
from invoicing.models import Invoice, LedgerEntry, Payment, PaymentAttempt, SandboxCharge
from invoicing.operations.adjust import freeze_invoice
from invoicing.operations.payments import record_payment
from tests.backoffice import NOON, make_customer, make_invoice, make_version
from tests.factories import make_source
from tests.portal import come_in

pytestmark = pytest.mark.django_db
SMALL = 14 * 1024


@pytest.fixture(autouse=True)
def noon() -> Any:
    with clock.at(NOON + timedelta(days=1)):
        yield


@pytest.fixture
def account() -> Account:
    """Make a customer whose line is slowed over 100.00 and who owes 50.00 more, not yet due."""
    made = make_customer("20001", make_version(), delinquent=True)
    make_invoice(made, "B-20001", due_on=date(2026, 2, 16), amount="50.00")
    Case.objects.create(account=made, number=1, opened_on=date(2026, 1, 21), stage_since_at=NOON)
    # All of it has been looked at.
    Standing.objects.filter(account=made).update(ledger_seen=LedgerEntry.objects.latest("pk").pk)
    return made


@pytest.fixture
def client(account: Account) -> Client:
    """Return a browser that came in by the account's link."""
    return customer_of(account)


def customer_of(account: Account) -> Client:
    made = Client()
    come_in(made, account)
    return made


def text_of(answer: Any) -> str:
    """Return what a page says, without its marks."""
    body = re.sub(r"<style.*?</style>", "", answer.content.decode(), flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def check(client: Client, account: Account, **form: Any) -> Any:
    source = account.funding_sources.first()
    return client.get(reverse("portal-check"), {"source": source.pk if source else "new", **form})


def fields(answer: Any) -> dict[str, str]:
    """Return the hidden fields of a page's paying form."""
    form = answer.content.decode().split(f'action="{reverse("portal-pay")}"')[1].split("</form>")[0]
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))


def test_home_says_what_is_owed_and_why_and_what_comes(client: Client) -> None:
    said = text_of(client.get(reverse("portal-home")))
    assert "Pay 100.00 USD with Visa •••• 4242" in said
    assert "Pay 100.00 USD with a new card" in said
    assert "Invoice A-20001 late , was due Jan. 16, 2026 100.00 USD" in said
    assert "Invoice B-20001 due Feb. 16, 2026 50.00 USD" in said
    assert "In all 150.00 USD" in said
    assert "At present nothing is charged by itself." in said


def test_the_check_page_says_before_paying_that_a_part_restores_nothing(client: Client, account: Account) -> None:
    said = text_of(check(client, account, amount="other", other="20"))
    assert "Paying 20.00 USD does not bring your service back; 100.00 USD does." in said
    assert "Invoice A-20001 80.00 USD stays unpaid 20.00 USD" in said
    assert "You still owe after it 130.00 USD" in said
    assert "from Visa •••• 4242" in said
    assert not PaymentAttempt.objects.exists()


def test_the_check_page_says_that_enough_restores_and_what_else_it_pays(client: Client, account: Account) -> None:
    said = text_of(check(client, account, amount="other", other="$120"))
    assert "This payment brings your service back, usually within a minute." in said
    assert "Invoice A-20001 paid in full 100.00 USD" in said
    assert "Invoice B-20001 30.00 USD stays unpaid 20.00 USD" in said


def test_what_is_checked_is_then_paid(client: Client, account: Account) -> None:
    form = fields(check(client, account, amount="other", other="20,00"))
    done = client.post(reverse("portal-pay"), form, follow=True)
    assert "Thank you. Your payment was received." in text_of(done)
    assert "Invoice A-20001 80.00 USD stays unpaid 20.00 USD" in text_of(done)
    assert "You still owe 130.00 USD in all." in text_of(done)
    assert Payment.objects.get().amount == Decimal("20.00")


def test_an_invoice_can_be_paid_before_older_ones_and_the_page_says_what_that_does_not_do(
    client: Client, account: Account
) -> None:
    newer = Invoice.objects.get(number="B-20001")
    assert "Pay this invoice" in text_of(client.get(reverse("portal-invoice", args=[newer.public_id])))
    answer = check(client, account, amount="invoice", about=newer.public_id)
    assert "Paying 50.00 USD does not bring your service back; 100.00 USD does." in text_of(answer)
    client.post(reverse("portal-pay"), fields(answer))
    assert dict(Invoice.objects.values_list("number", "remaining")) == {"A-20001": 100, "B-20001": 0}


def test_a_disputed_invoice_is_not_offered_and_not_taken(client: Client, account: Account) -> None:
    invoice = Invoice.objects.get(number="B-20001")
    freeze_invoice(invoice=invoice, frozen=True)
    said = text_of(client.get(reverse("portal-invoice", args=[invoice.public_id])))
    assert "This invoice is disputed." in said
    assert "Pay this invoice" not in said
    answer = check(client, account, amount="invoice", about=invoice.public_id)
    assert (answer.status_code, "This invoice is disputed." in text_of(answer)) == (400, True)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ("", "Please write the amount"), ("0", "at least 0.01"), ("-5", "at least 0.01"),
        ("10.005", "10.00 or 10005.00"), ("10.0055", "two digits for the cents"), ("1e5", "not an amount"),
        ("151", "You owe 150.00 USD in all, and this is 151.00"), ("€20", "this amount is in EUR"),
        ("20 EUR", "this amount is in EUR"), ("1,234", "1.23 or 1234.00"), ("<b>", "not an amount"),
    ],
)  # fmt: skip
def test_what_cannot_be_paid_is_told_at_its_field_and_nothing_is_done(
    client: Client, account: Account, other: str, words: str
) -> None:
    answer = check(client, account, amount="other", other=other)
    body = answer.content.decode()
    assert answer.status_code == 400
    assert words in text_of(answer)
    assert 'role="alert"' in body
    assert 'aria-invalid="true" aria-describedby="wrong"' in body
    posted = client.post(
        reverse("portal-pay"),
        {"amount": "other", "other": other, "source": account.funding_sources.get().pk, "once": uuid.uuid4()},
    )
    assert (posted.status_code, words in text_of(posted)) == (409, True)
    assert not PaymentAttempt.objects.exists()


def test_an_amount_chosen_and_another_one_written_is_asked_about(client: Client, account: Account) -> None:
    answer = check(client, account, amount="100.00", other="20")
    assert (answer.status_code, "You chose 100.00 and wrote 20.00." in text_of(answer)) == (400, True)
    assert check(client, account, amount="100.00", other="100").status_code == 200
    assert check(client, account, amount="100.00", other="1,234").status_code == 200


def test_a_card_number_typed_as_an_amount_is_not_shown_again(client: Client, account: Account) -> None:
    body = check(client, account, amount="other", other="4242424242424242").content.decode()
    assert "4242424242424242" not in body


def test_a_card_that_is_gone_or_somebody_elses_is_told_the_same_way(client: Client, account: Account) -> None:
    answer = check(client, account, amount="other", other="20")
    other = make_source(make_customer("20002", make_version()), rank=3, token="tok_other")
    for source in (other.pk, 99999, "x"):
        found = client.post(reverse("portal-pay"), {**fields(answer), "source": source})
        assert (found.status_code, "This card is not stored any more" in text_of(found)) == (404, True)
    account.funding_sources.all().delete()
    found = client.post(reverse("portal-pay"), fields(answer))
    assert "This card is not stored any more" in text_of(found)
    assert not PaymentAttempt.objects.exists()


def test_what_was_paid_meanwhile_is_told_and_looked_at_again(client: Client, account: Account) -> None:
    form = fields(check(client, account, amount="100.00"))
    record_payment(account=account, reference="cash", amount=Decimal("30.00"), received_at=NOON)
    answer = client.post(reverse("portal-pay"), form)
    assert answer.status_code == 409
    assert "What you owe has changed since you looked. Nothing was charged" in text_of(answer)
    assert not SandboxCharge.objects.exists()
    client.post(reverse("portal-pay"), fields(answer))
    assert SandboxCharge.objects.count() == 1


def test_all_paid_meanwhile_by_cash_charges_nothing(client: Client, account: Account) -> None:
    form = {"amount": "100.00", "source": account.funding_sources.get().pk, "once": uuid.uuid4()}
    record_payment(account=account, reference="cash", amount=Decimal("150.00"), received_at=NOON)
    answer = client.post(reverse("portal-pay"), form)
    assert "Nothing is owed any more, so nothing was charged." in text_of(answer)
    assert not SandboxCharge.objects.exists()


def test_the_back_button_after_paying_shows_the_same_receipt(client: Client, account: Account) -> None:
    form = fields(check(client, account, amount="other", other="20"))
    first = client.post(reverse("portal-pay"), form)
    again = client.post(reverse("portal-pay"), form)
    assert first.headers["Location"] == again.headers["Location"]
    assert SandboxCharge.objects.count() == 1


def test_nobody_elses_invoice_can_be_named_or_seen(client: Client, account: Account) -> None:
    other = make_invoice(make_customer("20002", make_version()), "C-1")
    assert client.get(reverse("portal-invoice", args=[other.public_id])).status_code == 404
    answer = check(client, account, amount="invoice", about=other.public_id)
    assert "C-1" not in text_of(answer)
    assert "not open any more" in text_of(answer)
    form = {**fields(check(client, account, amount="other", other="20")), "invoice": str(other.public_id)}
    assert client.post(reverse("portal-pay"), form).status_code == answer.status_code == 404
    assert not PaymentAttempt.objects.exists()


def test_a_long_list_has_older_pages_and_every_page_is_small(client: Client, account: Account) -> None:
    for place in range(45):
        make_invoice(account, f"OLD-{place:06d}", due_on=date(2019, 1, 16), amount="1234.56")
        record_payment(account=account, reference=f"p-{place}", amount=Decimal("1234.56"), received_at=NOON)
    for name, rows in (("portal-bills", 47), ("portal-receipts", 45)):
        seen, where = 0, reverse(name)
        for _ in range(4):
            answer = client.get(where)
            body = answer.content.decode()
            assert len(answer.content) <= SMALL, where
            seen += len(re.findall(r'<a href="/portal/(?:invoice|receipt)/[-0-9a-f]{36}/">', body))
            older = re.search(r'href="(\?from=\d+)">Older', body)
            if older is None:
                break
            where = reverse(name) + older[1]
        assert seen == rows
    assert client.get(reverse("portal-bills"), {"from": "-1"}).status_code == 200
    assert client.get(reverse("portal-bills"), {"from": "9" * 60}).status_code == 200
    assert len(client.get(reverse("portal-home")).content) <= SMALL


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_page_is_small_has_one_heading_and_speaks_one_language(
    client: Client, account: Account, language: str
) -> None:
    client.post(reverse("portal-language"), {"language": language})
    card = account.funding_sources.get()
    paid = record_payment(account=account, reference="cash", amount=Decimal("30.00"), received_at=NOON)
    invoice = Invoice.objects.get(number="B-20001")
    pages = [
        reverse("portal-home"), reverse("portal-pay"), reverse("portal-bills"), reverse("portal-receipts"),
        reverse("portal-cards"), reverse("portal-card-remove", args=[card.pk]),
        reverse("portal-invoice", args=[invoice.public_id]), reverse("portal-receipt", args=[paid.public_id]),
        reverse("portal-check") + f"?amount=100.00&source={card.pk}",
        reverse("portal-check") + "?amount=other&other=1,234&source=new",
    ]  # fmt: skip
    english = re.compile(r"\b(the|your|you|with|and|Pay|Home|Bills|Cards|Please)\b")
    for path in pages:
        answer = client.get(path)
        body = answer.content.decode()
        assert len(answer.content) <= SMALL, (path, len(answer.content))
        assert body.count("<h1>") == 1, path
        assert "<script" not in body
        if language == "es":
            assert not english.search(text_of(answer).replace("Customer", "")), (path, text_of(answer))
