"""Questions about customers, each answered with a constant number of queries for any number of accounts."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Value

from billing_project.kernel.together import Reading, in_turn

from .models import Account, AccountStatus, Company, Contact, FundingSource, Notice, Pause, ServiceLine, Shadow

PAUSE, SHADOW = "pause", "shadow"  # in this order where both are on

NoticeKey = tuple[int, str, str]


def share_house(accounts: Iterable[Account], statuses: Mapping[int, AccountStatus] | None = None) -> None:
    """Give accounts their statuses and companies, of which there are few: one object for all, not one an account.

    The ``statuses`` by key are read unless the caller has them.
    """
    rows = list(accounts)
    known = AccountStatus.objects.in_bulk({row.status_id for row in rows}) if statuses is None else statuses
    companies = Company.objects.in_bulk({row.company_id for row in rows})
    for row in rows:
        row.status, row.company = known[row.status_id], companies[row.company_id]


def billing_contacts(account_ids: Iterable[int]) -> dict[int, Contact]:
    """Return the billing contact of each account that has one (E2, A26)."""
    rows = Contact.objects.filter(account_id__among=list(account_ids), is_billing_contact=True)
    return {contact.account_id: contact for contact in rows}


def lines_of(account_ids: Iterable[int]) -> dict[int, list[ServiceLine]]:
    """Return the service lines of each account that has some, oldest first."""
    lines: dict[int, list[ServiceLine]] = defaultdict(list)
    for line in ServiceLine.objects.filter(account_id__in=list(account_ids)).order_by("pk"):
        lines[line.account_id].append(line)
    return dict(lines)


def funding_sources_by_rank(account_ids: Iterable[int]) -> dict[int, dict[int, FundingSource]]:
    """Return the funding sources of each account that has some, by rank, primary first (E8)."""
    sources: dict[int, dict[int, FundingSource]] = defaultdict(dict)
    for source in FundingSource.objects.filter(account_id__in=list(account_ids)).order_by("rank"):
        sources[source.account_id][source.rank] = source
    return dict(sources)


def notice_states(account_ids: Iterable[int]) -> dict[NoticeKey, set[str]]:
    """Return the states of all notices by account, anchor key and step key (A30: was one accepted?)."""
    return in_turn(notice_states_reading(account_ids))


def notice_states_reading(account_ids: Iterable[int]) -> Reading[dict[NoticeKey, set[str]]]:
    """Read the states of all notices, as `notice_states` returns them; one round."""
    states: dict[NoticeKey, set[str]] = defaultdict(set)
    (rows,) = yield (
        Notice.objects.filter(account_id__among=list(account_ids))
        .order_by()
        .values_list("account_id", "anchor_key", "step_key", "state")
        .distinct(),
    )
    for account_id, anchor_key, step_key, state in rows:
        states[account_id, anchor_key, step_key].add(state)
    return dict(states)


@dataclass(frozen=True, slots=True)
class Stop:
    """What keeps everything inside the program now: the global pause, or shadow mode before going live."""

    kind: str
    pk: int
    started_at: datetime
    started_by: str
    why: str

    @property
    def is_shadow(self) -> bool:
        """Tell whether it is shadow mode."""
        return self.kind == SHADOW

    @property
    def words(self) -> str:
        """Return since when, by whom and why, in one sentence."""
        how = "In shadow mode" if self.is_shadow else "Paused"
        who = self.started_by or "the program"
        return f"{how} since {self.started_at:%Y-%m-%d %H:%M} UTC by {who}: {self.why.rstrip('.')}."


def open_stops() -> list[Stop]:
    """Return the pause and the shadow mode that are on now, the pause first; one query."""
    columns = ("kind", "pk", "started_at", "started_by__username", "why")
    pauses = Pause.objects.filter(ended_at__isnull=True).order_by().annotate(kind=Value(PAUSE))
    shadows = Shadow.objects.filter(ended_at__isnull=True).order_by().annotate(kind=Value(SHADOW))
    rows = pauses.values_list(*columns).union(shadows.values_list(*columns), all=True)
    return sorted((Stop(kind, pk, at, by or "", why) for kind, pk, at, by, why in rows), key=lambda stop: stop.kind)


def open_pause() -> Stop | None:
    """Return what stops everything now, if anything; whoever is about to act outside asks right before each act (R-15).

    That is the global pause or, before going live, shadow mode.
    """
    return next(iter(open_stops()), None)


def zones_in_use() -> list[str]:
    """Return the time zones that accounts are in; from zone to zone by the index, so that it costs a few look-ups."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE used AS (
                (SELECT timezone FROM accounts_account ORDER BY timezone LIMIT 1)
                UNION ALL
                SELECT (SELECT a.timezone FROM accounts_account a WHERE a.timezone > used.timezone
                        ORDER BY a.timezone LIMIT 1)
                FROM used WHERE used.timezone IS NOT NULL
            )
            SELECT timezone FROM used WHERE timezone IS NOT NULL
            """
        )
        return [str(row[0]) for row in cursor.fetchall()]
