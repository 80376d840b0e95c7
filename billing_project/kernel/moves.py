"""Check a move from one state to the next against the table of its model."""

from collections.abc import Collection, Mapping
from typing import TypeVar

from .errors import StaleState

S = TypeVar("S", bound=str)


def check_move(table: Mapping[S, Collection[S]], current: S, wanted: S) -> None:
    """Pass if the table allows the move; raises StaleState if it does not.

    The row must be locked by the caller, else ``current`` may already be old.
    """
    allowed = table.get(current, ())
    if wanted in allowed:
        return
    onward = ", ".join(sorted(str(state) for state in allowed)) or "nothing further"
    raise StaleState(
        f"This cannot become {_word(wanted)}: it is {_word(current)}, and from there only {onward} is possible."
    )


def _word(state: str) -> str:
    # str() of a TextChoices member is its value, but of a plain enum it is not.
    return str(getattr(state, "value", state))
