"""Every event as one sentence that a customer could read, made from the facts that were compared and nothing else.

The same facts are stored with the event, so the sentence can be told again from the row.
"""

from collections.abc import Callable, Mapping
from typing import Any

Facts = Mapping[str, Any]

PAID = "what was owed for it is paid."
LIFTED = "lifted: a clerk granted more time."


def sentence(kind: str, facts: Facts, *, number: object = None, amount: object = None) -> str:
    """Return the sentence of an event; `number` is its invoice's, `amount` its own."""
    teller = TELLERS.get(kind)
    return "" if teller is None else teller({"number": number, "amount": amount, **facts})


def _why_over(facts: Facts) -> str:
    return LIFTED if facts.get("lifted") else PAID


def _issued(facts: Facts) -> str:
    return f"Invoice {facts['number']} over {facts['amount']} is due on {facts['due_on']}."


def _due(facts: Facts) -> str:
    return f"Invoice {facts['number']} is due today; {facts['unpaid']} of it is unpaid."


def _past_due(facts: Facts) -> str:
    return (
        f"Invoice {facts['number']} was due on {facts['due_on']} and {facts['unpaid']} of it "
        "was unpaid at the end of that day."
    )


def _payment(facts: Facts) -> str:
    return f"Payment {facts['reference']} of {facts['amount']} was received."


def _reversal(facts: Facts) -> str:
    fee = facts.get("nsf_fee")
    costs = f" The returned payment costs {fee}." if fee else ""
    what = f"Payment {facts['reference']} of {facts['amount']} was returned by the bank"
    return f"{what}; what it paid is owed again.{costs}"


def _late_fee(facts: Facts) -> str:
    grace = f" with grace until {facts['grace_until_on']}" if facts.get("put_off") else ""
    return (
        f"{facts['unpaid']} of invoice {facts['number']}, due on {facts['due_on']}{grace}, was still unpaid; "
        f"the late fee is {facts['amount']}."
    )


def _delinquent(facts: Facts) -> str:
    if facts.get("grace_days") is not None:
        rule = f"due on {facts['due_on']} with {facts['grace_days']} days of grace"
    else:
        rule = f"due on {facts['due_on']} and unpaid at the end of day {facts['after_day_of_month']}"
    if facts["on"] == facts["natural_on"]:
        late = f", granted until {facts['natural_on']}" if facts["natural_on"] == facts.get("grace_until_on") else ""
    elif facts.get("reopened_on"):
        late = f"; it was reopened on {facts['reopened_on']}"
    else:
        late = f"; put off from {facts['natural_on']}, as {facts.get('closed_why') or 'no check was due'}"
    again = " What had been released before holds again." if facts.get("holds_again") else ""
    return f"{facts['unpaid']} of invoice {facts['number']} is unpaid: {rule}{late}.{again}"


def _account_delinquent(facts: Facts) -> str:
    how = (
        f"The episode that began on {facts['since_on']} goes on"
        if facts.get("resumed")
        else "The account is delinquent"
    )
    return f"{how}, because of {', '.join(facts['invoices'])}."


def _message(facts: Facts) -> str:
    about = (
        f"invoice {facts['number']}, due on {facts['due_on']}"
        if facts.get("due_on")
        else f"delinquent since {facts['since_on']}"
    )
    return f"{facts['unpaid']} is unpaid: {about}."


def _comment(facts: Facts) -> str:
    return f"{', '.join(facts['joined'])}: delinquent too." if "joined" in facts else _message(facts)


def _held(facts: Facts) -> str:
    return f"Held back: {facts['requires']} must have been accepted first, and was not."


def _cut(facts: Facts) -> str:
    if facts.get("again"):
        return "What had been released holds again, because the invoice is delinquent again."
    since = f"since {facts['since_on']}" if facts.get("since_on") else "in advance, as the account is flagged"
    return f"{facts['unpaid']} is unpaid on {', '.join(facts['invoices'])}; delinquent {since}."


def _flagged(facts: Facts) -> str:
    if "by_hand" in facts:
        return str(facts["by_hand"])
    return (
        f"Seriously late {len(facts['days_on'])} times ({', '.join(map(str, facts['days_on']))}), "
        f"more than the {facts['limit']} that the policy allows."
    )


def _unflagged(facts: Facts) -> str:
    if "by_hand" in facts:
        return str(facts["by_hand"])
    return "Twelve months have passed since the last seriously late invoice."


TELLERS: dict[str, Callable[[Facts], str]] = {
    "issued": _issued,
    "due": _due,
    "past_due": _past_due,
    "payment": _payment,
    "reversal": _reversal,
    "late_fee": _late_fee,
    "delinquent": _delinquent,
    "account_delinquent": _account_delinquent,
    "notice": _message,
    "ticket_opened": _message,
    "call_task": _message,
    "charge": _message,
    "secondary_source_requested": _message,
    "_ticket_comment": _comment,
    "held": _held,
    "restricted": _cut,
    "status_switch": _cut,
    "_hold_again": _cut,
    "flagged": _flagged,
    "unflagged": _unflagged,
    "released": lambda facts: f"The line is released: {_why_over(facts)}",
    "cured": lambda facts: f"Invoice {facts['number']} is no longer delinquent: {_why_over(facts)}",
    "account_cured": lambda facts: f"No delinquent invoice is left: {_why_over(facts)}",
    "status_restored": lambda facts: f"The account returns to the status it is due: {_why_over(facts)}",
    "reconnection_fee": lambda facts: f"Service had been cut; reconnecting costs {facts['amount']}.",
    "_ticket_reopened": lambda _: "Opened again: the payment that closed it was returned.",
    "ticket_closed": lambda _: "Everything the ticket was about is paid.",
    "_step_done": lambda _: "The fee rounds to nothing, or the status is switched already.",
}
