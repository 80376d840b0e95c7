"""Questions about customers, each answered with a constant number of queries for any number of accounts."""

from collections import defaultdict
from collections.abc import Iterable

from billing_project.kernel.together import Reading, in_turn

from .models import Contact, FundingSource, Notice, Pause, ServiceLine

NoticeKey = tuple[int, str, str]


def billing_contacts(account_ids: Iterable[int]) -> dict[int, Contact]:
    """Return the billing contact of each account that has one (E2, A26)."""
    rows = Contact.objects.filter(account_id__in=list(account_ids), is_billing_contact=True)
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
        Notice.objects.filter(account_id__in=list(account_ids))
        .order_by()
        .values_list("account_id", "anchor_key", "step_key", "state")
        .distinct(),
    )
    for account_id, anchor_key, step_key, state in rows:
        states[account_id, anchor_key, step_key].add(state)
    return dict(states)


def open_pause() -> Pause | None:
    """Return the pause that is on now, if any; whoever is about to act outside asks right before each act (R-15)."""
    return Pause.objects.select_related("started_by").filter(ended_at__isnull=True).first()
