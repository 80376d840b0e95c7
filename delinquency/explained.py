"""Why something happened, read from the journal: what was compared, and that it still leads to the same decision."""

from collections.abc import Iterable, Iterator
from typing import Any

from .models import Event
from .policy_file import policies_of
from .rules.explain import Decision, Told, decide_again
from .rules.policy import Policy

# What the stored names mean to a person; a name that speaks for itself is shown with its underscores taken out.
NAMES = {
    "again": "held before, and holds again",
    "after_day_of_month": "unpaid at the end of day of the month",
    "closed_why": "why the first possible day was not open",
    "cured": "left on the invoices that ended it",
    "days_on": "seriously late on",
    "excluded": "why the day itself was not open",
    "grace_until_on": "grace until",
    "holds_again": "steps that hold again",
    "invoices": "unpaid on the invoices",
    "last_on": "last seriously late on",
    "least": "least amount that counts",
    "lifted": "lifted by a clerk",
    "limit": "allowed by the policy",
    "moves": "moved on invoices",
    "natural_on": "first possible day",
    "proof": "the notice it requires was",
    "put_off": "put off by grace",
    "requires": "requires the notice",
    "since_on": "delinquent since",
}


def facts_in_words(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Return stored facts as names and values for a person; what was empty is left out."""
    rows = []
    for key, value in sorted(facts.items()):
        if value in (None, "", [], {}):
            continue
        name = NAMES.get(key, key.removesuffix("_on").replace("_", " ") + (" on" if key.endswith("_on") else ""))
        rows.append((name, _shown(value)))
    return rows


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(" ".join(map(str, item)) if isinstance(item, list) else str(item) for item in value)
    return str(value)


def decided_again(event: Event, policy: Policy) -> Decision:
    """Return what the stored facts of an event lead to under its policy version."""
    return decide_again(Told(event.kind, event.on, event.facts, event.amount, event.step), policy)


def same_decision(event: Event, policy: Policy) -> bool:
    """Tell whether the stored facts lead to the event again, on its day and for its amount."""
    decision = decided_again(event, policy)
    return decision.holds and (decision.amount is None or event.amount is None or decision.amount == event.amount)


def unexplained(events: Iterable[Event]) -> Iterator[Event]:
    """Yield the events whose stored facts do not lead to them, in the order given."""
    policies: dict[int, Policy] = {}
    for event in events:
        version_id = event.policy_version_id
        if version_id is None:
            yield event
            continue
        if version_id not in policies:
            policies |= policies_of([version_id])
        if not same_decision(event, policies[version_id]):
            yield event
