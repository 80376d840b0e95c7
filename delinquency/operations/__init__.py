"""The verbs of the delinquency room. Each locks the account, decides by the pure rules, and writes rows only."""

from .flag import count_again, do_not_count, unflag
from .grace import grant_grace, undo_grant
from .policies import import_version, load_shipped, new_draft, publish
from .promises import promise_to_pay, withdraw_promise
from .reassess import reassess, reassess_many
from .standings import ensure_standings, look_again

__all__ = [
    "count_again",
    "do_not_count",
    "ensure_standings",
    "grant_grace",
    "import_version",
    "load_shipped",
    "look_again",
    "new_draft",
    "promise_to_pay",
    "publish",
    "reassess",
    "reassess_many",
    "undo_grant",
    "unflag",
    "withdraw_promise",
]
