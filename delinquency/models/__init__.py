"""Policies, standings, cases, tickets, and the journal of decisions."""

from .case import Case, StepRun
from .journal import Event, Sweep
from .policy import Exclusion, Policy, PolicyStep, PolicyVersion
from .promise import Promise
from .standing import GraceGrant, InvoiceStanding, Standing
from .ticket import CallTask, Ticket, TicketComment

__all__ = [
    "CallTask",
    "Case",
    "Event",
    "Exclusion",
    "GraceGrant",
    "InvoiceStanding",
    "Policy",
    "PolicyStep",
    "PolicyVersion",
    "Promise",
    "Standing",
    "StepRun",
    "Sweep",
    "Ticket",
    "TicketComment",
]
