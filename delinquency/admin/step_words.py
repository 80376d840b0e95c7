"""What comes next for an account, in the words of a clerk: what, and unless what (U10)."""

from decimal import Decimal

from delinquency.glance import CUTTING, LEVEL_WORDS, Glance, Step

ZERO = Decimal("0.00")
VERBS = {
    "issued": "Issue the next bill", "due": "Payment is due", "past_due": "The invoice is past due",
    "delinquent": "The invoice becomes delinquent", "account_delinquent": "The account becomes delinquent",
    "late_fee": "Charge a late fee", "notice": "Write to the customer", "ticket_opened": "Open a ticket",
    "call_task": "Have the customer called", "charge": "Charge the card or bank account",
    "status_switch": "Stop service and billing", "secondary_source_requested": "Ask for a second payment source",
    "flagged": "Flag it for being late", "unflagged": "Drop the flag", "released": "Open the line",
    "status_restored": "Give the status back",
}  # fmt: skip
CUTS = {
    LEVEL_WORDS["throttle"]: "Slow the line", LEVEL_WORDS["walled_garden"]: "Limit the line to the payment page",
    LEVEL_WORDS["suspend"]: "Suspend the line",
}  # fmt: skip
# What paying before its moment stops.
STOPPED_BY_MONEY = CUTTING | {
    "notice",
    "ticket_opened",
    "call_task",
    "charge",
    "past_due",
    "secondary_source_requested",
}


def sentence(step: Step, at: Glance) -> str:
    """Return what happens, with its amount, such as "Charge a late fee of 10.00 USD"."""
    words = CUTS.get(step.level, "Restrict the line") if step.kind == "restricted" else VERBS.get(step.kind)
    words = words or str(step.words)
    if step.amount is not None and step.kind in ("issued", "due", "late_fee", "reconnection_fee", "charge"):
        words += f"{': ' if step.kind == 'due' else ' of '}{step.amount:,.2f} {at.currency}"
    return words


def condition(step: Step, at: Glance) -> str:
    """Return what stops it, such as "unless 42.10 USD is paid"; blank where money does not.

    All that is due before counts, as money goes to the oldest due first (A21).
    """
    if step.kind not in STOPPED_BY_MONEY:
        return ""
    due = (row for row in at.position.open_invoices if not row.frozen and row.due_on <= step.at.date())
    needed = sum((row.remaining for row in due), ZERO)
    return f"unless {needed:,.2f} {at.currency} is paid" if needed else "unless what is due by then is paid"
