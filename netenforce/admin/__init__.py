"""The back office's screens of the network room, a module per section."""

from . import device, enforcement, help_words, hold, line, lists, placement, reading, window

__all__ = ["device", "enforcement", "help_words", "hold", "line", "lists", "placement", "reading", "window"]
