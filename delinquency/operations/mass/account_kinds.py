"""What can be done to many accounts: more time, a hold, another status."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Max, Sum

from accounts.models import Account, AccountStatus, User
from accounts.operations import change_status
from billing_project.kernel import clock
from billing_project.kernel.errors import Refused
from invoicing.models import Invoice
from netenforce.models import LineState

from ...extensions import allowances_of, days_given
from ...models import AccountHold, GraceGrant, MassAction, MassItem
from ..grace import DAYS_AHEAD_MAX, grant_grace, undo_grant
from ..holds import check_until, end_hold, hold_account
from .kinds import UNDO_WITHIN, Fits, LeftOut, Verdict, Verdicts

Parameters = Mapping[str, Any]
Resume = AccountHold.Resume


@dataclass(slots=True)
class Read:
    """Accounts with what is judged by, read in a constant number of queries."""

    accounts: list[Account]
    owed: dict[int, Decimal]
    restricted: dict[int, int]
    newest_grant: dict[int, int]


def read(keys: Sequence[int]) -> Read:
    """Read a chunk of accounts."""
    rows = Account.objects.filter(pk__in=keys).select_related("company", "status", "standing__policy_version")
    unpaid = Invoice.objects.filter(account__in=keys, state=Invoice.State.OPEN).order_by().values_list("account")
    lines = LineState.objects.filter(line__account__in=keys).exclude(desired_level="open")
    newest = GraceGrant.objects.filter(account__in=keys).order_by().values_list("account")
    return Read(
        accounts=list(rows),
        owed=dict(unpaid.annotate(x=Sum("remaining")).values_list("account", "x")),
        restricted=_counted(lines.values_list("line__account", flat=True)),
        newest_grant=dict(newest.annotate(x=Max("pk")).values_list("account", "x")),
    )


def _counted(keys: Iterable[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for key in keys:
        found[key] = found.get(key, 0) + 1
    return found


def left_out(account: Account, code: str, words: str) -> LeftOut:
    """Return that an account is left out, and why."""
    return LeftOut(account.pk, str(account), Refused(code, words))


def why_no_policy(account: Account) -> Refused | None:
    """Return why nothing that is about a policy can be done to an account; None if it can."""
    if account.closed_on is not None:
        return Refused("closed", f"Account {account.number} was closed on {account.closed_on}.")
    if getattr(account, "standing", None) is None:
        return Refused("no_policy", f"Account {account.number} is under no policy; give it a billing default first.")
    return None


class Grace:
    """More time for many accounts, each within the limit of whoever gives it (A7, A9)."""

    name = MassAction.Kind.GRACE
    right = "delinquency.mass_grace"
    undoes, is_money = True, False
    undo_within: timedelta | None = UNDO_WITHIN
    undo_words = "Give another date with “Grace until” instead; the last one counts."

    def words(self, parameters: Parameters) -> list[str]:
        """Return what is asked for and what it means, in sentences."""
        until = date.fromisoformat(parameters["until_on"])
        found = [f"Each account may become delinquent on {until} at the earliest (A7). What is due stays due."]
        if parameters.get("lift_now"):
            found.append(
                "Running cases end at once and their lines are freed (A8). That, and the message that the line is back,"
                " cannot be undone."
            )
        else:
            found.append("An account that is delinquent already stays so: its case goes on.")
        found.append("An account that has more time already keeps it, and is left out. Each grant counts (A9).")
        return found

    def judge(self, keys: Sequence[int], action: MassAction, by: User) -> Verdicts:
        """Leave out accounts that are closed, under no policy, protected for longer, or at their limit."""
        chunk, now = read(keys), clock.now()
        until, lifts = date.fromisoformat(action.parameters["until_on"]), bool(action.parameters.get("lift_now"))
        allowances = allowances_of(chunk.accounts, by, now)
        found: dict[int, Verdict] = {}
        for account in chunk.accounts:
            today = clock.local(now, account.timezone).date()
            refusal = why_no_policy(account) or _why_not_until(account, until, today)
            if refusal is not None:
                found[account.pk] = LeftOut(account.pk, str(account), refusal)
                continue
            standing = account.standing
            late = standing.delinquent_since is not None
            if standing.grace_until is not None and standing.grace_until >= until and not (late and lifts):
                words = f"Account {account.number} has until {standing.grace_until} already."
                found[account.pk] = left_out(account, "longer_already", words)
            elif not allowances[account.pk].covers(days := days_given(until, today, standing.grace_until)):
                words = allowances[account.pk].refusal(account.number, days)
                found[account.pk] = left_out(account, "grace_limit", words)
            else:
                freed = chunk.restricted.get(account.pk, 0) if late and lifts else 0
                stays = late and not lifts
                found[account.pk] = Fits(
                    account_id=account.pk, label=str(account), amount=chunk.owed.get(account.pk, Decimal(0)),
                    currency=account.company.currency, lines=freed, notices=1 if freed else 0,
                    before={
                        "Grace Until": _iso(standing.grace_until),
                        "newest grant": chunk.newest_grant.get(account.pk, 0),
                    },
                    code="stays_delinquent" if stays else "",
                    note="It is delinquent already and stays so." if stays else "",
                )  # fmt: skip
        return found

    def carry_out(self, item: MassItem, action: MassAction, by: User) -> str:
        """Give one account more time."""
        account = Account.objects.get(pk=item.object_id)
        standing = account.standing
        until = date.fromisoformat(action.parameters["until_on"])
        grant = grant_grace(
            account=account, until_on=max(until, standing.grace_until or until), reason=action.reason, by=by,
            lift_now=bool(action.parameters.get("lift_now")) and standing.delinquent_since is not None,
            seen=item.before["newest grant"],
        )  # fmt: skip
        return f"grant:{grant.pk}"

    def undo(self, item: MassItem, _action: MassAction, by: User) -> None:
        """Put the date in force again that was so before."""
        undo_grant(GraceGrant.objects.get(pk=key_of(item)), by)


class Hold:
    """Accounts on hold for a time, such as those of an area (a storm, an outage of ours)."""

    name = MassAction.Kind.HOLD
    right = "delinquency.hold_accounts"
    undoes, is_money = True, False
    undo_within: timedelta | None = UNDO_WITHIN
    undo_words = "End the hold of single accounts under “Accounts on hold” instead."

    def words(self, parameters: Parameters) -> list[str]:
        """Return what is asked for and what it means, in sentences."""
        until = date.fromisoformat(parameters["until_on"])
        found = [
            f"Until {until} nothing follows from what is owed: no cut, no fee, no notice, nobody becomes delinquent.",
            "Bills go out as ever, and what is paid counts. A notice that was written before still goes out.",
        ]
        if parameters["resume"] == Resume.ANEW:
            days = parameters["anew_days"]
            found.append(
                f"Then the grace starts anew: each account has {days} more days after that. A case that runs stands"
                " still for these days as well."
            )
        else:
            found.append(f"Then it goes on where it stood: steps that fell into the hold run at the check of {until}.")
        if parameters.get("free_now"):
            found.append(
                "Running cases end at once and their lines are freed (A8). That, and the message that the line is back,"
                " cannot be undone."
            )
        else:
            found.append("What is slowed or cut stays so.")
        return found

    def judge(self, keys: Sequence[int], action: MassAction, by: User) -> Verdicts:
        """Leave out accounts that are closed, under no policy, or on hold for as long already."""
        chunk, now = read(keys), clock.now()
        until, frees = date.fromisoformat(action.parameters["until_on"]), bool(action.parameters.get("free_now"))
        found: dict[int, Verdict] = {}
        for account in chunk.accounts:
            refusal = why_no_policy(account)
            try:
                check_until(until, clock.local(now, account.timezone).date())
            except Refused as too_far:
                refusal = refusal or too_far
            if refusal is not None:
                found[account.pk] = LeftOut(account.pk, str(account), refusal)
                continue
            standing = account.standing
            if standing.held_until is not None and standing.held_until >= until:
                words = f"Account {account.number} is on hold until {standing.held_until} already."
                found[account.pk] = left_out(account, "held_longer", words)
                continue
            late = standing.delinquent_since is not None
            freed = chunk.restricted.get(account.pk, 0) if late and frees else 0
            found[account.pk] = Fits(
                account_id=account.pk, label=str(account), amount=chunk.owed.get(account.pk, Decimal(0)),
                currency=account.company.currency, lines=freed, notices=1 if freed else 0,
                before={
                    "on hold until": _iso(standing.held_until), "Grace Until": _iso(standing.grace_until),
                    "delinquent": "yes" if late else "no",
                },
                code="delinquent" if late else "",
                note="It is delinquent; its case stands still." if late and not frees else
                     "It is delinquent; its case ends." if late else "",
            )  # fmt: skip
        return found

    def carry_out(self, item: MassItem, action: MassAction, by: User) -> str:
        """Put one account on hold."""
        asked = action.parameters
        hold = hold_account(
            Account.objects.get(pk=item.object_id), until_on=date.fromisoformat(asked["until_on"]),
            resume=asked["resume"], anew_days=int(asked.get("anew_days") or 0), free_now=bool(asked.get("free_now")),
            reason=action.reason, by=by,
        )  # fmt: skip
        return f"hold:{hold.pk}"

    def undo(self, item: MassItem, action: MassAction, by: User) -> None:
        """End the hold."""
        end_hold(AccountHold.objects.get(pk=key_of(item)), why=action.reason, by=by)


class Status:
    """Another status for many accounts (D1)."""

    name = MassAction.Kind.STATUS
    right = "accounts.set_status"
    undoes, is_money = True, False
    undo_within: timedelta | None = UNDO_WITHIN
    undo_words = "Choose the accounts again, and change their status back."

    def words(self, parameters: Parameters) -> list[str]:
        """Return what is asked for and what it means, in sentences."""
        return [
            f"Each account gets the status {parameters['status_name']}; billing follows from the next run on (D1).",
            "What is owed stays owed.",
        ]

    def judge(self, keys: Sequence[int], action: MassAction, by: User) -> Verdicts:
        """Leave out accounts that are closed, or have the status already."""
        wanted = int(action.parameters["status"])
        found: dict[int, Verdict] = {}
        for account in read(keys).accounts:
            if account.status_id == wanted:
                words = f"Account {account.number} is {account.status} already."
                found[account.pk] = left_out(account, "has_it", words)
            elif account.closed_on is not None:
                words = f"Account {account.number} was closed on {account.closed_on}."
                found[account.pk] = left_out(account, "closed", words)
            else:
                found[account.pk] = Fits(
                    account_id=account.pk, label=str(account), before={"status": account.status.name}
                )
        return found

    def carry_out(self, item: MassItem, action: MassAction, by: User) -> str:
        """Change the status of one account."""
        status = AccountStatus.objects.get(pk=action.parameters["status"])
        change_status(Account.objects.get(pk=item.object_id), status, reason=action.reason, by=by)
        return f"status:{item.pk}"

    def undo(self, item: MassItem, action: MassAction, by: User) -> None:
        """Give one account the status back that it had, unless it got another since."""
        account = Account.objects.select_related("status").get(pk=item.object_id)
        wanted = AccountStatus.objects.filter(name=item.before["status"]).first()
        original = item.action
        if account.status_id != int(original.parameters["status"]) or wanted is None:
            raise Refused("changed_since", f"Account {account.number} is {account.status} by now; it stays so.")
        change_status(account, wanted, reason=action.reason, by=by)


def key_of(item: MassItem) -> int:
    """Return the key of the row that an item wrote."""
    return int(item.effect.partition(":")[2])


def _iso(day: date | None) -> str:
    return day.isoformat() if day is not None else ""


def _why_not_until(account: Account, until: date, today: date) -> Refused | None:
    if until <= today:
        return Refused("grace_not_ahead", f"Grace Until {until} is not after today, {today}.")
    if (until - today).days > DAYS_AHEAD_MAX:
        return Refused("grace_too_far", f"Grace Until {until} is more than a year ahead of {account.number}.")
    return None
