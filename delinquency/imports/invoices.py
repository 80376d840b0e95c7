"""import_invoices: what other programs have issued. An issued invoice never changes."""

from collections.abc import Mapping
from datetime import datetime

from accounts.models import Account
from billing_project.kernel import clock
from delinquency.operations.standings import look_again
from invoicing.models import Invoice
from invoicing.operations.imports import ImportedInvoice, record_imported_invoices
from invoicing.rules.periods import BILLING_TIME

from .accounts import known_numbers
from .reader import Row, Sheet, read_sheet, refuse_twice
from .report import Report, run_import

REQUIRED = ("number", "account", "issued_on", "due_on", "amount", "description")


def import_invoices(path: str, *, dry_run: bool = False) -> Report:
    """Import invoices; raises BadArguments or Refused if the file as a whole is of no use."""
    return run_import(read_sheet(path, REQUIRED), "invoice", work, dry_run=dry_run)


def work(sheet: Sheet, report: Report) -> None:
    """Import the rows of a sheet; what is wrong with them is noted there, and then nothing may be kept."""
    accounts = known_numbers(sheet.values("account"))
    known = Invoice.objects.filter(number__in=sheet.values("number")).select_related("account")
    existing = {invoice.number: invoice for invoice in known}
    refuse_twice(sheet.rows, "number")
    fresh = []
    for row in sheet.rows:
        item = _read(row, accounts)
        if item is None:
            continue
        if item.number not in existing:
            fresh.append(item)
        elif not _is_same(existing[item.number], item):
            invoice = existing[item.number]
            row.refuse(
                "number",
                f"exists with other content (account {invoice.account.number}, {invoice.issued_on},"
                f" due {invoice.due_on}, {invoice.amount}, {invoice.description!r}),"
                " and an issued invoice never changes; give a new number, or a credit note in the admin.",
            )
    if sheet.problems:
        return
    record_imported_invoices(fresh)
    look_again(sorted({item.account_id for item in fresh}))
    report.created, report.unchanged = len(fresh), len(sheet.rows) - len(fresh)


def _read(row: Row, accounts: Mapping[str, Account]) -> ImportedInvoice | None:
    number = row.reference("number")
    account = find_account(row, accounts)
    issued_on, due_on = row.day("issued_on"), row.day("due_on")
    amount = row.amount("amount")
    description = row.text("description", longest=300)
    if issued_on is not None and due_on is not None and due_on < issued_on:
        row.refuse("due_on", f"is before the invoice date {issued_on}; mend one of the two.")
    if row.bad or account is None or issued_on is None or due_on is None or amount is None:
        return None
    return ImportedInvoice(
        account_id=account.pk, number=number, issued_on=issued_on, due_on=due_on, amount=amount,
        effective_at=clock.instant(datetime.combine(issued_on, BILLING_TIME), account.timezone),
        description=description,
    )  # fmt: skip


def find_account(row: Row, accounts: Mapping[str, Account]) -> Account | None:
    """Return the account that a row names; one that is unknown is noted."""
    number = row.reference("account")
    if number not in accounts and number.strip():
        row.refuse("account", "is no account here; import the accounts first, or mend the number.")
    return accounts.get(number)


def _is_same(invoice: Invoice, item: ImportedInvoice) -> bool:
    names = ("account_id", "issued_on", "due_on", "amount", "description")
    return all(getattr(invoice, name) == getattr(item, name) for name in names)
