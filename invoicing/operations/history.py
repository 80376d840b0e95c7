"""Save a row that keeps history, saying who changed it, why, and as of when."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from accounts.models import User

# The column of the history tables is this long.
REASON_LENGTH = 100


def save_with_reason(row: Any, fields: Sequence[str], reason: str, *, at: datetime, by: User | None = None) -> None:
    """Save the named fields of a locked row, with its history row; without `by` the request tells who."""
    row._change_reason, row._history_date = reason[:REASON_LENGTH], at
    if by is not None:
        row._history_user = by
    row.save(update_fields=list(fields))
