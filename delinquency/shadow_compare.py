"""Compare where each account stands here with where the old system says it stands; reads only."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from django.db.models import OuterRef, Subquery

from accounts.models import Account
from billing_project.kernel import money
from invoicing.queries import positions
from netenforce.models import LineState
from netenforce.models.hold import Level

from .models import AcceptedDifference, Event, OldState, Standing

Field = AcceptedDifference.Field
ABSENT = "absent"
LABELS = {**dict(Field.choices), ABSENT: "not in the old system's file"}
# Accounts are compared in chunks, each with a constant number of queries.
CHUNK = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing in which an account differs, in words a person can compare."""

    account_id: int
    number: str
    name: str
    timezone: str
    field: str
    ours: str
    theirs: str
    accepted: str = ""

    @property
    def label(self) -> str:
        """Return what differs, in words."""
        return str(LABELS[self.field])

    @property
    def key(self) -> str:
        """Return what a form calls this difference by."""
        return f"{self.account_id}:{self.field}"


@dataclass(slots=True)
class Comparison:
    """What was compared, and every difference."""

    compared: int = 0
    agree: int = 0
    newest_on: date | None = None
    oldest_on: date | None = None
    differences: list[Difference] = field(default_factory=list)

    @property
    def open(self) -> list[Difference]:
        """Return the differences that nobody has accepted."""
        return [one for one in self.differences if not one.accepted]

    def counts(self) -> list[tuple[str, str, int, int]]:
        """Return for each kind of difference: its code, its words, how many there are, and how many are accepted."""
        every = Counter(one.field for one in self.differences)
        accepted = Counter(one.field for one in self.differences if one.accepted)
        return [(code, str(LABELS[code]), every[code], accepted[code]) for code in LABELS if every[code]]


def compare() -> Comparison:
    """Compare all accounts that are open here, or that the old system's newest file names."""
    found = Comparison()
    newest = OldState.objects.filter(account=OuterRef("pk")).order_by("-on").values("pk")[:1]
    accounts = list(
        Account.objects.annotate(old_id=Subquery(newest)).select_related("status").order_by("number")
    )  # fmt: skip
    wanted = [account for account in accounts if account.old_id is not None or account.closed_on is None]
    accepted = _accepted()
    for start in range(0, len(wanted), CHUNK):
        _compare_chunk(found, wanted[start : start + CHUNK], accepted)
    return found


_Accepted = dict[tuple[int, str, str, str], str]


def _accepted() -> _Accepted:
    rows = AcceptedDifference.objects.values_list("account_id", "field", "ours", "theirs", "reason")
    return {(account_id, name, ours, theirs): reason for account_id, name, ours, theirs, reason in rows}


def _compare_chunk(found: Comparison, accounts: Sequence[Account], accepted: _Accepted) -> None:
    ids = [account.pk for account in accounts]
    old = OldState.objects.in_bulk([one.old_id for one in accounts if one.old_id])  # type: ignore[attr-defined]
    owed = positions(ids)
    late = dict(Standing.objects.filter(account__in=ids).values_list("account_id", "delinquent_since"))
    states = LineState.objects.filter(line__account__in=ids).exclude(desired_level=Level.OPEN)
    restricted = set(states.values_list("line__account_id", flat=True))
    for account in accounts:
        state = old.get(account.old_id)  # type: ignore[attr-defined]
        if state is None:
            pairs = [(ABSENT, f"here as {account.status.name}", "not named")]
        else:
            found.compared += 1
            found.newest_on = max(found.newest_on or state.on, state.on)
            found.oldest_on = min(found.oldest_on or state.on, state.on)
            since = late.get(account.pk)
            pairs = list(
                _differing(account, state, money.text(owed[account.pk].balance), since, account.pk in restricted)
            )
            found.agree += not pairs
        found.differences += [
            Difference(
                account_id=account.pk, number=account.number, name=account.name, timezone=account.timezone,
                field=name, ours=ours, theirs=theirs, accepted=accepted.get((account.pk, name, ours, theirs), ""),
            )
            for name, ours, theirs in pairs
        ]  # fmt: skip


def _differing(
    account: Account, old: OldState, balance: str, since: date | None, restricted: bool
) -> Iterable[tuple[str, str, str]]:
    """Yield what differs; what the old system does not say is not compared."""
    if old.status and old.status.casefold() != account.status.name.casefold():
        yield Field.STATUS, account.status.name, old.status
    if old.balance is not None and money.text(old.balance) != balance:
        yield Field.BALANCE, balance, money.text(old.balance)
    if old.delinquent is not None and old.delinquent != (since is not None):
        yield Field.DELINQUENT, _yes_no(since is not None), _yes_no(old.delinquent)
    elif old.since is not None and since is not None and old.since != since:
        yield Field.SINCE, since.isoformat(), old.since.isoformat()
    if old.restricted is not None and old.restricted != restricted:
        yield Field.RESTRICTED, _yes_no(restricted), _yes_no(old.restricted)


def why_ours(account_ids: Iterable[int]) -> dict[int, str]:
    """Return for each account the last thing that was decided about it here, and why; one query."""
    ids = set(account_ids)
    last = Event.objects.filter(account__in=ids).order_by("account_id", "-sequence").distinct("account_id")
    return {
        account_id: f"{on}: {why}{f' ({rule})' if rule else ''}"
        for account_id, on, why, rule in last.values_list("account_id", "on", "why", "rule")
    }


def restricted_there() -> list[int]:
    """Return the accounts whose lines the old system has restricted, by its newest word on each."""
    newest = OldState.objects.order_by("account_id", "-on").distinct("account_id")
    return list(
        OldState.objects.filter(pk__in=newest.values("pk"), restricted=True).values_list("account_id", flat=True)
    )


def _yes_no(answer: bool) -> str:
    return "yes" if answer else "no"
