"""The back office's screens of the delinquency room, and what joins all rooms: the account page and the home page."""

from . import airbag, case, journal, overview, policy, policy_version, standing, ticket

__all__ = ["airbag", "case", "journal", "overview", "policy", "policy_version", "standing", "ticket"]
