"""The back office's screens of the network room, a module per section."""

from . import device, enforcement, window

__all__ = ["device", "enforcement", "window"]
