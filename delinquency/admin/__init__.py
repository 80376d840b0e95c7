"""The back office's screens of the delinquency room, and what joins all rooms: the account page and the home page."""

from . import case, journal, overview, policy, policy_version, promise, standing, ticket

__all__ = ["case", "journal", "overview", "policy", "policy_version", "promise", "standing", "ticket"]
