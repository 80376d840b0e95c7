"""The back office's screens of the billing room: money is read, and moved only by operations."""

from decimal import Decimal

import pytest
from django.urls import reverse

from invoicing.models import BillingParameters, Charge, Invoice, LedgerEntry, Payment
from tests.backoffice import broken_pages, make_everything, screens_of, staff_client

pytestmark = pytest.mark.django_db


def test_every_page_of_every_model_opens() -> None:
    make_everything()
    assert broken_pages(staff_client(), screens_of("invoicing")) == []


@pytest.mark.parametrize("name", ["invoice", "payment", "ledgerentry", "charge", "paymentattempt", "billingrun"])
def test_money_is_neither_added_nor_changed_nor_deleted_by_hand(name: str) -> None:
    client = staff_client()
    make_everything()
    from django.apps import apps

    row = apps.get_model("invoicing", name).objects.first()
    assert client.get(reverse(f"admin:invoicing_{name}_add")).status_code == 403
    assert client.post(reverse(f"admin:invoicing_{name}_change", args=[row.pk]), {}).status_code == 403
    assert client.get(reverse(f"admin:invoicing_{name}_delete", args=[row.pk])).status_code == 403


def test_an_invoice_is_written_off_with_a_reason() -> None:
    client = staff_client()
    make_everything()
    invoice = Invoice.objects.get()
    address = reverse("admin:invoicing_invoice_write_off", args=[invoice.pk])
    assert client.get(address).status_code == 200
    assert client.post(address, {"reason_code": "goodwill", "reason": "moved abroad"}).status_code == 303
    invoice.refresh_from_db()
    assert (invoice.state, invoice.remaining) == ("written_off", Decimal("0.00"))
    assert "no" in client.post(address, {"reason_code": "goodwill", "reason": "again"}).content.decode()


def test_a_credit_note_lowers_what_is_unpaid() -> None:
    client = staff_client()
    make_everything()
    invoice = Invoice.objects.get()
    before = invoice.remaining
    address = reverse("admin:invoicing_invoice_credit", args=[invoice.pk])
    assert (
        client.post(address, {"amount": "5.00", "reason_code": "goodwill", "reason": "two days down"}).status_code
        == 303
    )
    invoice.refresh_from_db()
    assert invoice.remaining == before - 5
    assert LedgerEntry.objects.filter(kind="credit_note", reason__contains="two days down").exists()


def test_a_payment_is_reversed_with_a_reason() -> None:
    client = staff_client()
    make_everything()
    payment = Payment.objects.get(reference="P-1")
    response = client.post(reverse("admin:invoicing_payment_reverse_it", args=[payment.pk]), {"why": "bounced"})
    assert response.status_code == 303
    payment.refresh_from_db()
    assert payment.reversed_why == "bounced"


def test_a_fee_is_waived_and_a_second_time_is_refused_in_words() -> None:
    client = staff_client()
    make_everything()
    charge = Charge.objects.get(kind="late_fee")
    address = reverse("admin:invoicing_charge_waive", args=[charge.pk])
    assert client.post(address, {"reason_code": "goodwill", "reason": "our own error"}).status_code == 303
    charge.refresh_from_db()
    assert charge.waived_why == "goodwill: our own error"
    again = client.post(address, {"reason_code": "goodwill", "reason": "again"})
    assert again.status_code == 200
    assert "desk-error" in again.content.decode()


def test_the_next_bill_date_moves_with_a_reason() -> None:
    client, account = staff_client(), make_everything()
    parameters = BillingParameters.objects.get(account=account)
    response = client.post(
        reverse("admin:invoicing_billingparameters_move_date", args=[parameters.pk]),
        {"next_bill_on": "2026-03-01", "reason": "asked for it"},
    )
    assert response.status_code == 303, response.content.decode()[-3000:]
    parameters.refresh_from_db()
    assert str(parameters.next_bill_on) == "2026-03-01"
