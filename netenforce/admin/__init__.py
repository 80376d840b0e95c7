"""The back office's screens of the network room, a module per section."""

from . import asked_releases, device, enforcement, help_words, hold, line, lists, placement, reading, window

__all__ = [
    "asked_releases",
    "device",
    "enforcement",
    "help_words",
    "hold",
    "line",
    "lists",
    "placement",
    "reading",
    "window",
]
