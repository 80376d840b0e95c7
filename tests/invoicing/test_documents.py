"""What stands on an invoice and a receipt, in which words, and that the same facts make the same bytes."""

import subprocess
import sys
from dataclasses import replace
from datetime import date
from decimal import Decimal
from hashlib import sha256

import pytest

from invoicing.documents.facts import Move, Movement, ageing_of
from invoicing.documents.pages import invoice_page
from invoicing.documents.paper import paper_for
from invoicing.documents.typesetting import _fonts
from invoicing.documents.words import WORDS, Tongue
from tests.house.tree import ROOT
from tests.invoicing.papers import (
    CUSTOMER,
    OPERATOR,
    invoice,
    line,
    needs_pdftotext,
    pdf,
    receipt,
    said,
    squeezed,
    taxed,
)

D = Decimal
LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 3">'
    '<path d="M0 0h9v3z"/><text y="2" font-size="2">V</text></svg>'
)


def test_the_same_facts_make_the_same_bytes_in_this_process_and_in_another() -> None:
    facts = invoice(operator=replace(OPERATOR, logo=LOGO))
    code = (
        "import django, hashlib; django.setup()\n"
        "from dataclasses import replace\n"
        "from tests.invoicing.papers import OPERATOR, invoice, pdf\n"
        f"print(hashlib.sha256(pdf(invoice(operator=replace(OPERATOR, logo={LOGO!r})))).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    first, second = pdf(facts), pdf(facts)
    assert first == second
    assert other.stdout.strip() == sha256(first).hexdigest()


def test_a_document_is_dated_when_its_invoice_was_written_not_when_it_is_made() -> None:
    assert b"D:20260101050500" in pdf(invoice(stamp=1767243900))


def test_only_the_fonts_that_are_shipped_are_used() -> None:
    assert set(_fonts().families()) == {"Inter", "DejaVu Sans"}


def test_another_sum_makes_other_bytes() -> None:
    assert pdf(invoice()) != pdf(invoice(line(price="100.01")))


def test_the_fonts_are_ours_and_the_document_is_named_tagged_and_in_its_language() -> None:
    content = pdf(invoice(customer=replace(CUSTOMER, language="es")))
    assert b"Inter-Regular" in content
    assert b"/MarkInfo" in content
    assert b"<dc:language>" in content
    assert b">es<" in content
    assert b"pdfuaid" in content, "made to be read by screen readers"


@needs_pdftotext
def test_an_invoice_says_who_whom_what_how_much_and_until_when() -> None:
    text = said(pdf(invoice(line(), period=(date(2026, 1, 1), date(2026, 1, 31)))))
    for words in (
        "Valley Fibre", "1 Depot Road", "+15550100199", "Ann Example", "7 Elm Road", "VF-000123", "January 1, 2026",
        "January 1 – 31, 2026", "100.00 USD", "by January 16, 2026", "pay.valley.example/portal/link", "1001",
        "Page 1 of 1",
    ):  # fmt: skip
        assert words in text, words


@needs_pdftotext
def test_taxes_stand_by_name_and_rate_and_add_up() -> None:
    rows = (
        taxed("Internet", "86.80", ("State tax", "4", "3.12"), ("City tax", "4.875", "3.81"), discount=D("8.68")),
        taxed("Telephone", "24.00", ("State tax", "4", "0.96"), ("City tax", "4.875", "1.17")),
        line("Imported", "10.00", tax=D("0.50")),
    )
    text = said(pdf(invoice(*rows)))
    sums = dict(row.rsplit(maxsplit=1) for row in map(str.strip, text.splitlines()) if len(row.split()) > 1)
    assert sums["Subtotal"] == "112.12"
    assert sums["State tax 4 %"] == "4.08"
    assert sums["City tax 4.875 %"] == "4.98"
    assert sums["Tax"] == "0.50"
    assert sums["Total (USD)"] == "121.68"
    assert "−8.68" in text


@needs_pdftotext
def test_an_invoice_in_spanish_has_spanish_words_dates_and_decimals() -> None:
    text = said(pdf(invoice(line(price="1234.50"), customer=replace(CUSTOMER, language="es"))))
    for words in ("Factura", "1 de enero de 2026", "hasta el 16 de enero de 2026", "1 234,50 USD", "Página 1 de 1"):
        assert words in text, words
    assert "Invoice" not in text


@needs_pdftotext
def test_a_long_invoice_has_its_table_head_and_page_number_on_every_page() -> None:
    content = pdf(invoice(*(line(f"Line {number:03d}", "1.00") for number in range(200))))
    pages = said(content).removesuffix("\f").split("\f")
    assert len(pages) > 4
    assert all(f"Page {number} of {len(pages)}" in page for number, page in enumerate(pages, 1))
    with_lines = [page for page in pages if "Line 0" in page or "Line 1" in page]
    assert all("Description" in page for page in with_lines)
    assert all(f"Line {number:03d}" in "".join(pages) for number in range(200))


STATES = {
    "paid": ("Paid in full on January 14, 2026.", "Thank you."),
    "void": ("This invoice was cancelled.", "VOID"),
    "written_off": ("no further payment", "Written off"),
}


@needs_pdftotext
@pytest.mark.parametrize("state", STATES)
def test_a_closed_invoice_says_so_and_asks_for_nothing(state: str) -> None:
    kind = {"paid": Move.PAYMENT, "void": Move.VOIDED, "written_off": Move.WRITTEN_OFF}[state]
    moved = Movement(on=date(2026, 1, 14), kind=kind, amount=D("-100.00"), reference="P-1")
    text = " ".join(said(pdf(invoice(state=state, remaining=D("0.00"), movements=(moved,)))).split())
    for words in (*STATES[state], "0.00 USD"):
        assert squeezed(words) in squeezed(text), words
    assert "How to pay" not in text


def test_a_disputed_invoice_asks_for_nothing_meanwhile() -> None:
    page = invoice_page(invoice(disputed=True))
    assert page["pay"] is None
    assert page["due"]["state"] == "In dispute"


def test_what_was_paid_and_credited_is_taken_off_what_is_due() -> None:
    moved = (
        Movement(on=date(2026, 1, 9), kind=Move.PAYMENT, amount=D("-60.00"), reference="P-1"),
        Movement(on=date(2026, 1, 10), kind=Move.RETURNED, amount=D("60.00"), reference="P-1"),
        Movement(on=date(2026, 1, 11), kind=Move.PAYMENT, amount=D("-30.00"), reference="P-2"),
        Movement(on=date(2026, 1, 12), kind=Move.CREDIT_NOTE, amount=D("-5.00")),
    )
    facts = invoice(movements=moved, remaining=D("65.00"))
    assert (facts.paid, facts.credited) == (D("30.00"), D("5.00"))
    page = invoice_page(facts)
    assert [row[:2] for row in page["totals"]] == [
        ["Total (USD)", "100.00"], ["Paid so far", "−30.00"], ["Credited", "−5.00"], ["Amount due (USD)", "65.00"],
    ]  # fmt: skip
    assert page["movements"][1] == ["January\u00a010, 2026", "Payment P-1 was returned", "60.00"]


@pytest.mark.parametrize(
    ("due_on", "column"),
    [
        ("2026-03-01", 0), ("2026-02-28", 1), ("2026-01-30", 1), ("2026-01-29", 2), ("2025-12-31", 2),
        ("2025-12-30", 3), ("2025-12-01", 3), ("2025-11-30", 4), ("2026-04-01", 0),
    ],
)  # fmt: skip
def test_the_ageing_box_counts_days_past_the_due_date(due_on: str, column: int) -> None:
    sums = ageing_of([(date.fromisoformat(due_on), D("7.00"))], date(2026, 3, 1))
    assert [place for place, amount in enumerate(sums) if amount] == [column]


@needs_pdftotext
def test_a_receipt_says_what_was_paid_how_and_what_is_left() -> None:
    text = said(pdf(receipt()))
    for words in (
        "P-77", "January 14, 2026, 2:05 PM", "Visa ending in 4242", "150.00 USD", "VF-000123", "144.10",
        "Kept as your credit", "You had 5.90 USD of credit.",
    ):  # fmt: skip
        assert words in text, words


@needs_pdftotext
def test_a_returned_payment_is_marked_on_its_receipt() -> None:
    text = " ".join(said(pdf(receipt(returned_on=date(2026, 1, 20)))).split())
    assert squeezed("returned on January 20, 2026") in squeezed(text)
    assert "Thank you" not in text


@pytest.mark.parametrize(
    ("method", "card", "words"),
    [
        ("cash", None, "Cash"), ("cheque", None, "Check"), ("transfer", None, "Bank transfer"), ("card", None, "Card"),
        ("bank", ("", "6789"), "Bank debit, account ending in 6789"), ("barter", None, "barter"),
    ],
)  # fmt: skip
def test_the_method_of_a_payment_is_told_in_words(method: str, card: tuple[str, str] | None, words: str) -> None:
    from invoicing.documents.pages import receipt_page

    keys = dict(receipt_page(receipt(method=method, card=card))["keys"])
    assert keys["Paid by"].replace("\u200b", "") == words


@pytest.mark.parametrize(
    ("phone", "zone", "paper"),
    [
        ("+12125550123", "Europe/Berlin", "us-letter"), ("+493012345678", "America/New_York", "a4"),
        ("", "America/Chicago", "us-letter"), ("", "America/Sao_Paulo", "a4"), ("", "Asia/Manila", "us-letter"),
        ("call us", "Pacific/Auckland", "a4"), ("", "UTC", "a4"), ("", "US/Eastern", "us-letter"),
    ],
)  # fmt: skip
def test_the_paper_follows_the_country(phone: str, zone: str, paper: str) -> None:
    assert paper_for(phone, zone) == paper


def test_both_languages_have_all_words_and_the_same_values_in_them() -> None:
    import re

    english, spanish = WORDS["en"], WORDS["es"]
    assert english.keys() == spanish.keys()
    for key, words in english.items():
        assert set(re.findall(r"{\w+}", words)) == set(re.findall(r"{\w+}", spanish[key])), key


def test_values_are_put_into_words_as_they_are() -> None:
    assert Tongue("en").say("pay_call", phone="{number}\\1") == "Questions? Call {number}\\1."
