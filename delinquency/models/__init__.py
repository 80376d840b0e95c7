"""Policies, standings, cases, tickets, and the journal of decisions."""

from .airbag import AirbagStep, AirbagTrip
from .case import Case, StepRun
from .journal import Event, Sweep
from .policy import Exclusion, Policy, PolicyStep, PolicyVersion
from .standing import GraceGrant, InvoiceStanding, Standing
from .ticket import CallTask, Ticket, TicketComment

__all__ = [
    "AirbagStep",
    "AirbagTrip",
    "CallTask",
    "Case",
    "Event",
    "Exclusion",
    "GraceGrant",
    "InvoiceStanding",
    "Policy",
    "PolicyStep",
    "PolicyVersion",
    "Standing",
    "StepRun",
    "Sweep",
    "Ticket",
    "TicketComment",
]
