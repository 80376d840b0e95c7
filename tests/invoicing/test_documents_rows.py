"""What a document reads from the books: lines, taxes, money that came and went, the account's age."""

from decimal import Decimal
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, Attention
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from invoicing.documents import invoice_pdf, making, receipt_pdf
from invoicing.documents.facts import Move
from invoicing.documents.reading import invoice_facts, operator_of, receipt_facts
from invoicing.models import Invoice, InvoiceLine, Tax
from invoicing.operations import adjust
from invoicing.operations.payments import record_payment, reverse_payment
from tests.backoffice import make_invoice
from tests.factories import bill_by, instant, make_account, make_contact, make_source
from tests.invoicing.helpers import tick
from tests.invoicing.test_documents_hostile import SVG, png

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def account() -> Account:
    """Make a customer who owes 100.00 since January 16 and 50.00 since February 16."""
    made = make_account(number="1001", address="7 Elm Road")
    make_contact(made, language="es")
    from datetime import date

    make_invoice(made, "A-1")
    make_invoice(made, "A-2", due_on=date(2026, 2, 16), amount="50.00")
    return made


def pay(account: Account, local: str, amount: str, reference: str = "P-1", **fields: object) -> object:
    """Record a payment at a local time."""
    with clock.at(instant(local)) as at:
        return record_payment(
            account=account, reference=reference, amount=D(amount), received_at=at, **fields  # type: ignore[arg-type]
        )  # fmt: skip


def test_a_billed_line_keeps_the_taxes_it_is_made_of() -> None:
    account = make_account()
    bill_by(account, "2026-01-01", price="50.00")
    item = account.subscriptions.get().item
    item.taxes.add(
        Tax.objects.create(name="State", percent=D("8.875")), Tax.objects.create(name="City", percent=D("1.25"))
    )
    tick("2026-01-01 00:05")
    kept = InvoiceLine.objects.get()
    assert kept.taxes == [["State", "8.875", "4.44"], ["City", "1.25", "0.63"]]
    Tax.objects.update(percent=D("20"))
    (line,) = invoice_facts(kept.invoice_id).lines
    assert [(share.name, share.percent, share.amount) for share in line.taxes] == [
        ("State", "8.875", D("4.44")), ("City", "1.25", D("0.63")),
    ]  # fmt: skip


def test_the_facts_of_an_invoice_are_those_of_its_rows(account: Account) -> None:
    facts = invoice_facts(Invoice.objects.get(number="A-1").pk)
    assert (facts.number, facts.amount, facts.remaining, facts.state) == ("A-1", D("100.00"), D("100.00"), "open")
    assert (facts.customer.name, facts.customer.contact, facts.customer.language) == (account.name, "Ann Example", "es")
    assert [row.description for row in facts.lines] == ["Internet"]
    assert invoice_facts(Invoice.objects.get(number="A-1").pk, "en").customer.language == "en"
    assert facts.operator.portal_url.endswith("/portal/link/"), "where one asks for a link; nobody's own link"


def test_money_on_an_invoice_is_told_movement_by_movement(account: Account) -> None:
    invoice = Invoice.objects.get(number="A-1")
    first = pay(account, "2026-01-10 23:30", "60.00")
    reverse_payment(payment=first, why="bounced", at=instant("2026-01-12 10:00"))  # type: ignore[arg-type]
    pay(account, "2026-01-13 10:00", "30.00", "P-2")
    with clock.at(instant("2026-01-14 09:00")):
        adjust.credit_note(invoice=invoice, amount=D("5.00"), reason="two days down")
    facts = invoice_facts(invoice.pk)
    assert [(str(row.on), row.kind, row.reference, row.amount) for row in facts.movements] == [
        ("2026-01-10", Move.PAYMENT, "P-1", D("-60.00")),
        ("2026-01-12", Move.RETURNED, "P-1", D("60.00")),
        ("2026-01-13", Move.PAYMENT, "P-2", D("-30.00")),
        ("2026-01-14", Move.CREDIT_NOTE, "", D("-5.00")),
    ]
    assert (facts.paid, facts.credited, facts.remaining) == (D("30.00"), D("5.00"), D("65.00"))


def test_voiding_a_paid_invoice_shows_where_the_money_went(account: Account) -> None:
    invoice = Invoice.objects.get(number="A-1")
    pay(account, "2026-01-10 12:00", "100.00")
    with clock.at(instant("2026-01-14 09:00")):
        adjust.void_invoice(invoice=invoice, why="twice")
    facts = invoice_facts(invoice.pk)
    assert [(row.kind, row.amount) for row in facts.movements][1:] in (
        [(Move.RELEASED, D("100.00")), (Move.VOIDED, D("-100.00"))],
        [(Move.VOIDED, D("-100.00")), (Move.RELEASED, D("100.00"))],
    )
    assert (facts.state, facts.paid, facts.remaining) == ("void", D("0.00"), D("0.00"))


def test_the_ageing_box_is_as_of_the_invoice_date_whatever_comes_later(account: Account) -> None:
    second = Invoice.objects.get(number="A-2")
    before = invoice_facts(second.pk).ageing
    assert before == (D("50.00"), D("100.00"), D("0.00"), D("0.00"), D("0.00"))
    pay(account, "2026-02-10 12:00", "100.00")
    assert invoice_facts(second.pk).ageing == before
    assert invoice_facts(Invoice.objects.get(number="A-1").pk).ageing[0] == D("100.00")


def test_a_receipt_tells_what_was_paid_kept_and_owed_after(account: Account) -> None:
    source = make_source(account)
    payment = pay(account, "2026-02-10 14:05", "160.00", method="card", funding_source=source)
    facts = receipt_facts(payment.pk)  # type: ignore[attr-defined]
    assert [(row.number, row.amount) for row in facts.settled] == [("A-1", D("100.00")), ("A-2", D("50.00"))]
    assert (facts.credit_left, facts.balance_after, facts.card) == (D("10.00"), D("-10.00"), ("Visa", "4242"))
    assert str(facts.received_at) == "2026-02-10 14:05:00", "in the account's own time"
    with clock.at(instant("2026-02-11 09:00")):
        adjust.refund(payment=payment, amount=D("4.00"), why="asked for it")  # type: ignore[arg-type]
    facts = receipt_facts(payment.pk)  # type: ignore[attr-defined]
    assert (facts.refunded, facts.credit_left, facts.balance_after) == (D("4.00"), D("6.00"), D("-10.00"))


def test_a_receipt_of_a_returned_payment_still_tells_what_it_had_paid(account: Account) -> None:
    payment = pay(account, "2026-02-10 14:05", "100.00")
    reverse_payment(payment=payment, why="bounced", at=instant("2026-02-20 23:00"))  # type: ignore[arg-type]
    facts = receipt_facts(payment.pk)  # type: ignore[attr-defined]
    assert str(facts.returned_on) == "2026-02-20"
    assert [(row.number, row.amount) for row in facts.settled] == [("A-1", D("100.00"))]


def test_reading_asks_the_same_few_questions_however_much_there_is(account: Account) -> None:
    from django.db import connection

    invoice = Invoice.objects.get(number="A-1")
    with CaptureQueriesContext(
        connection,
    ) as few:
        invoice_pdf(invoice.pk)
    for day in range(10, 25):
        pay(account, f"2026-01-{day} 12:00", "1.00", f"P-{day}")
    with CaptureQueriesContext(connection) as many:
        invoice_pdf(invoice.pk)
    assert len(few) == len(many) <= 7


@pytest.fixture
def media(settings: object, tmp_path: Path) -> Path:
    """Keep uploads in a folder of the test."""
    settings.MEDIA_ROOT = tmp_path  # type: ignore[attr-defined]
    return tmp_path


def test_a_good_logo_is_printed_and_a_broken_or_missing_one_is_left_out(account: Account, media: Path) -> None:
    company = account.company
    invoice_id = Invoice.objects.get(number="A-1").pk
    plain = invoice_pdf(invoice_id)
    company.logo.save("logo.svg", ContentFile(SVG.format('<path d="M0 0h4v4z"/>').encode()))
    assert operator_of(company).logo
    assert len(invoice_pdf(invoice_id)) > len(plain)
    for broken in (png()[:-20], b"no picture", SVG.format("<script/>").encode()):
        company.logo.save("logo.png", ContentFile(broken))
        assert operator_of(company).logo == ""
        assert invoice_pdf(invoice_id).startswith(b"%PDF-")
    (media / company.logo.name).unlink()
    assert operator_of(company).logo == ""
    assert invoice_pdf(invoice_id) == plain


def test_a_document_that_fails_is_told_to_staff_once_and_over_when_it_works(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = pay(account, "2026-02-10 14:05", "100.00")
    invoice_id = Invoice.objects.get(number="A-1").pk

    def fail(*_args: object, **_named: object) -> bytes:
        raise Refused("document_failed", "no room")

    with monkeypatch.context() as patch:
        patch.setattr(making, "typeset", fail)
        for _ in range(2):
            with pytest.raises(Refused, match="staff have been told"):
                invoice_pdf(invoice_id)
        with pytest.raises(Refused):
            receipt_pdf(payment.pk)  # type: ignore[attr-defined]
    rows = Attention.objects.filter(code="document-failed", resolved_at=None, account=account)
    assert sorted(row.words.split(" could")[0] for row in rows) == [
        "The PDF of invoice A-1", "The PDF of the receipt of payment P-1",
    ]  # fmt: skip
    invoice_pdf(invoice_id)
    assert [row.key for row in rows.all()] == [f"payment:{payment.pk}"]  # type: ignore[attr-defined]
