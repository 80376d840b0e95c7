"""Actions on many: one engine, and the kinds of things that it can do."""

from .account_kinds import Grace, Hold, Status
from .desk_kinds import HandOver, Resend, Waive
from .engine import (
    cancel,
    confirm,
    go_on,
    look_again,
    pause,
    prepare,
    try_again,
    undo,
    why_not_undone,
    work_on,
    work_on_all,
)
from .kinds import KINDS, MassKind, kind_of, register
from .money_kinds import Reverse
from .picking import AT_ONCE, few, outcomes_of

for _kind in (Grace(), Hold(), Status(), Waive(), Resend(), HandOver(), Reverse()):
    register(_kind)

__all__ = [
    "AT_ONCE",
    "KINDS",
    "MassKind",
    "cancel",
    "confirm",
    "few",
    "go_on",
    "kind_of",
    "look_again",
    "outcomes_of",
    "pause",
    "prepare",
    "try_again",
    "undo",
    "why_not_undone",
    "work_on",
    "work_on_all",
]
