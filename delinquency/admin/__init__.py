"""The back office's screens of the delinquency room, and what joins all rooms: the account page and the home page."""

from . import (
    airbag,
    case,
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
    "case",
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
