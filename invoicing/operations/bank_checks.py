"""Look at the rows of a bank's file: what can be recorded, what is recorded already, what a person must correct (K9).

A constant number of queries for a file, and a few more for each row whose account is not clear.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q, Sum

from accounts.models import Account
from billing_project.kernel import clock, money
from billing_project.kernel.errors import Refused
from billing_project.kernel.texts import CARD_WORDS, holds_card
from invoicing.models import BankFile, BankFileRow, Invoice, Payment
from invoicing.rules import bank_file as rules

from .payments import REFERENCE_LENGTH

Finding = BankFileRow.Finding
CANDIDATES_MAX = 5
# So many unclear rows are given candidates at a time; the others once these are corrected.
UNCLEAR_MAX = 200
METHODS = {str(value) for value in Payment.Method.values if value != Payment.Method.IMPORTED}


@dataclass(slots=True)
class Known:
    """What is known of the things that a file's rows name."""

    accounts: dict[str, Account] = field(default_factory=dict)
    invoices: dict[str, Invoice] = field(default_factory=dict)
    payments: dict[str, Payment] = field(default_factory=dict)
    unclear: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A row that can be recorded, read."""

    reference: str
    account: Account
    received_at: datetime
    amount: Decimal
    method: str
    invoice: Invoice | None


def examine(file: BankFile, rows: Sequence[BankFileRow]) -> None:
    """Set the finding of each row of a file, with what is wrong by column and what an unclear one may mean."""
    known = _known(file, rows)
    seen: dict[str, int] = {}
    for row in rows:
        row.wrong, row.candidates, row.words = {}, [], ""
        reference = row.cells.get("reference", "")
        if reference and reference in seen and not row.left_out:
            row.wrong["reference"] = f"is in line {seen[reference]} already; leave one of the two out."
        elif not row.left_out:
            seen[reference] = row.line
        is_known = _transfer(row, known)[1] if file.kind == BankFile.Kind.TRANSFERS else _returned(row, known)
        row.finding = Finding.CHECK if row.wrong else Finding.KNOWN if is_known else Finding.FINE


def read_transfer(row: BankFileRow) -> Transfer | None:
    """Return a row of transfers as it can be recorded now, or None if something is wrong with it."""
    row.wrong, row.candidates = {}, []
    return _transfer(row, _known(row.file, [row]))[0]


def _known(file: BankFile, rows: Sequence[BankFileRow]) -> Known:
    def cells(name: str) -> set[str]:
        return {row.cells.get(name, "") for row in rows} - {""}

    payments = Payment.objects.filter(reference__in=cells("reference")).select_related("account__company")
    found = Known(payments={row.reference: row for row in payments})
    if file.kind == BankFile.Kind.TRANSFERS:
        accounts = Account.objects.filter(number__in=cells("account"))
        invoices = Invoice.objects.filter(number__in=cells("invoice")).select_related("account")
        found.accounts = {row.number: row for row in accounts.select_related("company")}
        found.invoices = {row.number: row for row in invoices}
    return found


def _transfer(row: BankFileRow, known: Known) -> tuple[Transfer | None, bool]:
    """Return a transfer if all of it is right, and whether it is recorded already."""
    cells: dict[str, Any] = row.cells
    reference, amount = _reference(row), _amount(row)
    method = cells.get("method", "") or Payment.Method.TRANSFER
    if method not in METHODS:
        row.wrong["method"] = f"is none of {', '.join(sorted(METHODS))}; mend it, or leave it blank."
    if cells.get("reversed_on"):
        row.wrong["reversed_on"] = "is a return; leave the row out, and upload a file of returns."
    first = known.payments.get(reference)
    account = known.accounts.get(cells.get("account", ""))
    if first is not None and amount == first.amount and (account is None or account.pk == first.account_id):
        row.words = f"Recorded already for account {first.account.number}."
        return None, True
    if first is not None:
        row.wrong["reference"] = (
            f"is recorded with other content: {first.amount:,.2f} {first.account.company.currency} of account"
            f" {first.account.number}. Give another reference, or leave the row out."
        )
    invoice = known.invoices.get(cells.get("invoice", ""))
    if account is None and invoice is not None and not cells.get("account"):
        account = invoice.account
    if account is None:
        said = "is blank" if not cells.get("account") else "is no account here"
        row.wrong["account"] = f"{said}; choose whose money it is."
        if amount is not None and known.unclear < UNCLEAR_MAX:
            known.unclear += 1
            row.candidates = candidates(cells, amount)
    if cells.get("invoice") and (invoice is None or (account is not None and invoice.account_id != account.pk)):
        row.wrong["invoice"] = "is no invoice of this account; mend it, or leave it blank (oldest due first)."
    received_at = _received(row, account)
    if row.wrong or account is None or amount is None or received_at is None:
        return None, False
    return Transfer(
        reference=reference, account=account, received_at=received_at, amount=amount, method=method, invoice=invoice
    ), False


def _returned(row: BankFileRow, known: Known) -> bool:
    """Check a row of returns, and tell whether its payment was reversed already."""
    cells = row.cells
    reference, day = _reference(row), rules.day(cells.get("returned_on", ""))
    if day is None:
        row.wrong["returned_on"] = "is not a date; write it like 2026-01-31."
    elif day > clock.today():
        row.wrong["returned_on"] = f"is still to come; today is {clock.today()}."
    if not cells.get("reason"):
        row.wrong["reason"] = "is blank; write the bank's code or words, such as R01."
    payment = known.payments.get(reference)
    if payment is None:
        if reference and "reference" not in row.wrong:
            row.wrong["reference"] = "is no payment here; choose which one came back."
            row.candidates = _payments_like(reference, cells.get("amount", ""))
        return False
    if cells.get("amount") and _amount(row) not in (None, payment.amount):
        row.wrong["amount"] = f"is not the payment's: that is {payment.amount:,.2f}."
    if payment.reversed_at is not None:
        row.words = f"Reversed already: {payment.reversed_why}"
        return True
    return False


def _reference(row: BankFileRow) -> str:
    reference = str(row.cells.get("reference", ""))
    if not reference:
        row.wrong["reference"] = "is blank; write the bank's reference."
    elif len(reference) > REFERENCE_LENGTH:
        row.wrong["reference"] = f"has more than {REFERENCE_LENGTH} characters; shorten it."
    elif "[card number" in reference or holds_card(reference):
        row.wrong["reference"] = CARD_WORDS
    return reference


def _amount(row: BankFileRow) -> Decimal | None:
    try:
        amount = money.parse(row.cells.get("amount", ""))
    except Refused:
        row.wrong["amount"] = "is not an amount above 0 with at most two decimals; write it like 40.00."
        return None
    if not amount:
        row.wrong["amount"] = "is zero; mend it, or leave the row out."
    return amount or None


def _received(row: BankFileRow, account: Account | None) -> datetime | None:
    found = rules.day_or_time(row.cells.get("received", ""))
    if found is None or not 1970 <= found.year < 2200:
        row.wrong["received"] = "is neither a date nor a local time; write it like 2026-01-31 or 2026-01-31T14:10."
        return None
    at = clock.instant(found, account.timezone if account else "UTC")
    if at > clock.now():
        row.wrong["received"] = "is still to come; mend the day."
    return at


def candidates(cells: dict[str, str], amount: Decimal) -> list[dict[str, str]]:
    """Return the accounts whose money a transfer may be: named in it, of the payer's name, or owing just this.

    The likeliest first; each with why.
    """
    named = rules.words_in(f"{cells.get('reference', '')} {cells.get('account', '')}")
    scores: dict[int, list[str]] = {}

    def note(rows: Any, words: str) -> None:
        for pk in rows[: CANDIDATES_MAX * 2]:
            scores.setdefault(pk, []).append(words)

    upper = [word.upper() for word in named]
    by_number = Q(number__in=[*named, *upper]) | Q(invoices__number__in=[*named, *upper])
    note(Account.objects.filter(by_number).distinct().order_by("pk").values_list("pk", flat=True), "named in it")
    payer = rules.words_in(cells.get("payer", ""))
    if payer:
        by_name = Q()
        for word in payer:
            by_name &= Q(name__icontains=word)
        note(Account.objects.filter(by_name).order_by("pk").values_list("pk", flat=True), "by name")
    owing = Invoice.objects.filter(state=Invoice.State.OPEN).order_by()
    in_all = owing.values("account").annotate(all=Sum("remaining")).filter(all=amount)
    just_one = owing.filter(remaining=amount).values_list("account", flat=True).distinct()
    note(sorted({*in_all.values_list("account", flat=True)[:20], *just_one[:20]}), "owes just this")
    best = sorted(scores, key=lambda pk: (-len(scores[pk]), pk))[:CANDIDATES_MAX]
    accounts = Account.objects.in_bulk(best)
    return [
        {"value": accounts[pk].number, "words": f"{accounts[pk].number} {accounts[pk].name}: {', '.join(scores[pk])}"}
        for pk in best
    ]


def _payments_like(reference: str, amount: str) -> list[dict[str, str]]:
    """Return the payments that a return with an unknown reference may be about: alike, or of its amount."""
    alike = Q(reference__icontains=reference)
    for word in rules.words_in(reference):
        alike |= Q(reference__iendswith=word[-8:])
    try:
        alike |= Q(amount=money.parse(amount)) if amount else Q(pk=None)
    except Refused:
        alike |= Q(pk=None)
    rows = Payment.objects.filter(alike, reversed_at=None).select_related("account").order_by("-received_at", "-pk")
    return [
        {
            "value": row.reference,
            "words": f"{row.reference}: {row.amount:,.2f} of {row.account}, received {row.received_at:%Y-%m-%d}",
        }
        for row in rows[:CANDIDATES_MAX]
    ]  # fmt: skip
