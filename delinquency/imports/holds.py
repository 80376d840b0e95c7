"""Holds: more time for many accounts (Grace Until), or lines restricted by hand until a day."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time

from accounts.models import Account, User
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from delinquency.models import GraceGrant
from delinquency.operations.grace import REASON_LENGTH, grant_grace
from netenforce.models import Hold
from netenforce.models.hold import Level
from netenforce.operations.by_hand import place_by_hand

from .accounts import known_numbers
from .invoices import find_account
from .reader import Row, Sheet, refuse_twice
from .report import Report

REQUIRED = ("account", "until", "reason")
OPTIONAL = ("kind", "level")
GRACE = "grace"
KINDS = {GRACE: GRACE, "abuse": Hold.Cause.ABUSE, "request": Hold.Cause.REQUEST}
LEVELS = {str(level.value): level for level in Level if level != Level.OPEN}


@dataclass(frozen=True, slots=True)
class _Wish:
    row: Row
    account: Account
    until: date
    reason: str
    kind: str
    level: str

    @property
    def until_at(self) -> datetime:
        """Return the instant at which a restriction ends: as that day begins where the account is."""
        return clock.instant(datetime.combine(self.until, time(0)), self.account.timezone)


def work_for(by: User | None) -> Callable[[Sheet, Report], None]:
    """Return the import of holds as done by a person, whose limits count."""

    def work(sheet: Sheet, report: Report) -> None:
        accounts = known_numbers(sheet.values("account"))
        refuse_twice(sheet.rows, "account", "kind")
        wishes = [wish for row in sheet.rows if (wish := _read(row, accounts)) is not None]
        if sheet.problems:
            return
        known = _known(wishes)
        for wish in wishes:
            if _says_the_same(wish, known):
                report.unchanged += 1
                continue
            try:
                _carry_out(wish, by)
            except Refused as refusal:
                wish.row.refuse("until", f"is refused: {refusal.words}")
            else:
                report.created += 1

    return work


def _read(row: Row, accounts: Mapping[str, Account]) -> _Wish | None:
    account = find_account(row, accounts)
    until = row.day("until")
    reason = row.text("reason", longest=REASON_LENGTH, required=True)
    kind = GRACE if row.blank("kind") else row.one_of("kind", KINDS, "kind of hold")
    level: str | None = ""
    if kind == GRACE and not row.blank("level"):
        row.refuse("level", "has no place beside more time; leave it blank, or write abuse or request as the kind.")
    elif kind not in (GRACE, None):
        if row.has("level"):
            level = row.one_of("level", LEVELS, "level")
        else:
            row.refuse("kind", "needs a level; add the column level with throttle, walled_garden or suspend.")
    if row.bad or account is None or until is None or kind is None or level is None:
        return None
    return _Wish(row, account, until, reason, str(kind), str(level))


_Known = tuple[dict[int, GraceGrant], dict[tuple[int, str], Hold]]


def _known(wishes: list[_Wish]) -> _Known:
    """Return the newest grant of each account and the restrictions by hand in force, in two queries."""
    ids = [wish.account.pk for wish in wishes]
    grants = GraceGrant.objects.filter(account__in=ids).order_by("account_id", "-pk").distinct("account_id")
    holds = Hold.objects.filter(account__in=ids, lifted_at__isnull=True)
    return {row.account_id: row for row in grants}, {(row.account_id, row.cause): row for row in holds}


def _says_the_same(wish: _Wish, known: _Known) -> bool:
    grants, holds = known
    if wish.kind == GRACE:
        grant = grants.get(wish.account.pk)
        return grant is not None and (grant.until_on, grant.reason) == (wish.until, wish.reason)
    hold = holds.get((wish.account.pk, wish.kind))
    return hold is not None and (hold.level, hold.until_at) == (wish.level, wish.until_at)


def _carry_out(wish: _Wish, by: User | None) -> None:
    if wish.kind == GRACE:
        grant_grace(account=wish.account, until_on=wish.until, reason=wish.reason, by=by)
    else:
        place_by_hand(
            wish.account, cause=wish.kind, level=wish.level, reason=wish.reason, until_at=wish.until_at, by=by
        )
