"""The verbs of the delinquency room. Each locks the account, decides by the pure rules, and writes rows only."""

from .exclusions import copy_holidays, remove_exclusions, save_exclusion, undo_copy
from .grace import do_not_count, grant_grace, unflag
from .linting import lint_version
from .move_batches import cancel_move, confirm_move, prepare_move, undo_move, work_on, work_on_all
from .moves import move_account, move_accounts
from .policies import import_version, load_shipped, new_draft, publish, shipped
from .reassess import reassess, reassess_many
from .standings import ensure_standings, look_again

__all__ = [
    "copy_holidays",
    "cancel_move",
    "confirm_move",
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
    "publish",
    "reassess",
    "reassess_many",
    "shipped",
    "remove_exclusions",
    "save_exclusion",
    "undo_copy",
    "undo_move",
    "unflag",
    "work_on",
    "work_on_all",
]
