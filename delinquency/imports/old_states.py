"""Where accounts stand in the system before this one, to compare with before going live."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from accounts.models import Account
from billing_project.kernel import money
from billing_project.kernel.errors import Refused
from delinquency.models import OldState

from .accounts import known_numbers
from .invoices import find_account
from .reader import Row, Sheet, refuse_twice
from .report import Report

REQUIRED = ("account", "on")
OPTIONAL = ("status", "balance", "delinquent", "since", "restricted")
STATUS_LENGTH = 80
YES_NO = {"yes": True, "no": False}
_SAID = ("status", "balance", "delinquent", "since", "restricted")


@dataclass(frozen=True, slots=True)
class _Said:
    account: Account
    on: date
    values: dict[str, str | Decimal | bool | date | None]


def work(sheet: Sheet, report: Report) -> None:
    """Keep what each row says; a second file of the same day puts right what it says differently."""
    accounts = known_numbers(sheet.values("account"))
    refuse_twice(sheet.rows, "account", "on")
    said = [read for row in sheet.rows if (read := _read(row, accounts)) is not None]
    if not set(_SAID) & sheet.columns and sheet.rows:
        sheet.rows[0].refuse(None, f"there is nothing to compare; choose a column for one of {', '.join(_SAID)}.")
    if sheet.problems:
        return
    known = {
        (row.account_id, row.on): row
        for row in OldState.objects.filter(
            account__in=[one.account.pk for one in said], on__in={one.on for one in said}
        ).select_for_update()
    }
    fresh, changed = [], []
    for one in said:
        row = known.get((one.account.pk, one.on))
        if row is None:
            fresh.append(OldState(account=one.account, on=one.on, **one.values))
        elif any(getattr(row, name) != value for name, value in one.values.items()):
            for name, value in one.values.items():
                setattr(row, name, value)
            changed.append(row)
    OldState.objects.bulk_create(fresh, batch_size=2000)
    OldState.objects.bulk_update(changed, _SAID, batch_size=1000)
    report.created, report.updated = len(fresh), len(changed)
    report.unchanged = len(said) - len(fresh) - len(changed)


def _read(row: Row, accounts: Mapping[str, Account]) -> _Said | None:
    account, on = find_account(row, accounts), row.day("on")
    delinquent, since = _yes_no(row, "delinquent"), None if row.blank("since") else row.day("since")
    values: dict[str, str | Decimal | bool | date | None] = {
        "status": row.text("status", longest=STATUS_LENGTH), "balance": _balance(row), "delinquent": delinquent,
        "since": since, "restricted": _yes_no(row, "restricted"),
    }  # fmt: skip
    if since is not None and delinquent is None and row.blank("delinquent"):
        values["delinquent"] = True
    elif since is not None and delinquent is False:
        row.refuse("since", "is given although the account is not delinquent; leave it blank, or mend delinquent.")
    return None if row.bad or account is None or on is None else _Said(account, on, values)


def _yes_no(row: Row, column: str) -> bool | None:
    return None if row.blank(column) else row.one_of(column, YES_NO, "answer")


def _balance(row: Row) -> Decimal | None:
    if row.blank("balance"):
        return None
    try:
        return money.parse(row.cells["balance"].strip(), negative=True)
    except Refused as refusal:
        row.refuse("balance", f"cannot be read: {refusal.words}")
        return None
