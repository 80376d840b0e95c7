"""Invoices and receipts as PDF: rows → facts → words on a page → bytes. The same facts make the same bytes."""

from .making import invoice_pdf, receipt_pdf

__all__ = ["invoice_pdf", "receipt_pdf"]
