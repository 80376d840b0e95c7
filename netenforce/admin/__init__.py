"""The back office's screens of the network room, a module per section."""

from . import device, enforcement

__all__ = ["device", "enforcement"]
