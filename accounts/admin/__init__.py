"""The back office's screens of the customers' room, a module per section."""

from . import account, attention, contact, notice, pause, staff

__all__ = ["account", "attention", "contact", "notice", "pause", "staff"]
