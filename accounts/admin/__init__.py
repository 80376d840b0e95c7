"""The back office's screens of the customers' room, a module per section."""

from . import account, attention, contact, notice, pause, staff, template, template_versions

__all__ = ["account", "attention", "contact", "notice", "pause", "staff", "template", "template_versions"]
