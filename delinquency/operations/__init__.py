"""The verbs of the delinquency room. Each locks the account, decides by the pure rules, and writes rows only."""

from .exclusions import copy_holidays, remove_exclusions, save_exclusion, undo_copy
from .grace import do_not_count, grant_grace, unflag
from .linting import lint_version
from .policies import import_version, load_shipped, new_draft, publish, shipped
from .reassess import reassess, reassess_many
from .standings import ensure_standings, look_again

__all__ = [
    "copy_holidays",
    "do_not_count",
    "ensure_standings",
    "grant_grace",
    "import_version",
    "lint_version",
    "load_shipped",
    "look_again",
    "new_draft",
    "publish",
    "reassess",
    "reassess_many",
    "shipped",
    "remove_exclusions",
    "save_exclusion",
    "undo_copy",
    "unflag",
]
