"""How a level is shown: in words, and in a colour that says the same."""

from django.utils.safestring import SafeString

from accounts.admin.base import BAD, GOOD, QUIET, WARN, badge
from netenforce.models.hold import Level

LEVEL_TONES = {Level.OPEN: GOOD, Level.THROTTLE: WARN, Level.WALLED_GARDEN: BAD, Level.SUSPEND: BAD}


def level_badge(level: str) -> SafeString:
    """Return how hard a line is restricted, in words and colour."""
    known = level in Level.values
    return badge(
        Level(level).label if known else level or "not there",
        LEVEL_TONES.get(Level(level), QUIET) if known else QUIET,
    )
