"""Pure: how hard a line should be restricted, given the holds on its account."""

from collections.abc import Iterable

# Mildest first. Open means: not restricted at all.
LEVELS = ("open", "throttle", "walled_garden", "suspend")
OPEN = LEVELS[0]


def rank(level: str) -> int:
    """Return how hard a level is; raises ValueError if there is none such."""
    return LEVELS.index(level)


def hardest(levels: Iterable[str]) -> str:
    """Return the hardest of the levels: one active hold is enough, and lifting one leaves the others."""
    return max(levels, key=rank, default=OPEN)
