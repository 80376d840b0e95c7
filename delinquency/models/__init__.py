"""Policies, standings, cases, tickets, and the journal of decisions."""

from .airbag import AirbagStep, AirbagTrip
from .call import CallTask
from .case import Case, StepRun
from .dispute import Dispute
from .holiday_copy import HolidayCopy
from .journal import Event, Sweep
from .macro import CannedReply, Macro, MacroAction
from .mailing import ReportMailing, ReportSubscription
from .move import MoveBatch, PolicyMove
from .policy import Exclusion, Policy, PolicyStep, PolicyVersion
from .promise import Promise
from .queue import QueueHours, TicketQueue, TicketRoute, TicketView
from .standing import GraceGrant, InvoiceStanding, Standing
from .study import Forecast, Study, StudyFinding
from .ticket import Ticket, TicketComment

__all__ = [
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
    "InvoiceStanding",
    "Macro",
    "MacroAction",
    "MoveBatch",
    "Policy",
    "PolicyMove",
    "PolicyStep",
    "PolicyVersion",
    "Promise",
    "QueueHours",
    "ReportMailing",
    "ReportSubscription",
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
