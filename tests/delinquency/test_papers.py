"""Invoices and receipts go out by e-mail with their PDF: once, true when they go, and only where wanted."""

from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.models import Contact, Notice, OutreachRules, SimulatedMessage
from accounts.outreach.dispatch import dispatch_notices
from delinquency.operations.papers import send_invoices, send_receipts
from invoicing.models import Invoice, Payment
from invoicing.operations.adjust import void_invoice
from invoicing.operations.payments import record_payment, reverse_payment
from tests.backoffice import make_invoice
from tests.factories import make_staff
from tests.worlds import Story, sonar

pytestmark = pytest.mark.django_db
RECEIPT, INVOICE = "payment_received", "invoice_issued"


def billed() -> Story:
    """Return a customer with one invoice of 2026-01-01, whose letter was not written yet."""
    story = Story(sonar(), first_bill_on="2026-01-01", sends=True)
    with story.now("2026-01-01 09:06"):
        story.days("2026-01-01", "2026-01-01")
    return story


def paid(story: Story, local: str, method: str = "card", **more: object) -> Payment:
    """Record a payment of 40.00."""
    with story.now(local) as at:
        made = record_payment(
            account=story.account, reference=f"P-{method}", amount=Decimal("40.00"), received_at=at, method=method,
            **more,  # type: ignore[arg-type]
        )  # fmt: skip
        send_receipts(at)
        return made


def letters(key: str) -> list[Notice]:
    """Return the letters of a kind, in order."""
    return list(Notice.objects.filter(step_key=key).order_by("pk"))


WAYS_IN = [("card", False, 1), ("bank", False, 1), ("cash", True, 1), ("cash", False, 0)]


@pytest.mark.parametrize(("method", "by_staff", "count"), WAYS_IN)
def test_a_receipt_goes_out_for_what_a_gateway_took_or_staff_recorded(method: str, by_staff: bool, count: int) -> None:
    story = billed()
    paid(story, "2026-01-10 12:00", method, by=make_staff("casey") if by_staff else None)
    assert len(letters(RECEIPT)) == count


def test_the_receipt_carries_its_pdf_and_says_what_is_left() -> None:
    story = billed()
    paid(story, "2026-01-10 12:00")
    with story.now("2026-01-10 12:01"):
        assert dispatch_notices()["accepted"] == 1
    sent = SimulatedMessage.objects.latest("pk")
    assert [row["name"].endswith(".pdf") for row in sent.attached] == [True]
    assert "40.00" in sent.body
    assert "60.00" in sent.body, "what remains open"


def test_a_receipt_of_a_payment_that_was_taken_back_stays_at_home() -> None:
    story = billed()
    payment = paid(story, "2026-01-10 22:00")
    with story.now("2026-01-10 22:10"):
        reverse_payment(payment=payment, why="R01")
    with story.now("2026-01-11 09:00"):
        dispatch_notices()
    assert [row.state in ("cancelled", "not_sent") for row in letters(RECEIPT)] == [True]


def test_a_new_invoice_goes_out_once_with_its_pdf_after_the_days_check() -> None:
    story = billed()
    with story.now("2026-01-01 09:20") as at:
        assert send_invoices(at) == 1
        assert send_invoices(at) == 0
        assert dispatch_notices() == {}, "after the check"
    with story.now("2026-01-01 09:31"):
        assert dispatch_notices()["accepted"] == 1
    sent = SimulatedMessage.objects.latest("pk")
    assert [row["name"].endswith(".pdf") for row in sent.attached] == [True]
    assert "100.00" in sent.body


@pytest.mark.parametrize(("days", "count"), [(1, 1), (2, 0)])
def test_an_invoice_of_days_ago_is_no_news(days: int, count: int) -> None:
    story = billed()
    with story.now("2026-01-01 10:00") as at:
        assert send_invoices(at + timedelta(days=days)) == count


def test_imported_paid_and_void_invoices_are_not_sent() -> None:
    story = billed()
    with story.now("2026-01-01 10:00") as at:
        make_invoice(story.account, "OLD-1")
        assert send_invoices(at) == 1, "the imported one is not"
        invoice = Invoice.objects.get(source=Invoice.Source.BILLING_RUN)
        void_invoice(invoice=invoice, why="twice")
        dispatch_notices()
    assert [row.state for row in letters(INVOICE)] != ["accepted"]


def test_a_company_may_leave_them_out_and_a_customer_without_e_mail_gets_none() -> None:
    story = billed()
    Contact.objects.update(email="")
    paid(story, "2026-01-10 12:00")
    Contact.objects.update(email="ann@customer.example")
    OutreachRules.objects.create(company=story.account.company, courtesies=["restored"])
    paid(story, "2026-01-10 12:00", "bank")
    assert letters(RECEIPT) == []


def test_a_step_of_the_policy_that_sends_the_invoice_is_enough() -> None:
    story = billed()
    with story.now("2026-01-01 09:20") as at:
        send_invoices(at)
        own = letters(INVOICE)[0]
        Notice.objects.create(
            account=story.account, contact=own.contact, anchor_key=own.anchor_key, step_key="new-bill", channel="email",
            template="issued", to_address=own.to_address, state="accepted", accepted_at=at,
        )  # fmt: skip
    with story.now("2026-01-01 09:40"):
        dispatch_notices()
    own.refresh_from_db()
    assert own.state in ("cancelled", "not_sent")
