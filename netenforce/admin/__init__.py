"""The back office's screens of the network room, a module per section."""

from . import device, enforcement, line, reading, window

__all__ = ["device", "enforcement", "line", "reading", "window"]
