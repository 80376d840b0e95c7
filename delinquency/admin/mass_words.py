"""What an action on many would do or did, summed up: money, notices, lines, and who is left out and why."""

from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlencode

from django.urls import reverse

from delinquency.models import MassAction, MassItem
from delinquency.operations import mass

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
    "reversed_before": "taken back before",
    "refund_under_way": "being given back at this moment",
    "reopens": "had paid invoices; these are open again",
    "only_credit": "had paid nothing yet; only unused credit is taken",
}
ORDER: dict[str, int] = {State.WAITING: 0, State.DONE: 1, State.FAILED: 2, State.EXCLUDED: 3, State.UNDONE: 4}


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
    counts: dict[tuple[str, str], int] = {}
    why: dict[tuple[str, str], str] = {}
    for state, code, _currency, count, _amount, _notices, _lines, example in mass.outcomes_of(action) or ():
        if code:
            counts[state, code] = counts.get((state, code), 0) + count
            why[state, code] = min(example, why.get((state, code), example))
    names = dict(State.choices)
    found = []
    for (state, code), count in sorted(counts.items(), key=lambda row: (ORDER.get(row[0][0], 9), -row[1], row[0][1])):
        query = urlencode({"action__id__exact": action.pk, "state__exact": state, "code__exact": code})
        file = urlencode({"state": state, "code": code})
        example = why[state, code]
        found.append(
            Group(
                state=str(names[state]), count=count, words=CODE_WORDS.get(code, example.rstrip(".")), example=example,
                list_url=f"{reverse('admin:delinquency_massitem_changelist')}?{query}",
                file_url=f"{reverse('admin:delinquency_massaction_items', args=[action.pk])}?{file}",
                failed=state == State.FAILED,
            )
        )  # fmt: skip
    return found


def sums_of(action: MassAction, state: str) -> dict[str, object]:
    """Return what the items of a state come to: how many, money by currency, notices, lines.

    While a worker still adds up many of them it is only how many, which the action knows.
    """
    outcomes = mass.outcomes_of(action)
    if outcomes is None:
        return {"count": action.to_do if state == State.WAITING else action.done, "added_up": False}
    rows = [row for row in outcomes if row[0] == state]
    money: dict[str, Decimal] = {}
    for row in rows:
        if row[4] is not None:
            money[row[2]] = money.get(row[2], Decimal(0)) + Decimal(row[4])
    return {
        "count": sum(row[3] for row in rows), "added_up": True,
        "money": [(f"{amount:,.2f}", currency) for currency, amount in sorted(money.items()) if amount],
        "notices": sum(row[5] or 0 for row in rows),
        "lines": sum(row[6] or 0 for row in rows),
    }  # fmt: skip
