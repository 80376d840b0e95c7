"""The back office's screens of the customers' room, a module per section."""

from . import (
    account,
    attention,
    audit,
    call,
    contact,
    files,
    help_words,
    inbound,
    notice,
    outreach,
    pause,
    portal_doors,
    staff,
    suppression,
    template,
    template_versions,
)

__all__ = [
    "account",
    "attention",
    "audit",
    "call",
    "contact",
    "files",
    "help_words",
    "inbound",
    "notice",
    "outreach",
    "pause",
    "portal_doors",
    "staff",
    "suppression",
    "template",
    "template_versions",
]
