"""Policies, standings, cases, tickets, and the journal of decisions."""

from .case import Case, StepRun
from .journal import Event, Sweep
from .move import MoveBatch, PolicyMove
from .policy import Exclusion, Policy, PolicyStep, PolicyVersion
from .standing import GraceGrant, InvoiceStanding, Standing
from .ticket import CallTask, Ticket, TicketComment

__all__ = [
    "CallTask",
    "Case",
    "Event",
    "Exclusion",
    "GraceGrant",
    "InvoiceStanding",
    "MoveBatch",
    "Policy",
    "PolicyMove",
    "PolicyStep",
    "PolicyVersion",
    "Standing",
    "StepRun",
    "Sweep",
    "Ticket",
    "TicketComment",
]
