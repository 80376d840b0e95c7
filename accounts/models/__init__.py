"""The standing facts about customers."""

from .account import Account, AccountStatus, AccountType, Company
from .attention import Attention
from .contact import Contact
from .funding_source import FundingSource
from .notice import Notice, NoticeAttempt, SimulatedMessage
from .pause import Pause
from .service_line import ServiceLine
from .template import NoticeTemplate, NoticeTemplateVersion, TemplateTest
from .user import User

__all__ = [
    "Account",
    "AccountStatus",
    "AccountType",
    "Attention",
    "Company",
    "Contact",
    "FundingSource",
    "Notice",
    "NoticeAttempt",
    "NoticeTemplate",
    "NoticeTemplateVersion",
    "Pause",
    "ServiceLine",
    "SimulatedMessage",
    "TemplateTest",
    "User",
]
