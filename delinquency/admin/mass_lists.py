"""Which lists offer an action on many in their menu: those of the rooms below as well."""

from typing import Any

from django.contrib import admin
from django.db.models import Model

from accounts.models import Account, Notice
from delinquency.models import MassAction, Ticket
from invoicing.models import Charge, Payment

from . import overview, ticket_desk  # the lists must be there before anything is offered in them
from .mass_start import list_action

__all__ = ["overview", "ticket_desk"]

Kind = MassAction.Kind


def offer(model: type[Model], *actions: Any) -> None:
    """Put actions before those of a list."""
    desk: Any = admin.site._registry[model]
    desk.actions = (*actions, *desk.actions)


offer(
    Account,
    list_action(Kind.GRACE, "Grace until a date", "mass_grace"),
    list_action(Kind.HOLD, "Put on hold until a date", "mass_hold"),
    list_action(Kind.STATUS, "Change the status of the chosen accounts", "operate"),
)
offer(Charge, list_action(Kind.WAIVE, "Waive the chosen charges", "waive"))
offer(Payment, list_action(Kind.REVERSE, "Reverse the chosen payments (they came back)", "reverse"))
offer(Notice, list_action(Kind.RESEND, "Send the chosen notices again", "operate"))
offer(Ticket, list_action(Kind.HAND_OVER, "Hand over, or assign", "operate"))
