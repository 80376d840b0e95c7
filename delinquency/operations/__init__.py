"""The verbs of the delinquency room. Each locks the account, decides by the pure rules, and writes rows only."""

from .exclusions import copy_holidays, remove_exclusions, save_exclusion, undo_copy
from .flag import count_again, do_not_count, unflag
from .grace import grant_grace, undo_grant
from .linting import lint_version
from .move_batches import cancel_move, confirm_move, prepare_move, undo_move, work_on, work_on_all
from .moves import move_account, move_accounts
from .policies import import_version, load_shipped, new_draft, publish, shipped
from .promises import promise_to_pay, withdraw_promise
from .reassess import reassess, reassess_many
from .standings import ensure_standings, look_again

__all__ = [
    "cancel_move",
    "confirm_move",
    "copy_holidays",
    "count_again",
    "do_not_count",
    "ensure_standings",
    "grant_grace",
    "import_version",
    "lint_version",
    "load_shipped",
    "look_again",
    "move_account",
    "move_accounts",
    "new_draft",
    "prepare_move",
    "promise_to_pay",
    "publish",
    "reassess",
    "reassess_many",
    "remove_exclusions",
    "save_exclusion",
    "shipped",
    "undo_copy",
    "undo_grant",
    "undo_move",
    "unflag",
    "withdraw_promise",
    "work_on",
    "work_on_all",
]
