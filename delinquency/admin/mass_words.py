"""What an action on many would do or did, summed up: money, notices, lines, and who is left out and why."""

from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlencode

from django.db.models import Count, Min, Sum
from django.urls import reverse

from delinquency.models import MassAction, MassItem

State = MassItem.State
CODE_WORDS = {
    "closed": "closed",
    "no_policy": "under no policy",
    "longer_already": "protected for as long or longer already",
    "held_longer": "on hold for as long or longer already",
    "grace_limit": "above your limit of more time (A9)",
    "grace_not_ahead": "the date is not ahead where they are",
    "has_it": "have that status already",
    "already_waived": "waived before",
    "charge_invoiced": "on an invoice already; give a credit note there",
    "asked_already": "waiting for a second person already",
    "no_fee": "credits, no fees",
    "arrived": "arrived, or may have",
    "on_its_way": "on their way already",
    "sent_again": "sent again before",
    "no_contact": "their contact was deleted",
    "there_already": "there already",
    "changed": "changed since the preview",
    "changed_since": "changed since",
    "failed": "could not be worked out",
    "gone": "do not exist any more",
    "stays_delinquent": "delinquent already; they stay so",
    "delinquent": "delinquent",
    "asks": "above your limit; a second person is asked",
    "twice": "may arrive a second time",
}
ORDER = {State.WAITING: 0, State.DONE: 1, State.FAILED: 2, State.EXCLUDED: 3, State.UNDONE: 4}


@dataclass(frozen=True, slots=True)
class Group:
    """Items of one outcome for one reason."""

    state: str
    count: int
    words: str
    example: str
    list_url: str
    file_url: str
    failed: bool


def groups_of(action: MassAction) -> list[Group]:
    """Return who is left out, failed, or is special, by reason, with where each of them is listed."""
    rows = (
        action.items.exclude(code="").order_by().values_list("state", "code").annotate(n=Count("pk"), why=Min("reason"))
    )
    names = dict(State.choices)
    found = []
    for state, code, count, why in sorted(rows, key=lambda row: (ORDER.get(row[0], 9), -row[2], row[1])):
        query = urlencode({"action__id__exact": action.pk, "state__exact": state, "code__exact": code})
        file = urlencode({"state": state, "code": code})
        found.append(
            Group(
                state=str(names[state]), count=count, words=CODE_WORDS.get(code, why.rstrip(".")), example=why,
                list_url=f"{reverse('admin:delinquency_massitem_changelist')}?{query}",
                file_url=f"{reverse('admin:delinquency_massaction_items', args=[action.pk])}?{file}",
                failed=state == State.FAILED,
            )
        )  # fmt: skip
    return found


def sums_of(action: MassAction, state: str) -> dict[str, object]:
    """Return what the items of a state come to: how many, money by currency, notices, lines."""
    rows = action.items.filter(state=state).order_by().values_list("currency")
    totals = list(rows.annotate(Count("pk"), Sum("amount"), Sum("notices"), Sum("lines")))
    return {
        "count": sum(row[1] for row in totals),
        "money": [(f"{row[2]:,.2f}", row[0]) for row in sorted(totals) if row[2] not in (None, Decimal(0))],
        "notices": sum(row[3] or 0 for row in totals),
        "lines": sum(row[4] or 0 for row in totals),
    }
