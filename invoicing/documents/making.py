"""Make the PDF of an invoice or a payment, by its key; what cannot be made is told to staff, and refused in words."""

import re
from collections.abc import Callable

from accounts.models import Account
from accounts.operations import raise_attention, resolve_attention
from billing_project.kernel.errors import Refused
from invoicing.models import Invoice, Payment

from .pages import invoice_page, receipt_page
from .reading import invoice_facts, receipt_facts
from .typesetting import typeset
from .words import Tongue

FAILED_CODE = "document-failed"
CONTENT_TYPE = "application/pdf"


def invoice_pdf(invoice_id: int, language: str = "") -> bytes:
    """Return the PDF of an invoice, in a language or else its billing contact's.

    Raises Refused if it cannot be set, after an exception for staff was raised; Invoice.DoesNotExist.
    """
    facts = invoice_facts(invoice_id, language)
    return _told(
        f"invoice:{invoice_id}",
        f"invoice {facts.number}",
        lambda: Account.objects.get(invoices=invoice_id),
        lambda: typeset("invoice", invoice_page(facts), stamp=facts.stamp, logo=facts.operator.logo),
    )


def receipt_pdf(payment_id: int, language: str = "") -> bytes:
    """Return the PDF of a payment's receipt, in a language or else the billing contact's.

    Raises Refused if it cannot be set, after an exception for staff was raised; Payment.DoesNotExist.
    """
    facts = receipt_facts(payment_id, language)
    return _told(
        f"payment:{payment_id}",
        f"the receipt of payment {facts.reference}",
        lambda: Account.objects.get(payments=payment_id),
        lambda: typeset("receipt", receipt_page(facts), stamp=facts.stamp, logo=facts.operator.logo),
    )


def invoice_file_name(invoice: Invoice, language: str = "") -> str:
    """Return the name under which an invoice is saved, such as invoice-VF-000123.pdf."""
    return _file_name("file_invoice", invoice.number, language)


def receipt_file_name(payment: Payment, language: str = "") -> str:
    """Return the name under which a receipt is saved, such as receipt-P-77.pdf."""
    return _file_name("file_receipt", payment.reference, language)


def _file_name(key: str, name: str, language: str) -> str:
    # Letters, figures and dashes only: fit for every header and every disk.
    clean = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:60]
    return f"{Tongue(language).say(key)}-{clean or 'x'}.pdf"


def _told(key: str, what: str, account: Callable[[], Account], make: Callable[[], bytes]) -> bytes:
    """Make a document; if that fails tell staff once, and once it works again say that this is over."""
    try:
        made = make()
    except Refused as refused:
        words = f"The PDF of {what} could not be made: {refused.words}. Its page in the portal shows the same."
        raise_attention(code=FAILED_CODE, key=key, words=words, account=account())
        raise Refused(FAILED_CODE, f"The PDF of {what} cannot be made just now; staff have been told.") from refused
    resolve_attention(FAILED_CODE, key, "the PDF was made")
    return made
