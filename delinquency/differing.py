"""What a move to another policy version changes for many accounts: counts, groups with examples, and who cannot move.

Nothing is written. A chunk is compared at a time, and what was found is kept as plain data, so that a long comparison
can be taken up where it stopped.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from accounts.models import Account

from .ahead import Prospect, prospects
from .models import PolicyVersion, Standing
from .policy_file import policy_of
from .rules.difference import Mark, compare, milestones, next_step, shift

# How far ahead two futures are compared, in days: an invoice's whole ladder and the bill after it.
AHEAD_DAYS = 60
EXAMPLES = 20
COUNTED = {
    "account_delinquent": "accounts that become delinquent",
    "restricted": "lines slowed or cut",
    "status_switch": "status switches",
    "late_fee": "late fees",
    "notice": "notices",
    "ticket_opened": "tickets",
    "call_task": "calls by staff",
    "charge": "charges of cards and bank accounts",
    "issued": "invoices",
}


def nothing_yet(until: date) -> dict[str, Any]:
    """Return an empty difference up to a day."""
    return {"until": str(until), "compared": 0, "same": 0, "same_next": 0, "groups": {}, "totals": {}}


def add_difference(found: dict[str, Any], account_ids: Sequence[int], version: PolicyVersion) -> None:
    """Compare a chunk of accounts as they stand with what they would be under a version, and add it to `found`."""
    until = date.fromisoformat(found["until"])
    before = prospects(account_ids, until)
    after = prospects(account_ids, until, instead=policy_of(version))
    for account_id, old in before.items():
        new = after[account_id]
        found["compared"] += 1
        if all(row.mark is Mark.SAME for row in compare(old.events, new.events)):
            found["same"] += 1
        _next(found, old, new)
        _milestones(found, old, new)
        _totals(found, old, "before")
        _totals(found, new, "after")


def movable(account_ids: Sequence[int]) -> tuple[dict[int, Account], dict[int, PolicyVersion]]:
    """Return accounts of a chunk and the versions that they are under."""
    accounts = {account.pk: account for account in Account.objects.filter(pk__in=account_ids)}
    rows = Standing.objects.filter(account__in=account_ids).select_related("policy_version__policy")
    return accounts, {row.account_id: row.policy_version for row in rows}


def _next(found: dict[str, Any], old: Prospect, new: Prospect) -> None:
    before, after = next_step(old.events), next_step(new.events)
    if (before and (before.kind, before.at)) == (after and (after.kind, after.at)):
        found["same_next"] += 1
        return
    one, other = (str(event.kind) if event else "nothing" for event in (before, after))
    how = shift(before.on if before else None, after.on if after else None) or "same_day"
    _add(found, f"next:{one}:{other}:{how}", old, before.on if before else None, after.on if after else None)


def _milestones(found: dict[str, Any], old: Prospect, new: Prospect) -> None:
    before, after = milestones(old.events, old.policy), milestones(new.events, new.policy)
    for name in ("delinquent_on", "cut_on", "switched_on"):
        one, other = getattr(before, name), getattr(after, name)
        how = shift(one, other)
        if how:
            _add(found, f"{name}:{how}", old, one, other)
    if before.fees != after.fees:
        _add(found, f"fees:{'more' if after.fees > before.fees else 'less'}", old, before.fees, after.fees)


def _add(found: dict[str, Any], code: str, at: Prospect, before: object, after: object) -> None:
    group = found["groups"].setdefault(code, {"count": 0, "rows": []})
    group["count"] += 1
    if len(group["rows"]) < EXAMPLES:
        ends = ("" if before is None else str(before), "" if after is None else str(after))
        group["rows"].append([at.account.pk, at.account.number, *ends])


def _totals(found: dict[str, Any], at: Prospect, side: str) -> None:
    for event in at.events:
        kind = str(event.kind)
        if kind in COUNTED:
            sums = found["totals"].setdefault(kind, {"before": 0, "after": 0, "amounts": {}})
            sums[side] += 1
            if event.amount is not None and kind in ("late_fee", "issued"):
                money = sums["amounts"].setdefault(at.account.company.currency, {"before": "0.00", "after": "0.00"})
                money[side] = str(Decimal(money[side]) + event.amount)
