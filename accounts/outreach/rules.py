"""Pure: to which address by which channel, and at which decent hour (SEC-17, D6). No database, no clock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from billing_project.kernel import clock

from .letterbook import Urgency, keys_of

OPENS, CLOSES = time(8), time(21)
# A letter older than that says what is true no more; one that was asked for is waited for no longer than an hour.
GOOD_FOR, ASKED_FOR_GOOD_FOR = timedelta(days=3), timedelta(hours=1)

# Letters that a customer asked for a moment ago and is waiting for: any hour will do.
ASKED_FOR = keys_of(Urgency.ASKED_FOR)
# The step of a text that somebody asked for by a key in a call: that is their consent to this one text.
ASKED_IN_CALL = "asked-in-call"

CHANNEL_WORDS = {"email": "e-mail address", "sms": "phone number", "voice": "phone number"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How a person can be reached, and by which channels they allow it."""

    email: str = ""
    phone: str = ""
    allowed: Mapping[str, bool]

    def address(self, channel: str) -> str:
        """Return the address that a channel writes to; may be empty."""
        return self.email if channel == "email" else self.phone


def why_unreachable(reach: Reach, channel: str, *, step: str = "") -> str:
    """Return why a channel cannot be used for a person, or an empty text if it can."""
    if not reach.allowed.get(channel, False) and step != ASKED_IN_CALL:
        return f"The contact does not allow {channel}."
    if not reach.address(channel):
        return f"The contact has no {CHANNEL_WORDS[channel]}."
    return ""


def may_send_at(moment: datetime, zones: Iterable[str], *, opens: time = OPENS, closes: time = CLOSES) -> bool:
    """Tell whether it is between 08:00 and 21:00 in every one of the zones; 21:00 itself is too late."""
    return all(opens <= clock.local(moment, name).time() < closes for name in zones)


def next_allowed_at(moment: datetime, zones: Iterable[str], *, opens: time = OPENS, closes: time = CLOSES) -> datetime:
    """Return the first instant from ``moment`` on that is a decent hour in every one of the zones.

    Two windows of 13 hours always overlap somewhere on a day of 24, so the search ends. More than two zones,
    or shorter windows, need not overlap; then, after three days, the last candidate is returned as it is.
    """
    names = tuple(dict.fromkeys(name for name in zones if name))
    found = moment
    latest = moment + timedelta(days=3)
    while not may_send_at(found, names, opens=opens, closes=closes) and found < latest:
        for name in names:
            local = clock.local(found, name)
            if local.time() < opens:
                found = clock.instant(datetime.combine(local.date(), opens), name)
            elif local.time() >= closes:
                found = clock.instant(datetime.combine(local.date() + timedelta(days=1), opens), name)
    return found


def send_at(moment: datetime, *, template: str, zones: Iterable[str]) -> datetime:
    """Tell when a letter due at ``moment`` may go out: at a decent hour, or at once if it was asked for."""
    return moment if template in ASKED_FOR else next_allowed_at(moment, zones)
