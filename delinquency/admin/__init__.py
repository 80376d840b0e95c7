"""The back office's screens of the delinquency room, and what joins all rooms: the account page and the home page."""

from . import (
    airbag,
    call,
    case,
    dispute,
    exclusion,
    journal,
    move_batch,
    overview,
    policy,
    policy_version,
    promise,
    standing,
    study,
    ticket,
    ticket_desk,
    ticket_setup,
)

__all__ = [
    "airbag",
    "call",
    "case",
    "dispute",
    "exclusion",
    "journal",
    "move_batch",
    "overview",
    "policy",
    "policy_version",
    "promise",
    "standing",
    "study",
    "ticket",
    "ticket_desk",
    "ticket_setup",
]
