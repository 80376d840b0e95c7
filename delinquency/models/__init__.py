"""Policies, standings, cases, tickets, and the journal of decisions."""

from .airbag import AirbagStep, AirbagTrip
from .call import CallTask
from .case import Case, StepRun
from .dispute import Dispute
from .holiday_copy import HolidayCopy
from .importing import ImportFile, ImportMapping, ImportProblem
from .journal import Event, Sweep
from .macro import CannedReply, Macro, MacroAction
from .move import MoveBatch, PolicyMove
from .old_state import AcceptedDifference, OldState
from .policy import Exclusion, Policy, PolicyStep, PolicyVersion
from .promise import Promise
from .queue import QueueHours, TicketQueue, TicketRoute, TicketView
from .standing import GraceGrant, InvoiceStanding, Standing
from .study import Forecast, Study, StudyFinding
from .ticket import Ticket, TicketComment

__all__ = [
    "AcceptedDifference",
    "AirbagStep",
    "AirbagTrip",
    "CallTask",
    "CannedReply",
    "Case",
    "Dispute",
    "Event",
    "Exclusion",
    "Forecast",
    "GraceGrant",
    "HolidayCopy",
    "ImportFile",
    "ImportMapping",
    "ImportProblem",
    "InvoiceStanding",
    "Macro",
    "MacroAction",
    "MoveBatch",
    "OldState",
    "Policy",
    "PolicyMove",
    "PolicyStep",
    "PolicyVersion",
    "Promise",
    "QueueHours",
    "Standing",
    "StepRun",
    "Study",
    "StudyFinding",
    "Sweep",
    "Ticket",
    "TicketComment",
    "TicketQueue",
    "TicketRoute",
    "TicketView",
]
