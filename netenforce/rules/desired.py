"""Pure: how hard a line should be restricted, given the holds on its account."""

from collections.abc import Iterable
from dataclasses import dataclass

# Mildest first. Open means: not restricted at all.
LEVELS = ("open", "throttle", "walled_garden", "suspend")
OPEN = LEVELS[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What one address is, or should be: how hard it is restricted, and by which list of the device.

    A blank list means that none is told, as for an open line.
    """

    level: str
    list_name: str = ""

    def agrees(self, wanted: "Held") -> bool:
        """Tell whether this is what is wanted; a list that is not told does not count."""
        return (self.level == wanted.level and "" in (self.list_name, wanted.list_name)) or self == wanted


NOTHING = Held(level=OPEN)


def rank(level: str) -> int:
    """Return how hard a level is; raises ValueError if there is none such."""
    return LEVELS.index(level)


def hardest(levels: Iterable[str]) -> str:
    """Return the hardest of the levels: one active hold is enough, and lifting one leaves the others."""
    return max(levels, key=rank, default=OPEN)
