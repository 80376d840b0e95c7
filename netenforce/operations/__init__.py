"""The verbs of the network room."""

from .again import order_again
from .holds import LiftHold, PlaceHold, change_holds, lift_hold, place_hold
from .lines import ensure_basics, place_line, requeue
from .lists import follow_accounts
from .push import push_restore
from .releases import release_account
from .windows import close_windows_due, end_window, open_window

__all__ = [
    "LiftHold",
    "PlaceHold",
    "change_holds",
    "close_windows_due",
    "end_window",
    "ensure_basics",
    "follow_accounts",
    "lift_hold",
    "open_window",
    "order_again",
    "place_hold",
    "place_line",
    "push_restore",
    "release_account",
    "requeue",
]
