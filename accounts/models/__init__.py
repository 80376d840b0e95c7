"""The standing facts about customers."""

from .account import Account, AccountStatus, AccountType, Company
from .attention import Attention
from .audit import AuditCheck, AuditEntry, AuditLink, AuditSeal
from .call import CallRecord
from .contact import Contact
from .exporting import DataExport, SavedFilter
from .funding_source import FundingSource
from .inbound import InboundAttachment, InboundMessage, ProviderEvent
from .notice import Notice, NoticeAttempt, SimulatedMessage
from .outreach import ChannelBreaker, ChannelDay, OutreachRules
from .pause import Pause
from .presence import Presence
from .service_line import ServiceLine
from .session import BrowserSession, LastCode
from .shadow import Shadow
from .sign_in import PortalDoor, PortalEntry, SignInRequest
from .suppression import Suppression
from .template import NoticeTemplate, NoticeTemplateVersion, TemplateTest
from .user import User

__all__ = [
    "Account",
    "AccountStatus",
    "AccountType",
    "Attention",
    "BrowserSession",
    "AuditCheck",
    "AuditEntry",
    "AuditLink",
    "AuditSeal",
    "CallRecord",
    "ChannelBreaker",
    "ChannelDay",
    "Company",
    "Contact",
    "DataExport",
    "FundingSource",
    "InboundAttachment",
    "InboundMessage",
    "LastCode",
    "Notice",
    "NoticeAttempt",
    "NoticeTemplate",
    "NoticeTemplateVersion",
    "OutreachRules",
    "Pause",
    "PortalDoor",
    "PortalEntry",
    "Presence",
    "ProviderEvent",
    "SavedFilter",
    "ServiceLine",
    "Shadow",
    "SignInRequest",
    "SimulatedMessage",
    "Suppression",
    "TemplateTest",
    "User",
]
