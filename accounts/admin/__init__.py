"""The back office's screens of the customers' room, a module per section."""

from . import account, attention, call, contact, inbound, notice, outreach, pause, staff, suppression

__all__ = ["account", "attention", "call", "contact", "inbound", "notice", "outreach", "pause", "staff", "suppression"]
