"""The back office's screens of the network room, a module per section."""

from . import device, enforcement, hold, lists, placement, reading, window

__all__ = ["device", "enforcement", "hold", "lists", "placement", "reading", "window"]
