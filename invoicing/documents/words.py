"""The words of a document, and how it writes dates, sums and percentages, in each language."""

import re
from datetime import date, datetime
from decimal import Decimal

from django.utils import formats, translation

ENGLISH, SPANISH = "en", "es"
MONTHS = {
    ENGLISH: (
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ),
    SPANISH: (
        "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre",
        "diciembre",
    ),
}  # fmt: skip
# No line break inside a date or between a sum and its currency.
NBSP = "\u00a0"
MINUS = "\u2212"
# How many signs of a word that fills a line stay together; and the longest word that a narrow column takes whole.
BREAK_EVERY, NARROW = 6, 18

WORDS: dict[str, dict[str, str]] = {
    ENGLISH: {
        "invoice": "Invoice", "receipt": "Receipt", "number": "Invoice number", "issued": "Invoice date",
        "due": "Due date", "period": "Billing period", "account": "Account", "bill_to": "Bill to",
        "telephone": "Telephone", "services": "Services", "description": "Description", "quantity": "Qty",
        "price": "Price", "discount": "Discount", "amount": "Amount",
        "subtotal": "Subtotal", "tax": "Tax", "total": "Total", "paid": "Paid so far",
        "credited": "Credited", "amount_due": "Amount due", "due_by": "by {date}",
        "state_open": "Open", "state_paid": "Paid", "state_void": "Void", "state_written_off": "Written off",
        "state_disputed": "In dispute", "paid_words": "Paid in full on {date}. Thank you.",
        "settled_words": "Settled in full.", "void_words": "This invoice was cancelled. Please do not pay it.",
        "written_off_words": "We ask for no further payment on this invoice.",
        "disputed_words": "You have questioned this invoice. Nothing is asked for while we look into it.",
        "movements": "Payments and credits", "date": "Date", "move_payment": "Payment {reference}",
        "move_credit": "From your credit, payment {reference}", "move_returned": "Payment {reference} was returned",
        "move_credit_note": "Credit note", "move_released": "Kept as your credit", "move_written_off": "Written off",
        "move_voided": "Invoice cancelled", "move_adjusted": "Adjustment",
        "how_to_pay": "How to pay",
        "pay_online": "Scan the code with your telephone, or open this address, and ask for your personal link:",
        "pay_with": "Have account number {number} at hand.", "pay_call": "Questions? Call {phone}.",
        "code": "QR code of the address {address}", "logo": "Logo of {name}",
        "ageing": "Your account on {date}", "ageing_words": "Unpaid invoices, this one included, by days past due",
        "age_0": "Not yet due", "age_1": "1–30 days", "age_2": "31–60 days", "age_3": "61–90 days",
        "age_4": "Over 90 days", "age_total": "Total unpaid", "page": "Page {page} of {pages}",
        "received": "Amount received", "reference": "Reference", "paid_on": "Received on", "method": "Paid by",
        "from": "Received from", "settles": "What this payment paid", "invoice_of": "Invoice date",
        "kept": "Kept as your credit", "refunded": "Paid back to you", "after": "Your account after this payment",
        "after_owed": "{sum} was still to pay.", "after_none": "Nothing was left to pay.",
        "after_credit": "You had {sum} of credit.", "state_returned": "Returned",
        "returned_words": "This payment was returned on {date}. What it paid is owed again.",
        "thanks": "Thank you for your payment.", "refund_words": "{sum} of this payment was paid back to you.",
        "state_received": "Received", "state_refunded": "Paid back", "by_card": "Card",
        "by_card_ending": "{brand} ending in {last4}", "by_bank": "Bank debit", "by_bank_ending":
        "Bank debit, account ending in {last4}", "by_cash": "Cash", "by_cheque": "Check",
        "by_transfer": "Bank transfer", "by_imported": "Payment", "file_invoice": "invoice",
        "file_receipt": "receipt", "download": "Download as PDF", "failed": "The PDF cannot be made just now",
        "failed_words": "We have been told and will mend it. You can print the page itself instead.", "back": "Back",
    },
    SPANISH: {
        "invoice": "Factura", "receipt": "Recibo", "number": "Número de factura", "issued": "Fecha de factura",
        "due": "Fecha de vencimiento", "period": "Periodo facturado", "account": "Cuenta", "bill_to": "Cliente",
        "telephone": "Teléfono", "services": "Servicios", "description": "Descripción", "quantity": "Cant.",
        "price": "Precio", "discount": "Descuento", "amount": "Importe",
        "subtotal": "Subtotal", "tax": "Impuesto", "total": "Total",
        "paid": "Pagado hasta ahora", "credited": "Abonado", "amount_due": "Importe a pagar",
        "due_by": "hasta el {date}", "state_open": "Pendiente",
        "state_paid": "Pagada", "state_void": "Anulada", "state_written_off": "Dada de baja",
        "state_disputed": "En revisión", "paid_words": "Pagada por completo el {date}. Gracias.",
        "settled_words": "Saldada por completo.", "void_words": "Esta factura fue anulada. Por favor, no la pague.",
        "written_off_words": "No le pedimos ningún otro pago por esta factura.",
        "disputed_words": "Usted ha reclamado esta factura. No se le pide nada mientras la revisamos.",
        "movements": "Pagos y abonos", "date": "Fecha", "move_payment": "Pago {reference}",
        "move_credit": "De su saldo a favor, pago {reference}", "move_returned": "El pago {reference} fue devuelto",
        "move_credit_note": "Nota de crédito", "move_released": "Queda como saldo a su favor",
        "move_written_off": "Dada de baja", "move_voided": "Factura anulada", "move_adjusted": "Ajuste",
        "how_to_pay": "Cómo pagar",
        "pay_online": "Escanee el código con su teléfono, o abra esta dirección, y pida su enlace personal:",
        "pay_with": "Tenga a mano su número de cuenta, {number}.", "pay_call": "¿Preguntas? Llame al {phone}.",
        "code": "Código QR de la dirección {address}", "logo": "Logotipo de {name}",
        "ageing": "Su cuenta el {date}", "ageing_words": "Facturas sin pagar, incluida esta, por días de retraso",
        "age_0": "Sin vencer", "age_1": "1–30 días", "age_2": "31–60 días", "age_3": "61–90 días",
        "age_4": "Más de 90 días", "age_total": "Total sin pagar", "page": "Página {page} de {pages}",
        "received": "Importe recibido", "reference": "Referencia", "paid_on": "Recibido el", "method": "Forma de pago",
        "from": "Recibido de", "settles": "Qué pagó este pago", "invoice_of": "Fecha de factura",
        "kept": "Queda como saldo a su favor", "refunded": "Devuelto a usted",
        "after": "Su cuenta después de este pago", "after_owed": "Quedaban por pagar {sum}.",
        "after_none": "No quedaba nada por pagar.", "after_credit": "Tenía {sum} de saldo a su favor.",
        "state_returned": "Devuelto",
        "returned_words": "Este pago fue devuelto el {date}. Lo que había pagado se debe de nuevo.",
        "thanks": "Gracias por su pago.", "refund_words": "Se le devolvieron {sum} de este pago.",
        "state_received": "Recibido", "state_refunded": "Reembolsado", "by_card": "Tarjeta",
        "by_card_ending": "{brand} terminada en {last4}", "by_bank": "Cargo en cuenta", "by_bank_ending":
        "Cargo en la cuenta terminada en {last4}", "by_cash": "Efectivo", "by_cheque": "Cheque",
        "by_transfer": "Transferencia bancaria", "by_imported": "Pago", "file_invoice": "factura",
        "file_receipt": "recibo", "download": "Descargar en PDF",
        "failed": "El PDF no se puede crear en este momento",
        "failed_words": "Ya lo sabemos y lo arreglaremos. Mientras tanto puede imprimir la página misma.",
        "back": "Volver",
    },
}  # fmt: skip


class Tongue:
    """One language: its words, and how it writes what is not words."""

    def __init__(self, language: str) -> None:
        self.code = language if language in WORDS else ENGLISH
        self._words = WORDS[self.code]

    def say(self, key: str, **values: str) -> str:
        """Return the words of a key, with the values put in; raises KeyError for a key that has none."""
        # Not str.format on what customers wrote: values are put in as they are.
        return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], self._words[key])

    def knows(self, key: str) -> bool:
        """Tell whether there are words for a key."""
        return key in self._words

    def day(self, on: date) -> str:
        """Write a date: January 16, 2026; 16 de enero de 2026."""
        month = MONTHS[self.code][on.month - 1]
        if self.code == SPANISH:
            return f"{on.day}{NBSP}de{NBSP}{month} de{NBSP}{on.year}"
        return f"{month}{NBSP}{on.day}, {on.year}"

    def moment(self, at: datetime) -> str:
        """Write a local time: January 16, 2026, 2:05 PM; 16 de enero de 2026, 14:05."""
        hour = f"{at:%H:%M}" if self.code == SPANISH else f"{at.hour % 12 or 12}:{at:%M}{NBSP}{at:%p}"
        return f"{self.day(at.date())}, {hour}"

    def span(self, first: date, last: date) -> str:
        """Write a period, both days included, without saying a month or year twice."""
        if (first.year, first.month) == (last.year, last.month):
            whole = self.day(last)
            days = f"{first.day}{NBSP}–{NBSP}{last.day}"
            return whole.replace(f"{last.day}", days, 1) if first.day != last.day else whole
        return f"{self.day(first)} – {self.day(last)}"

    def sum(self, amount: Decimal, currency: str = "") -> str:
        """Write an amount with two decimals, as the portal does, and its currency after it."""
        with translation.override(self.code):
            written = str(formats.number_format(abs(amount), 2, use_l10n=True, force_grouping=True))
        sign = MINUS if amount < 0 else ""
        return f"{sign}{written}{NBSP}{currency}" if currency else f"{sign}{written}"

    def percent(self, written: str) -> str:
        """Write a percentage that is stored with a point: 8.875 %."""
        return f"{written.replace('.', ',') if self.code == SPANISH else written}{NBSP}%"


def printable(text: str, *, longest: int = 28) -> str:
    """Return a text fit to be set: without control signs, and with room to break in words that fill a line.

    Signs that turn the direction of what follows are left out too: they could make one number look like another.
    """
    clean = re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", "", text)
    return re.sub(rf"\S{{{longest + 1},}}", lambda run: _broken(run[0]), clean)


def _broken(run: str) -> str:
    return "\u200b".join(run[start : start + BREAK_EVERY] for start in range(0, len(run), BREAK_EVERY))
