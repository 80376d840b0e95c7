"""What accounts pay each month and the line they have, where another program lists its services apart from its clients.

Several services of an account are one monthly charge here, their sum, and one line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from accounts.models import Account
from accounts.queries import billing_contacts
from billing_project.kernel import money
from invoicing.models import BillingParameters

from . import accounts
from .invoices import find_account
from .reader import Row, Sheet
from .report import Report

REQUIRED = ("account",)
OPTIONAL = ("monthly_charge", "ipv4", "radius_username", "device")
_LINE = ("ipv4", "radius_username")


@dataclass(slots=True)
class _Together:
    """The services of one account."""

    row: Row
    account: Account
    charge: Decimal | None = None
    line: Row | None = None
    lines: list[int] = field(default_factory=list)


def work(sheet: Sheet, report: Report) -> None:
    """Bring charge and line of known accounts in line with the rows; nothing else of them is touched."""
    known = accounts.known_numbers(sheet.values("account"))
    if not set(OPTIONAL) & sheet.columns and sheet.rows:
        sheet.rows[0].refuse(None, f"there is nothing to import; choose a column for one of {', '.join(OPTIONAL)}.")
    together: dict[int, _Together] = {}
    for row in sheet.rows:
        _add(row, find_account(row, known), together)
    if sheet.problems:
        return
    rows = _as_accounts(together)
    if sheet.problems:
        return
    columns = frozenset((*accounts.REQUIRED, *accounts.OPTIONAL))
    whole, found = Sheet(sheet.file, columns, rows, len(rows), sheet.problems), Report(what="account", file=sheet.file)
    accounts.work(whole, found)
    report.updated, report.unchanged = found.updated, len(sheet.rows) - found.updated


def _add(row: Row, account: Account | None, together: dict[int, _Together]) -> None:
    charge = None if row.blank("monthly_charge") else row.amount("monthly_charge", zero=True)
    if row.bad or account is None:
        return
    one = together.setdefault(account.pk, _Together(row, account))
    if charge is not None:
        one.charge = (one.charge or Decimal("0.00")) + charge
    if not any(not row.blank(name) for name in _LINE):
        return
    if one.line is not None:
        row.refuse(
            next(name for name in _LINE if not row.blank(name)),
            f"is a second line of account {account.number} (the first is in line {one.line.line}); leave it blank and"
            " add this line on the account's page.",
        )
    one.line = one.line or row


def _as_accounts(together: Mapping[int, _Together]) -> list[Row]:
    """Return a row of an accounts file for each account that says of it what is so already, and the services."""
    parameters = {
        row.account_id: row
        for row in BillingParameters.objects.filter(account_id__in=together).select_related("billing_default")
    }
    contacts = billing_contacts(together)
    statuses = dict(Account.objects.filter(pk__in=together).values_list("pk", "status__name"))
    rows = []
    for pk, one in together.items():
        terms, contact = parameters.get(pk), contacts.get(pk)
        if terms is None or contact is None:
            lacks = "is not billed" if terms is None else "has no billing contact"
            one.row.refuse("account", f"{lacks} here; import it with its terms and contact first.")
            continue
        cells = {
            "number": one.account.number, "name": one.account.name, "status": statuses[pk],
            "billing_default": terms.billing_default.name if terms.billing_default else "",
            "timezone": one.account.timezone, "bill_day": str(terms.bill_day), "next_bill_on": "",
            "contact_name": contact.name, "email": contact.email, "phone": contact.phone,
        }  # fmt: skip
        if one.charge is not None:
            cells["monthly_charge"] = money.text(one.charge)
        if one.line is not None:
            cells |= {name: one.line.cells[name] for name in (*_LINE, "device") if one.line.has(name)}
        rows.append(Row((one.line or one.row).line, cells, one.row.problems))
    return rows
