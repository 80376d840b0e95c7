"""Invoices and receipts as PDF, for the session's account; those of others do not exist here."""

import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import get_language
from django.views.decorators.http import require_GET

from accounts.access import for_customers, page
from accounts.models import Account
from billing_project.kernel.errors import Refused
from invoicing.documents import invoice_pdf, receipt_pdf
from invoicing.documents.answers import pdf_answer
from invoicing.documents.making import invoice_file_name, receipt_file_name
from invoicing.documents.words import Tongue
from invoicing.models import Invoice, Payment


@require_GET
@for_customers
def invoice(request: HttpRequest, account: Account, public_id: uuid.UUID) -> HttpResponse:
    """Give an invoice as PDF, in the language of the page it was asked for on."""
    found, language = get_object_or_404(Invoice, account=account, public_id=public_id), get_language()
    back = reverse("portal-invoice", args=[public_id])
    name = invoice_file_name(found, language)
    return _given(request, account, lambda: invoice_pdf(found.pk, language), name, back)


@require_GET
@for_customers
def receipt(request: HttpRequest, account: Account, public_id: uuid.UUID) -> HttpResponse:
    """Give a payment's receipt as PDF, in the language of the page it was asked for on."""
    found, language = get_object_or_404(Payment, account=account, public_id=public_id), get_language()
    back = reverse("portal-receipt", args=[public_id])
    name = receipt_file_name(found, language)
    return _given(request, account, lambda: receipt_pdf(found.pk, language), name, back)


def words() -> dict[str, str]:
    """Return the words about a document that its page says, in the page's language."""
    tongue = Tongue(get_language())
    return {key: tongue.say(key) for key in ("download", "failed", "failed_words", "back")}


def _given(request: HttpRequest, account: Account, make: Callable[[], bytes], name: str, back: str) -> HttpResponse:
    try:
        return pdf_answer(make(), name)
    except Refused:
        # Staff have been told; the customer reads that, and the way back to the page that says the same.
        context = {"account": account, "document": words(), "back": back}
        return page(request, "portal/document_failed.html", context, status=503)
