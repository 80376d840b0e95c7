"""import_payments: money that was received elsewhere, and what of it came back."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from accounts.models import Account
from billing_project.kernel import clock
from delinquency.operations.standings import look_again
from invoicing.models import Invoice, Payment
from invoicing.operations.imports import ImportedPayment, record_imported_payments
from invoicing.operations.payments import reverse_payment

from .accounts import known_numbers
from .invoices import find_account
from .reader import Row, Sheet, read_sheet, refuse_twice
from .report import Report, run_import

REQUIRED = ("reference", "account", "received", "amount")
OPTIONAL = ("invoice", "method", "reversed_on")
METHOD_LENGTH = 20

_RETURNED = "imported as returned"


def import_payments(path: str, *, dry_run: bool = False) -> Report:
    """Import payments; raises BadArguments or Refused if the file as a whole is of no use."""
    return run_import(read_sheet(path, REQUIRED, OPTIONAL), "payment", work, dry_run=dry_run)


def work(sheet: Sheet, report: Report) -> None:
    """Import the rows of a sheet; what is wrong with them is noted there, and then nothing may be kept."""
    accounts = known_numbers(sheet.values("account"))
    named = sheet.values("invoice") - {""}
    invoices = {row.number: row for row in Invoice.objects.filter(number__in=named).select_related("account")}
    known = Payment.objects.filter(reference__in=sheet.values("reference")).select_related("account")
    existing = {payment.reference: payment for payment in known}
    refuse_twice(sheet.rows, "reference")
    fresh, returned = [], []
    for row in sheet.rows:
        item = _read(row, accounts, invoices)
        if item is None:
            continue
        payment = existing.get(item.reference)
        if payment is None:
            fresh.append(item)
        elif _is_same_payment(row, payment, item) and item.reversed_at is not None and payment.reversed_at is None:
            returned.append((payment, item.reversed_at))
    if sheet.problems:
        return
    record_imported_payments(fresh)
    _take_back(returned)
    look_again(sorted({item.account_id for item in fresh} | {payment.account_id for payment, _ in returned}))
    report.created, report.updated = len(fresh), len(returned)
    report.unchanged = len(sheet.rows) - len(fresh) - len(returned)


def _read(row: Row, accounts: Mapping[str, Account], invoices: Mapping[str, Invoice]) -> ImportedPayment | None:
    reference = row.reference("reference")
    account = find_account(row, accounts)
    received, amount = row.local_time("received"), row.amount("amount")
    method = row.text("method", longest=METHOD_LENGTH) or Payment.Method.IMPORTED
    invoice = None if row.blank("invoice") else _find_invoice(row, account, invoices)
    reversed_at = None if row.blank("reversed_on") else row.local_time("reversed_on")
    if received is not None and reversed_at is not None:
        too_early = reversed_at.date() < received.date() if row.is_day("reversed_on") else reversed_at < received
        if too_early:
            row.refuse("reversed_on", f"is before the payment was received ({received}); mend one of the two.")
        # A return that is only dated cannot come before its payment on that same day.
        reversed_at = max(reversed_at, received)
    if row.bad or account is None or received is None or amount is None:
        return None
    return ImportedPayment(
        account_id=account.pk, reference=reference, amount=amount,
        received_at=clock.instant(received, account.timezone),
        invoice_id=invoice.pk if invoice else None, method=method,
        reversed_at=clock.instant(reversed_at, account.timezone) if reversed_at else None,
    )  # fmt: skip


def _find_invoice(row: Row, account: Account | None, invoices: Mapping[str, Invoice]) -> Invoice | None:
    invoice = invoices.get(row.reference("invoice"))
    if invoice is None:
        row.refuse("invoice", "is no invoice here; import the invoices first, mend the number, or leave it blank.")
    elif account is not None and invoice.account_id != account.pk:
        row.refuse(
            "invoice",
            f"belongs to account {invoice.account.number}, not to {account.number};"
            " name one of its own, or leave it blank.",
        )
    return invoice


def _is_same_payment(row: Row, payment: Payment, item: ImportedPayment) -> bool:
    """Tell whether a known payment is the one of the row; if not that is noted."""
    same = (payment.account_id, payment.received_at, payment.amount, payment.invoice_id) == (
        item.account_id, item.received_at, item.amount, item.invoice_id,
    )  # fmt: skip
    if row.has("method") and payment.method != item.method:
        same = False
    if not same:
        row.refuse(
            "reference",
            f"exists with other content (account {payment.account.number}, {payment.amount}, received"
            f" {clock.local(payment.received_at, payment.account.timezone)}); a payment never changes,"
            " so give another reference, or reverse it.",
        )
    elif item.reversed_at is not None and payment.reversed_at not in (None, item.reversed_at):
        same = False
        row.refuse(
            "reversed_on",
            f"is another time than the return that is recorded"
            f" ({clock.local(payment.reversed_at, payment.account.timezone)}); a payment is returned once.",
        )
    return same


def _take_back(returned: Sequence[tuple[Payment, datetime]]) -> None:
    # In order of time: what one return takes back, the next one finds.
    for payment, at in sorted(returned, key=lambda pair: pair[1]):
        reverse_payment(payment=payment, why=_RETURNED, at=at)
