"""Where documents are got: the portal, for the session's account alone; the back office, one or many."""

import io
import uuid
import zipfile
from datetime import date
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account
from billing_project.kernel.errors import Refused
from invoicing.documents import bundle as bundling
from invoicing.documents import making
from invoicing.documents.bundle import Part
from invoicing.models import Invoice, Payment
from invoicing.operations.payments import record_payment
from tests.backoffice import make_everything, make_invoice, staff_client
from tests.factories import instant, make_account, make_contact, make_staff
from tests.portal import come_in

pytestmark = pytest.mark.django_db


def entered(account: Account) -> Client:
    """Return a browser that came in by the account's link."""
    client = Client()
    come_in(client, account)
    return client


@pytest.fixture
def account() -> Account:
    """Make a customer with an invoice and a payment."""
    made = make_account()
    make_contact(made)
    make_invoice(made, 'A/1 "x"')
    record_payment(
        account=made, reference="../P 1", amount=Decimal("40.00"), received_at=instant("2026-01-10 12:00")
    )  # fmt: skip
    return made


def addresses(account: Account) -> list[str]:
    """Return the addresses of the account's documents."""
    invoice, payment = Invoice.objects.get(account=account), Payment.objects.get(account=account)
    return [
        reverse("portal-invoice-pdf", args=[invoice.public_id]),
        reverse("portal-receipt-pdf", args=[payment.public_id]),
    ]


def test_a_customer_saves_an_invoice_and_a_receipt_under_clean_names(account: Account) -> None:
    client = entered(account)
    for address, name in zip(addresses(account), ("invoice-A-1-x.pdf", "receipt-P-1.pdf"), strict=True):
        answer = client.get(address)
        assert answer.content.startswith(b"%PDF-")
        assert answer.headers["Content-Type"] == "application/pdf"
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "no-store" in answer.headers["Cache-Control"]
        assert client.post(address).status_code == 405


def test_the_pages_of_an_invoice_and_a_receipt_link_to_their_pdf(account: Account) -> None:
    client = entered(account)
    for address in addresses(account):
        answer = client.get(address.removesuffix("pdf/")).content.decode()
        assert f'href="{address}"' in answer
        assert "Download as PDF" in answer


def test_a_document_is_in_the_language_chosen_in_the_portal(account: Account) -> None:
    client = entered(account)
    client.post(reverse("portal-language"), {"language": "es", "back": "/portal/"})
    answer = client.get(addresses(account)[0])
    assert "factura-A-1-x.pdf" in answer.headers["Content-Disposition"]
    assert b">es<" in answer.content


def test_the_documents_of_others_do_not_exist_and_nobody_gets_one_without_a_session(account: Account) -> None:
    stranger = make_account()
    client = entered(stranger)
    for address in addresses(account):
        assert client.get(address).status_code == 404
        assert Client().get(address).headers["Location"] == reverse("portal-link")
    assert client.get(reverse("portal-invoice-pdf", args=[uuid.uuid4()])).status_code == 404


def refuse(*_args: object, **_named: object) -> bytes:
    """Refuse to set a document."""
    raise Refused("document_failed", "no room")


def test_a_customer_is_told_kindly_when_a_document_cannot_be_made(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "typeset", refuse)
    answer = entered(account).get(addresses(account)[0])
    assert answer.status_code == 503
    words = answer.content.decode()
    assert "cannot be made just now" in words
    assert "no room" not in words


def test_staff_get_one_document_from_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    make_everything()
    client = staff_client()
    invoice, payment = Invoice.objects.get(), Payment.objects.get(reference="P-1")
    for name, row in (("invoice", invoice), ("payment", payment)):
        address = reverse(f"admin:invoicing_{name}_pdf", args=[row.pk])
        assert address in client.get(reverse(f"admin:invoicing_{name}_change", args=[row.pk])).content.decode()
        answer = client.get(address)
        assert answer.content.startswith(b"%PDF-")
        assert client.get(reverse(f"admin:invoicing_{name}_pdf", args=[10**6])).status_code == 404
        with monkeypatch.context() as patch:
            patch.setattr(making, "typeset", refuse)
            told = client.get(address, follow=True)
        assert "staff have been told" in told.content.decode()


def test_staff_who_may_not_see_invoices_get_no_document() -> None:
    make_everything()
    client = Client()
    client.force_login(make_staff("door", "view_account"))
    assert client.get(reverse("admin:invoicing_invoice_pdf", args=[Invoice.objects.get().pk])).status_code == 403


def test_the_documents_of_the_chosen_come_as_one_zip(account: Account) -> None:
    make_invoice(account, "A-1-x", due_on=date(2026, 2, 16))
    rows = Invoice.objects.filter(account=account)
    answer = staff_client().post(
        reverse("admin:invoicing_invoice_changelist"),
        {"action": "pdfs_of_chosen", "_selected_action": [row.pk for row in rows]},
    )
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.streaming
    with zipfile.ZipFile(io.BytesIO(b"".join(answer))) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == ["invoice-A-1-x-2.pdf", "invoice-A-1-x.pdf"]
        assert all(archive.read(name).startswith(b"%PDF-") for name in archive.namelist())


def test_too_many_at_once_are_refused_in_words(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    from invoicing.admin import documents

    monkeypatch.setattr(documents, "ROWS_MAX", 0)
    answer = staff_client().post(
        reverse("admin:invoicing_invoice_changelist"),
        {"action": "pdfs_of_chosen", "_selected_action": [Invoice.objects.get(account=account).pk]},
        follow=True,
    )
    assert "Choose at most 0 rows" in answer.content.decode()


def test_a_bundle_is_made_piece_by_piece_names_what_failed_and_is_the_same_again() -> None:
    made: list[str] = []

    def make(name: str) -> bytes:
        made.append(name)
        return name.encode() if name != "bad" else refuse()

    parts = [Part(f"{name}.pdf", date(1970, 1, 2), lambda name=name: make(name)) for name in ("a", "bad", "b")]
    pieces = bundling.bundle(iter(parts))
    first = next(pieces)
    assert made == ["a"], "the next one is made only when this one was taken"
    whole = first + b"".join(pieces)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert archive.namelist() == ["a.pdf", "b.pdf", bundling.FAILED_NAME]
        assert b"bad.pdf: no room" in archive.read(bundling.FAILED_NAME)
    assert b"".join(bundling.bundle(parts)) == whole
