"""The invoice goes with the letter of a new invoice, the receipt with that of a payment; files hold no letter back."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from accounts import signals
from accounts.models import Attention, Company, Notice, SimulatedMessage
from accounts.outreach.dispatch import dispatch_notices
from accounts.outreach.outbox import NoticeRequest, enqueue
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from invoicing import receivers
from invoicing.models import Invoice, Payment
from invoicing.operations.payments import record_payment
from tests.backoffice import make_invoice
from tests.factories import instant, make_account, make_contact, make_staff

pytestmark = pytest.mark.django_db

NOON = instant("2026-01-21 12:00")


@pytest.fixture(autouse=True)
def at_noon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(receivers, "invoice_pdf", lambda pk, language: f"invoice {pk} {language}".encode())
    monkeypatch.setattr(receivers, "receipt_pdf", lambda pk, language: f"receipt {pk} {language}".encode())
    with clock.at(NOON):
        yield


def bill(number: str = "INV-7") -> Invoice:
    account = make_account()
    make_contact(account)
    return make_invoice(account, number)


def write(invoice: Invoice, template: str, anchor: str, *channels: str) -> Notice:
    [notice] = enqueue(
        NoticeRequest(
            account_id=invoice.account_id, anchor_key=anchor, step_key=template, template=template, why="a test",
            channels=channels or ("email",), context={"amount_due": "100.00"},
        )
    )  # fmt: skip
    dispatch_notices(NOON + timedelta(minutes=1))
    notice.refresh_from_db()
    return notice


def test_the_letter_of_a_new_invoice_carries_it() -> None:
    invoice = bill()
    notice = write(invoice, "issued", f"invoice:{invoice.pk}")
    size = len(f"invoice {invoice.pk} en")
    assert notice.state == "accepted"
    assert notice.attached == [{"name": "invoice-INV-7.pdf", "bytes": size}]
    assert SimulatedMessage.objects.get().attached == notice.attached


def test_the_letter_of_a_payment_carries_its_receipt() -> None:
    invoice = bill()
    payment = record_payment(account=invoice.account, reference="P-7", amount=Decimal(5), received_at=NOON)
    notice = write(invoice, "paid", f"payment:{payment.pk}")
    assert [file["name"] for file in notice.attached] == ["receipt-P-7.pdf"]
    assert Payment.objects.count() == 1


def test_the_file_is_in_the_customers_language() -> None:
    invoice = bill()
    invoice.account.contacts.update(language="es")
    assert [file["name"] for file in write(invoice, "issued", f"invoice:{invoice.pk}").attached] == [
        "factura-INV-7.pdf"
    ]


@pytest.mark.parametrize("why", ["another letter", "a text", "switched off", "another's invoice"])
def test_nothing_goes_with(why: str) -> None:
    invoice = bill()
    if why == "switched off":
        Company.objects.update(attach_pdfs=False)
    anchor = bill("INV-8") if why == "another's invoice" else invoice
    notice = write(
        invoice, "past_due" if why == "another letter" else "issued", f"invoice:{anchor.pk}",
        "sms" if why == "a text" else "email",
    )  # fmt: skip
    assert (notice.state, notice.attached) == ("accepted", [])


def test_a_file_that_cannot_be_set_goes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pk: int, language: str) -> bytes:
        raise Refused("document_failed", "It cannot be set.")

    monkeypatch.setattr(receivers, "invoice_pdf", refuse)
    invoice = bill()
    notice = write(invoice, "issued", f"invoice:{invoice.pk}")
    assert (notice.state, notice.attached) == ("accepted", [])


def test_a_failure_that_nobody_thought_of_holds_no_letter_back_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*, notice_id: int, **_: object) -> None:
        raise RuntimeError("out of paper")

    signals.attachments_wanted.connect(fail)
    try:
        invoice = bill()
        notice = write(invoice, "issued", f"invoice:{invoice.pk}")
    finally:
        signals.attachments_wanted.disconnect(fail)
    assert notice.state == "accepted"
    assert [file["name"] for file in notice.attached] == ["invoice-INV-7.pdf"]
    assert "went without its PDF" in Attention.objects.get(code="attachment-failed").words


def test_staff_see_what_went_with_it() -> None:
    invoice = bill()
    notice = write(invoice, "issued", f"invoice:{invoice.pk}")
    client = Client()
    client.force_login(make_staff("boss", is_superuser=True))
    page = client.get(reverse("admin:accounts_notice_change", args=[notice.pk])).content.decode()
    assert "invoice-INV-7.pdf" in page
