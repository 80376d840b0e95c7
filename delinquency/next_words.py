"""What comes next if a customer does nothing, each step as one whole sentence with its date (C8)."""

from datetime import date
from decimal import Decimal

from django.utils.translation import gettext as _

from .glance import FOR_CUSTOMERS, LEVEL_WORDS, Glance, Step
from .plain_words import long_day, sum_of

ZERO = Decimal("0.00")


def sentences(steps: list[Step], at: Glance) -> list[str]:
    """Return a sentence for each step that a customer is told of, soonest first."""
    return [_sentence(step, at) for step in steps if step.kind in FOR_CUSTOMERS]


def _sentence(step: Step, at: Glance) -> str:
    facts = {"day": long_day(step.at.date(), at.today), "number": step.number or ""}
    if step.amount is not None:
        facts["sum"] = sum_of(step.amount, at.currency)
    match step.kind:
        case "due":
            return _("On %(day)s invoice %(number)s is due: %(sum)s.") % ({"sum": ""} | facts)
        case "past_due":
            return _("From %(day)s invoice %(number)s is late, if it is not paid before.") % facts
        case "charge":
            return _("On %(day)s we charge your card or bank account, if you have not paid before.") % facts
        case "late_fee":
            begun = _("On %(day)s a late fee of %(sum)s is charged on invoice %(number)s") % ({"sum": ""} | facts)
        case "restricted":
            begun = _restricted(step) % facts
        case "status_switch":
            begun = _("On %(day)s your service and its billing stop") % facts
        case _:
            begun = _("On %(day)s your account becomes delinquent") % facts
    return f"{begun}{_unless(step, at)}"


def _restricted(step: Step) -> str:
    if step.level == LEVEL_WORDS["throttle"]:
        return _("On %(day)s your line is slowed")
    if step.level == LEVEL_WORDS["walled_garden"]:
        return _("On %(day)s your line is limited to the payment page")
    if step.level == LEVEL_WORDS["suspend"]:
        return _("On %(day)s your line is suspended")
    return _("On %(day)s your line is restricted")


def _unless(step: Step, at: Glance) -> str:
    """Say what stops it: all that is due before, as money goes to the oldest due first (A21)."""
    needed = _needed(step.at.date(), at)
    if not needed:
        return _(", unless what is due by then is paid.")
    return _(", unless %(sum)s is paid before.") % {"sum": sum_of(needed, at.currency)}


def _needed(on: date, at: Glance) -> Decimal:
    rows = (row for row in at.position.open_invoices if not row.frozen and row.due_on <= on)
    return sum((row.remaining for row in rows), ZERO)
