"""Policies, standings, cases, tickets, and the journal of decisions."""

from .airbag import AirbagStep, AirbagTrip
from .api import ApiRequest, ApiToken, ApiUse
from .call import CallTask
from .case import Case, StepRun
from .dispute import Dispute
from .figures import ActMinutes, MonthFigures
from .hold import AccountHold
from .holiday_copy import HolidayCopy
from .importing import ImportFile, ImportMapping, ImportProblem
from .journal import Event, Sweep
from .macro import CannedReply, Macro, MacroAction
from .mailing import ReportMailing, ReportSubscription
from .mass import MassAction, MassItem
from .more_time import GraceLimit, GraceRequest
from .move import MoveBatch, PolicyMove
from .old_state import AcceptedDifference, OldState
from .policy import Exclusion, Policy, PolicyStep, PolicyVersion
from .promise import Promise
from .queue import QueueHours, TicketQueue, TicketRoute, TicketView
from .runs import RunRequest, TaskRun
from .standing import GraceGrant, InvoiceStanding, Standing
from .study import Forecast, Study, StudyFinding
from .ticket import Ticket, TicketComment
from .webhook import WebhookDelivery, WebhookEndpoint

__all__ = [
    "AccountHold",
    "ActMinutes",
    "AcceptedDifference",
    "AirbagStep",
    "AirbagTrip",
    "ApiRequest",
    "ApiToken",
    "ApiUse",
    "CallTask",
    "CannedReply",
    "Case",
    "Dispute",
    "Event",
    "Exclusion",
    "Forecast",
    "GraceGrant",
    "GraceLimit",
    "GraceRequest",
    "HolidayCopy",
    "ImportFile",
    "ImportMapping",
    "ImportProblem",
    "InvoiceStanding",
    "Macro",
    "MacroAction",
    "MassAction",
    "MassItem",
    "MonthFigures",
    "MoveBatch",
    "OldState",
    "Policy",
    "PolicyMove",
    "PolicyStep",
    "PolicyVersion",
    "Promise",
    "QueueHours",
    "RunRequest",
    "ReportMailing",
    "ReportSubscription",
    "Standing",
    "StepRun",
    "TaskRun",
    "Study",
    "StudyFinding",
    "Sweep",
    "Ticket",
    "TicketComment",
    "TicketQueue",
    "TicketRoute",
    "TicketView",
    "WebhookDelivery",
    "WebhookEndpoint",
]
