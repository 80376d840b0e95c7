"""import_funding_sources: cards and bank accounts, as the gateway's tokens."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from accounts.models import Account, FundingSource
from accounts.operations import replace_funding_source
from delinquency.operations.standings import look_again

from .accounts import known_numbers
from .invoices import find_account
from .reader import Row, Sheet, read_sheet, refuse_card_numbers, refuse_twice
from .report import Report, run_import

REQUIRED = ("account", "rank", "gateway", "customer_token", "source_token", "brand", "last4", "expires_on")
GATEWAYS = {"sandbox": "sandbox", "stripe": "stripe"}
TOKEN_LENGTH = 120
LAST4_LENGTH = 4


def import_funding_sources(path: str, *, dry_run: bool = False) -> Report:
    """Import funding sources; raises BadArguments or Refused if the file as a whole is of no use."""
    return run_import(read_sheet(path, REQUIRED), "funding source", work, dry_run=dry_run)


def work(sheet: Sheet, report: Report) -> None:
    """Import the rows of a sheet; what is wrong with them is noted there, and then nothing may be kept."""
    accounts = known_numbers(sheet.values("account"))
    found = FundingSource.objects.filter(account__in=accounts.values())
    existing = {(source.account_id, source.rank): source for source in found}
    refuse_twice(sheet.rows, "account", "rank")
    wanted = [read for row in sheet.rows if (read := _read(row, accounts)) is not None]
    _refuse_taken(wanted, existing)
    if sheet.problems:
        return
    touched = set()
    for _, account, rank, values in wanted:
        source = existing.get((account.pk, rank))
        if source is not None and all(getattr(source, name) == value for name, value in values.items()):
            report.unchanged += 1
            continue
        replace_funding_source(account, rank, **values)
        report.created += source is None
        report.updated += source is not None
        touched.add(account.pk)
    look_again(sorted(touched))


_Wanted = tuple[Row, Account, int, dict[str, Any]]


def _read(row: Row, accounts: Mapping[str, Account]) -> _Wanted | None:
    refuse_card_numbers(row, "customer_token", "source_token", "brand", "last4")
    account = find_account(row, accounts)
    rank = row.whole("rank", 1, 2)
    gateway = row.one_of("gateway", GATEWAYS, "gateway")
    last4 = row.text("last4", longest=LAST4_LENGTH)
    if last4 and not (len(last4) == LAST4_LENGTH and last4.isascii() and last4.isdigit()):
        row.refuse("last4", "is not the last four digits; write them like 4242, or leave it blank.")
    expires_on: date | None = None if row.blank("expires_on") else row.day("expires_on")
    values = {
        "gateway": gateway,
        "customer_token": "" if row.blank("customer_token") else row.reference("customer_token", longest=TOKEN_LENGTH),
        "source_token": row.reference("source_token", longest=TOKEN_LENGTH),
        "brand": row.text("brand", longest=30),
        "last4": last4,
        "expires_on": expires_on,
    }
    return None if row.bad or account is None or rank is None else (row, account, rank, values)


def _refuse_taken(wanted: list[_Wanted], existing: Mapping[tuple[int, int], FundingSource]) -> None:
    """Note a token that its account would have in two ranks."""
    ranks = {(key, source.gateway, source.source_token): rank for (key, rank), source in existing.items()}
    for row, account, rank, values in wanted:
        key = (account.pk, values["gateway"], values["source_token"])
        if ranks.setdefault(key, rank) != rank:
            row.refuse(
                "source_token",
                f"is in rank {ranks[key]} of this account already; give another card.",
            )
