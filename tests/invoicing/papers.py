"""Facts of documents for tests, and what a PDF says when it is read back."""

import shutil
import subprocess
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from invoicing.documents.facts import (
    Customer,
    InvoiceFacts,
    Operator,
    PrintedLine,
    ReceiptFacts,
    Settled,
    TaxShare,
)
from invoicing.documents.pages import invoice_page, receipt_page
from invoicing.documents.typesetting import typeset

PDFTOTEXT = shutil.which("pdftotext")
needs_pdftotext = pytest.mark.skipif(
    PDFTOTEXT is None, reason="pdftotext is not installed: apt-get install poppler-utils"
)

OPERATOR = Operator(
    name="Valley Fibre", address="1 Depot Road\nMillbridge", phone="+15550100199",
    portal_url="https://pay.valley.example/portal/link/",
)  # fmt: skip
CUSTOMER = Customer(name="Ann Example", number="1001", address="7 Elm Road\nMillbridge")


def line(description: str = "Internet", price: str = "100.00", **fields: Any) -> PrintedLine:
    """Return a line of an invoice."""
    return PrintedLine(description=description, unit_price=Decimal(price), **fields)


def taxed(description: str, price: str, *taxes: tuple[str, str, str], **fields: Any) -> PrintedLine:
    """Return a line with taxes: name, percent, amount."""
    shares = tuple(TaxShare(name, percent, Decimal(amount)) for name, percent, amount in taxes)
    total = sum((share.amount for share in shares), Decimal(0))
    return line(description, price, tax=total, taxes=shares, **fields)


def invoice(*lines: PrintedLine, **fields: Any) -> InvoiceFacts:
    """Return the facts of an open invoice of the lines, or of one line of 100.00."""
    printed = lines or (line(),)
    amount = sum((row.net + row.tax for row in printed), Decimal(0))
    values: dict[str, Any] = {
        "operator": OPERATOR, "customer": CUSTOMER, "number": "VF-000123", "issued_on": date(2026, 1, 1),
        "due_on": date(2026, 1, 16), "lines": printed, "amount": amount, "remaining": amount, "stamp": 1767243900,
    }  # fmt: skip
    return InvoiceFacts(**(values | fields))


def receipt(**fields: Any) -> ReceiptFacts:
    """Return the facts of a receipt over 150.00 by card, of which 5.90 is left as credit."""
    paid = Settled(
        number="VF-000123", issued_on=date(2026, 1, 1), due_on=date(2026, 1, 16), amount=Decimal("144.10")
    )  # fmt: skip
    values: dict[str, Any] = {
        "operator": OPERATOR, "customer": CUSTOMER, "reference": "P-77",
        "received_at": datetime(2026, 1, 14, 14, 5), "amount": Decimal("150.00"), "method": "card",
        "card": ("Visa", "4242"), "settled": (paid,), "credit_left": Decimal("5.90"),
        "balance_after": Decimal("-5.90"), "stamp": 1767243900,
    }  # fmt: skip
    return ReceiptFacts(**(values | fields))


def pdf(facts: InvoiceFacts | ReceiptFacts) -> bytes:
    """Return the PDF of facts."""
    if isinstance(facts, InvoiceFacts):
        return typeset("invoice", invoice_page(facts), stamp=facts.stamp, logo=facts.operator.logo)
    return typeset("receipt", receipt_page(facts), stamp=facts.stamp, logo=facts.operator.logo)


def said(content: bytes) -> str:
    """Return the text of a PDF in the order it was written, without the places at which a long word may break."""
    assert PDFTOTEXT is not None
    done = subprocess.run([PDFTOTEXT, "-raw", "-", "-"], input=content, capture_output=True, check=True)
    return done.stdout.decode().replace("\u200b", "").replace("\u00a0", " ")


def squeezed(text: str) -> str:
    """Return a text without any space, to be found however it was broken into lines."""
    return "".join(text.split())
